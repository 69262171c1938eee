package slipway

import (
	"context"
	"io"
)

// Operator starts and ends long work. Every method returns as soon as the work is durably accepted; its progress is read from
// the [Store] and from events under the returned ID. Safe for concurrent use.
type Operator interface {
	// Ship bakes, tests and deploys to the environments in order, and stops at the first that fails.
	Ship(ctx context.Context, req ShipRequest) (Execution, error)
	// Bake bakes and tests. A bake with the same inputs that is under way is joined: its Bake is returned.
	Bake(ctx context.Context, req BakeRequest) (Bake, error)
	// PlanBake says what a bake would do, and does nothing.
	PlanBake(ctx context.Context, req BakeRequest) (BakePlan, error)
	// Rebuild bakes an image again from its recorded inputs, without cache and with the same packages, and compares. The bake
	// fails, and its Differences name the files, if anything is not the same. It registers nothing.
	Rebuild(ctx context.Context, req RebuildRequest) (Bake, error)
	// Deploy moves a cluster to an image. Conflict, naming the other, while a deployment of the cluster is under way.
	Deploy(ctx context.Context, req DeployRequest) (Deployment, error)
	// Rollback moves a cluster back. Refused if there is nothing to roll back to.
	Rollback(ctx context.Context, req RollbackRequest) (Deployment, error)
	// Command tells a deployment something, and returns it as it is then. Conflict if it is over, or is not in a state in which that makes sense.
	Command(ctx context.Context, deployment string, c Command) (Deployment, error)
	// Retry starts a deployment that is over, and did not succeed, again as it was asked for; one that needs attention is first taken back as far
	// as its ledger says.
	Retry(ctx context.Context, deployment string, c Command) (Deployment, error)
	// Release moves several applications of an environment as one.
	Release(ctx context.Context, req ReleaseRequest) (Release, error)
	// Restrict freezes, pins or vetoes.
	Restrict(ctx context.Context, req RestrictionRequest) (Restriction, error)
	// Lift ends a restriction.
	Lift(ctx context.Context, req LiftRequest) (Restriction, error)
	// Analyse compares two server groups over a time that has been. It changes nothing.
	Analyse(ctx context.Context, req AnalysisRequest) (Verdict, error)
	// Abort ends a bake (b-…), a deployment (d-…), a release (r-…) or an execution (x-…) and undoes what it did. It returns when the wish is
	// recorded; nil if the work is over already.
	Abort(ctx context.Context, id string) error
}

// SecretStore keeps secrets for bakes, in memory only: a restart of slipwayd they survive, one of the host they do not. Methods are safe
// for concurrent use.
type SecretStore interface {
	// PutSecrets stores values by name and returns a handle, which is no secret. What no bake has used for an hour is dropped.
	PutSecrets(ctx context.Context, values map[string][]byte) (handle string, err error)
	// Secret returns a value; NotFound if the handle or the name is not known.
	Secret(ctx context.Context, handle, name string) ([]byte, error)
	// DropSecrets forgets them; nil if they are not known.
	DropSecrets(ctx context.Context, handle string) error
}

// Blobs is content-addressed storage. Methods are safe for concurrent use.
type Blobs interface {
	// Missing returns those of digests that are not stored.
	Missing(ctx context.Context, digests []Digest) ([]Digest, error)
	// PutBlob stores what r yields under want. Invalid if the content has another digest, Unprepared if the disk is full; then
	// nothing is kept. size, when not negative, is checked against the free space first. Storing a blob again is a no-op.
	PutBlob(ctx context.Context, want Digest, size int64, r io.Reader) error
	// OpenBlob opens a stored blob; NotFound if it is not stored. It does not verify the content.
	OpenBlob(ctx context.Context, digest Digest) (io.ReadCloser, error)
}
