// Package bases says what image.from means for a bake: which image of ours (image:<application>), or which of a registry's (oci:<ref>).
//
// Names move, images do not. So a name is looked up once, and later bakes stay on what it was found to mean until someone asks to refresh:
// a bake gives the same image today and tomorrow, and needs no network the second time.
package bases

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-sh/slipway"
)

// place is where in a specification a base stands.
const place = "image.from"

// Config is what a [Resolver] works with.
type Config struct {
	Store    Store
	Blobs    slipway.Blobs // where the layers of our images are
	Registry slipway.Registry
	Dir      string // for what registries said; one process at a time
}

// Store is what is needed of a [slipway.Store].
type Store interface {
	Images
	Application(ctx context.Context, name string) (slipway.Spec, error)
	Applications(ctx context.Context) ([]slipway.Spec, error)
	Image(ctx context.Context, digest slipway.Digest) (slipway.Image, error)
	Images(ctx context.Context, application string) ([]slipway.Image, error)
	Channels(ctx context.Context, application string) ([]slipway.Channel, error)
}

// Images finds images by name.
type Images interface {
	FindImage(ctx context.Context, application, ref string) (slipway.Image, error)
}

// Resolver resolves bases. Its methods are safe for concurrent use.
type Resolver struct {
	store    Store
	blobs    slipway.Blobs
	registry slipway.Registry
	memory   memory
}

// New returns a resolver. It touches nothing yet.
func New(c Config) *Resolver {
	return &Resolver{store: c.Store, blobs: c.Blobs, registry: c.Registry, memory: memory{dir: c.Dir}}
}

// Resolve returns what from, "image:…" or "oci:…", means for a bake of the application, and the layers, lowest first, if it is an image of
// ours.
//
// previous is what from meant for the application's newest image, nil if it has none: without refresh that is what it still means. after
// are bakes that had to end first: an image of the base that one of them made is meant, unless from has a digest.
//
// Its errors name image.from: Invalid if there is no such image or it leads back to the application, Refused if it may not be built on
// (revoked, or its tests failed), NotFound if a layer of it is not stored, and those of [slipway.Registry].
func (r *Resolver) Resolve(
	ctx context.Context, application, from string, previous *slipway.Base, refresh bool, after []slipway.Bake,
) (slipway.Base, []slipway.LayerInfo, error) {
	if previous != nil && previous.From != from {
		previous = nil
	}
	kind, rest, _ := strings.Cut(from, ":")
	var base slipway.Base
	var layers []slipway.LayerInfo
	var err error
	switch kind {
	case "image":
		base, layers, err = r.image(ctx, application, rest, previous, refresh, after)
	case "oci":
		base, err = r.oci(ctx, rest, previous, refresh)
	default:
		return slipway.Base{}, nil, fmt.Errorf("resolve %q: it says all there is to know", from)
	}
	if err != nil {
		return slipway.Base{}, nil, placed(err)
	}
	base.From = from
	return base, layers, nil
}

// placed names image.from in an application error that names no other place.
func placed(err error) error {
	var known *slipway.Error
	if errors.As(err, &known) && known.Place == "" {
		return known.At(place)
	}
	return err
}
