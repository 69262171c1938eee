// Package sbom lists what is in an image, as a CycloneDX document: Debian packages, the modules that Go programs were
// built from, and packages of npm and Python.
//
// It reads the layers, never a running machine. What is found in a layer is kept by the layer's digest, so that a bake that changed one
// layer looks into that one alone. A file that cannot be read as what its name says is noted, and never fails a bake.
package sbom

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// format is part of everything that is kept. It changes whenever the same image would give another document than before.
const format = "1"

// Images is where layers and locks are. Methods are safe for concurrent use. [image.Store] is one.
type Images interface {
	OpenBlob(ctx context.Context, d slipway.Digest) (io.ReadCloser, error)
	// Check returns nil if the blob's content is what the digest names.
	Check(ctx context.Context, d slipway.Digest) error
	ReadLock(ctx context.Context, d slipway.Digest) (slipway.Lock, error)
}

// Inventory lists what is in images. Its methods are safe for concurrent use.
type Inventory struct {
	images Images
	dir    string
}

// New returns an inventory that keeps what it found in layers in dir, which is made when needed and may be emptied at any time.
func New(images Images, dir string) *Inventory { return &Inventory{images, dir} }

// BOM returns what is in the image, as CycloneDX 1.6 in JSON. The same image gives the same bytes.
func (v *Inventory) BOM(ctx context.Context, image slipway.Image) ([]byte, error) {
	found := make([][]finding, len(image.Layers))
	debs := map[lockedDeb]slipway.Digest{}
	each, eachCtx := errgroup.WithContext(ctx)
	each.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range image.Layers {
		each.Go(func() (err error) {
			found[i], err = v.layer(eachCtx, l.Digest)
			return err
		})
	}
	if err := each.Wait(); err != nil {
		return nil, err
	}
	for _, l := range image.Layers {
		if err := v.lock(ctx, l.Lock, debs); err != nil {
			return nil, err
		}
	}
	seen, err := v.visible(ctx, image.Layers, found)
	if err != nil {
		return nil, err
	}
	return document(image, seen, debs)
}

// Current reports whether a document that BOM returned once is what it would return for the same image now.
func (v *Inventory) Current(bom []byte) bool {
	var b struct {
		Metadata struct {
			Tools struct {
				Components []struct{ Name, Version string } `json:"components"`
			} `json:"tools"`
		} `json:"metadata"`
	}
	tools := &b.Metadata.Tools.Components
	return json.Unmarshal(bom, &b) == nil && len(*tools) == 1 && (*tools)[0].Name == toolName && (*tools)[0].Version == format
}

// lockedDeb names a Debian package as a lock does.
type lockedDeb struct{ name, version, architecture string }

func (v *Inventory) lock(ctx context.Context, d slipway.Digest, to map[lockedDeb]slipway.Digest) error {
	if d == "" {
		return nil
	}
	lock, err := v.images.ReadLock(ctx, d)
	if err != nil {
		return fmt.Errorf("read a lock: %w", err)
	}
	for _, p := range lock.Packages {
		to[lockedDeb{p.Name, p.Version, p.Architecture}] = p.Digest
	}
	return nil
}

// visible returns the findings that a machine of the layers, lowest first, sees: those in files that no upper layer hides.
func (v *Inventory) visible(ctx context.Context, layers []slipway.LayerInfo, found [][]finding) ([]finding, error) {
	var seen []finding
	var above []*cover
	for i, l := range slices.Backward(layers) {
		for _, f := range found[i] {
			hidden := false
			for _, c := range above {
				var err error
				if hidden, err = c.hides(f.Path); err != nil {
					return nil, err
				} else if hidden {
					break
				}
			}
			if !hidden {
				seen = append(seen, f)
			}
		}
		if i == 0 {
			break
		}
		blob, err := openLayer(ctx, v.images, l.Digest)
		if err != nil {
			return nil, err
		}
		defer blob.Close()
		above = append(above, newCover(blob))
	}
	slices.SortFunc(seen, func(a, b finding) int { return strings.Compare(a.Path, b.Path) })
	return seen, nil
}
