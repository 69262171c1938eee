// Package bake turns a specification and a build context into an image: every step becomes one layer, found in the cache by the
// digest of everything that decides it, or built.
//
// Steps that only place files (copy, template, rootfs) are written straight from the blobs of the context. Steps that run
// something (packages, run) run in a sandbox, a container on an overlay of the layers below, and what they changed is the layer.
package bake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/rootfs"
)

// Config is what a [Baker] works with.
type Config struct {
	Images   *image.Store   // where the context's blobs are, and the layers go
	Mounts   *rootfs.Mounts // for the root filesystems of sandboxes
	Registry Registry       // for images that start from a registry's; nil for none
	Apt      string         // the host's configuration of apt, which says where Debian comes from; default /etc/apt
	Dir      string         // for the layer cache and for work in progress; one process at a time
	Log      *slog.Logger
}

// Baker bakes. Its methods are safe for concurrent use: steps with the same key are built once.
type Baker struct {
	images   *image.Store
	mounts   *rootfs.Mounts
	registry Registry
	cache    *cache
	holds    *holds
	aptDir   string
	lists    *lists
	workDir  string
	runcDir  string
	log      *slog.Logger
	flights  flights
	slots    *semaphore.Weighted // for layers made ahead of their turn
	turns    sync.Map            // slipway.Digest of a registry's image → chan struct{}, which holds one while someone fetches its layers

	collecting sync.Mutex

	mu      sync.Mutex
	runtime *container.Runtime // nil until a sandbox is needed
	kept    map[string]*kept   // by bake
}

// New returns a baker. It touches nothing; see [Baker.Sweep].
func New(c Config) *Baker {
	return &Baker{
		images:   c.Images,
		mounts:   c.Mounts,
		registry: c.Registry,
		cache:    &cache{dir: filepath.Join(c.Dir, "layers"), images: c.Images},
		holds:    &holds{lingers: lingers},
		aptDir:   cmp.Or(c.Apt, "/etc/apt"),
		lists:    &lists{dir: filepath.Join(c.Dir, "lists")},
		workDir:  filepath.Join(c.Dir, "work"),
		runcDir:  filepath.Join(c.Dir, "runc"),
		log:      c.Log,
		slots:    semaphore.NewWeighted(int64(max(2, runtime.GOMAXPROCS(0)))),
	}
}

// Step is one layer of a bake.
type Step struct {
	Index int    `json:"index"` // 0: what the image starts from; i: spec.Image.Layers[i-1]
	Name  string `json:"name"`  // for people: "packages nginx-light"
}

// Steps returns the steps of a bake in order. There is no step 0 for an image that starts from scratch.
func Steps(spec slipway.Spec) []Step {
	var steps []Step
	if spec.Image.From != "scratch" {
		steps = append(steps, Step{0, spec.Image.From})
	}
	for i, l := range spec.Image.Layers {
		steps = append(steps, Step{i + 1, layerName(l)})
	}
	return steps
}

func layerName(l slipway.Layer) string {
	switch {
	case l.Copy != nil:
		return "copy " + l.Copy.From
	case l.Packages != nil:
		return "packages " + strings.Join(l.Packages, " ")
	case l.Run != nil:
		return "run " + l.Run.Script
	case l.Template != nil:
		return "template " + l.Template.From
	}
	return "nothing"
}

// place is where in a specification a step stands.
func (s Step) place() string {
	if s.Index == 0 {
		return "image.from"
	}
	return fmt.Sprintf("image.layers[%d]", s.Index-1)
}

// Image registers the image of layers in the store. The same request and layers give the same digest.
func (b *Baker) Image(ctx context.Context, req *slipway.BakeRequest, layers []slipway.LayerInfo) (slipway.Image, error) {
	img := slipway.Image{
		Application:  req.Spec.Application,
		Version:      req.Version,
		State:        slipway.ImageUntested,
		From:         req.Spec.Image.From,
		Layers:       layers,
		Service:      req.Spec.Image.Service,
		Irreversible: req.Spec.Image.Irreversible,
		Created:      time.Now().UTC(),
	}
	if len(req.Spec.Image.Tests) == 0 {
		img.State = slipway.ImageReady
	}
	digest, err := b.images.WriteImage(ctx, img)
	if err != nil {
		return slipway.Image{}, fmt.Errorf("write the image: %w", err)
	}
	img.Digest = digest
	return img, nil
}

// explain gives err the place of the step it happened in, unless it has a closer one, and a code if it is a full disk.
func (b *Baker) explain(step Step, err error) error {
	var known *slipway.Error
	switch {
	case errors.As(err, &known) && known.Place == "":
		return known.At(step.place())
	case errors.As(err, &known):
		return known
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return slipway.Errorf(slipway.Unprepared, "cannot bake %s: no space left on the disk of %s: %w", step.Name, b.workDir, err).At(step.place())
	}
	return fmt.Errorf("bake %s: %w", step.Name, err)
}
