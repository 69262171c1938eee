package bake

import (
	"context"
	"io"

	"github.com/slipway-sh/slipway"
)

// Job is a bake to be done: the request, and what is known beyond it.
type Job struct {
	ID      string // of the bake; names what is kept of a failed one
	Request *slipway.BakeRequest
	Base    *slipway.Base        // what From means, for oci: and image:
	Below   []slipway.LayerInfo  // the layers of an image: base
	Done    []slipway.LayerBake  // what an earlier try of this bake finished
	Locks   map[int]slipway.Lock // by step index: install exactly these packages, from kept blobs alone
	Secrets Secrets
	Watch   Watch
}

// Secrets returns the value of a secret by its name.
type Secrets func(ctx context.Context, name string) ([]byte, error)

// Watch is told how a bake goes. Its functions are called from several goroutines, and are all set.
type Watch struct {
	Started  func(Step)                    // a layer is being built
	Output   func(Step) io.Writer          // what building a layer prints, line by line
	Finished func(Step, slipway.LayerBake) // a layer is there, built or from the cache; the base's are told one by one
}
