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
	Done    []slipway.LayerBake  // what an earlier try of this bake finished: taken as they are where their keys still fit
	Locks   map[int]slipway.Lock // by step index: install exactly these packages, from kept blobs alone; see rebuilds
	Secrets Secrets
	Watch   Watch
}

// rebuilds reports whether the job builds an image again to compare it: Locks is not nil, though it may be empty. Such a job neither reads
// the cache nor writes to it, and shares no work with other bakes.
func (j *Job) rebuilds() bool { return j.Locks != nil }

// Secrets returns the value of a secret by its name.
type Secrets func(ctx context.Context, name string) ([]byte, error)

// Watch is told how a bake goes. Its functions are called from several goroutines, and are all set. A layer is told of as started once, if
// it is built, and as finished once, in the order of the layers; several may be under way at a time.
type Watch struct {
	Started  func(Step)                    // a layer is being built
	Output   func(Step) io.Writer          // what building a layer prints, line by line; asked for once a layer, and closed if it is an io.Closer
	Finished func(Step, slipway.LayerBake) // a layer is there, built or from the cache; the base's are told one by one
}
