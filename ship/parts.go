package ship

import (
	"context"
	"log/slog"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
	"github.com/slipway-sh/slipway/bake"
)

// Parts are what bakes and executions work with.
type Parts struct {
	Temporal Temporal
	Store    slipway.Store
	Bus      slipway.Bus
	Blobs    slipway.Blobs
	Provider slipway.Provider
	Probe    string // the slipway-probe program
	Baker    Baker
	Bases    Bases
	Secrets  slipway.SecretStore
	Configs  slipway.ConfigStore // nil: there is no service configuration
	Sizes    slipway.SizeStore   // nil: nobody resizes by hand
	Attester Attester
	Verifier slipway.ImageVerifier
	Diff     LayerDiff
	Queries  func(slipway.Cluster, slipway.Environment) error // says what is wrong with the PromQL of an environment; nil: it is not looked at
	Metrics  analysis.Ranger                                  // answers the queries of analyses of what has been; nil: they are not measured
	// Gate returns a Refused error unless a planned deployment meets the policy of promotion that its environment enforces, or that is to be
	// overridden, which it notes in d; nil: nothing is enforced.
	Gate func(ctx context.Context, d *slipway.Deployment, override bool) error
	// Standing says whether who has started an execution may still do what its next part does; nil: nobody loses a right.
	Standing slipway.Standing
	Log      *slog.Logger
}

// Stands returns nil if who has started an execution may now do what verb does, with the image, to an environment; Forbidden if not.
func (p *Parts) Stands(ctx context.Context, x slipway.Execution, verb, environment string, image slipway.Digest) error {
	if p.Standing == nil {
		return nil
	}
	return p.Standing.Stands(ctx, x.Principal, verb, slipway.Cluster{Application: x.Application, Environment: environment}, image)
}

// Baker makes layers and images. [bake.Baker] is one.
type Baker interface {
	// Key returns the digest of everything that decides the image.
	Key(job bake.Job) slipway.Digest
	// Plan says what Build would do, and what differs from an earlier job, nil for none, and the layers that gave.
	Plan(ctx context.Context, job bake.Job, previous *bake.Job, layers []slipway.LayerBake) (slipway.BakePlan, error)
	// Build returns all layers, lowest first, from the cache or built.
	Build(ctx context.Context, job bake.Job) ([]slipway.LayerBake, error)
	// Image writes the image of the layers; the same again gives the same digest.
	Image(ctx context.Context, req *slipway.BakeRequest, layers []slipway.LayerInfo) (slipway.Image, error)
	// Kept reports whether the sandbox of a failed bake is kept.
	Kept(bake string) bool
	// Discard removes what is kept of a failed bake; nil if nothing is.
	Discard(ctx context.Context, bake string) error
}

// Bases says what an image starts from.
type Bases interface {
	// Resolve returns what from means for the application, and the layers if that is an image of ours. Without refresh it is what it
	// was for previous, nil for none. after are bakes that have made images meanwhile.
	Resolve(ctx context.Context, application, from string, previous *slipway.Base, refresh bool, after []slipway.Bake) (slipway.Base, []slipway.LayerInfo, error)
}

// Attester signs what is known of an image: how it was made, what is in it, what its tests found.
type Attester interface {
	// Attest is idempotent.
	Attest(ctx context.Context, image slipway.Image, bake slipway.Bake, req *slipway.BakeRequest) error
}

// LayerDiff names the files in which two layers differ, each with what is different.
type LayerDiff func(ctx context.Context, a, b slipway.Digest) ([]string, error)
