package slipway

import "context"

// Store keeps the records. Methods are safe for concurrent use. Lookups return NotFound, by the name a user gave. Put methods
// insert or replace, and are durable when they return.
type Store interface {
	PutApplication(ctx context.Context, spec Spec) error
	Application(ctx context.Context, name string) (Spec, error)
	Applications(ctx context.Context) ([]Spec, error)

	PutImage(ctx context.Context, image Image) error
	Image(ctx context.Context, digest Digest) (Image, error)
	// FindImage resolves a full digest, at least six of its first digits, or a version label (the newest image with it);
	// "" is the newest ready image. NotFound if there is none, Invalid if digits fit several.
	FindImage(ctx context.Context, application, ref string) (Image, error)
	// Images returns an application's images, newest first; all applications' for "".
	Images(ctx context.Context, application string) ([]Image, error)

	PutBake(ctx context.Context, bake Bake) error
	Bake(ctx context.Context, id string) (Bake, error)
	Bakes(ctx context.Context, application string, limit int) ([]Bake, error) // newest first

	// CreateDeployment stores a new deployment and, unless it has a Target, gives it the cluster's next server group name. It
	// returns the record as stored. The same ID again returns what is stored. Conflict if another cluster's groups have such names.
	CreateDeployment(ctx context.Context, d Deployment) (Deployment, error)
	PutDeployment(ctx context.Context, d Deployment) error
	Deployment(ctx context.Context, id string) (Deployment, error)
	// Deployments returns deployments newest first; zero fields of the cluster select all.
	Deployments(ctx context.Context, cluster Cluster, limit int) ([]Deployment, error)

	PutExecution(ctx context.Context, e Execution) error
	Execution(ctx context.Context, id string) (Execution, error)

	PutRoute(ctx context.Context, route Route) error
	Route(ctx context.Context, cluster Cluster) (Route, error)
	Routes(ctx context.Context) ([]Route, error)

	// AppendEvent stores e with the next Seq and returns it.
	AppendEvent(ctx context.Context, e Event) (Event, error)
	// Events returns up to limit events, oldest first.
	Events(ctx context.Context, filter EventFilter, limit int) ([]Event, error)
}

// Bus carries live events to whoever listens. Delivery is best effort: a listener that missed some reads them from the [Store].
type Bus interface {
	Publish(ctx context.Context, e Event) error
	// Subscribe returns a channel that receives events published from now on until ctx is done. A slow receiver loses events, never blocks others.
	Subscribe(ctx context.Context) (<-chan Event, error)
}
