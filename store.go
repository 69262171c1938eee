package slipway

import (
	"context"
	"time"
)

// Store keeps the records. Methods are safe for concurrent use. Lookups return NotFound, by the name a user gave. Put methods
// insert or replace, and are durable when they return.
type Store interface {
	PutApplication(ctx context.Context, spec Spec) error
	Application(ctx context.Context, name string) (Spec, error)
	Applications(ctx context.Context) ([]Spec, error)

	// PutImage inserts an image, or replaces what is known of it when it was baked again: all but its revocation, which only RevokeImage
	// changes and which outlives the record, and its version label if the new bake has none. Labels that it had before still name it.
	PutImage(ctx context.Context, image Image) error
	Image(ctx context.Context, digest Digest) (Image, error)
	// FindImage resolves the name of a channel, a version label (the image that was given it last), a full digest, or at least six of its
	// first digits; in this order, so that a channel hides a label, and a label hides digits. "" and "latest" are the newest ready
	// image. NotFound if there is none, Invalid if digits fit several.
	FindImage(ctx context.Context, application, ref string) (Image, error)
	// Images returns an application's images, newest first; all applications' for "".
	Images(ctx context.Context, application string) ([]Image, error)
	// RevokeImage sets the image's revocation, or lifts it if r is nil, and returns the image as it is now. A deployment of a revoked
	// image cannot be created from then on.
	RevokeImage(ctx context.Context, digest Digest, r *Revocation) (Image, error)
	// DeleteImage removes the record of an image. Conflict, with the reason, if a channel names it, or if a deployment or execution of
	// it is under way or ended after seen: when the caller began to look whether anything needs the image. So either the image stays
	// or a deployment of it cannot be created any more.
	DeleteImage(ctx context.Context, digest Digest, seen time.Time) error

	// MoveChannel makes a channel name an image, and returns it with what it named before. It is atomic. Moving it to where it is
	// changes nothing. NotFound if the application has no such image, or no such channel and it is not to be made; Refused if the
	// image is not ready or revoked; Conflict if the channel is not where IfAt says, or a new one would hide a version label.
	MoveChannel(ctx context.Context, move ChannelMove) (Channel, error)
	Channel(ctx context.Context, application, name string) (Channel, error)
	// Channels returns an application's channels by name; all applications' for "".
	Channels(ctx context.Context, application string) ([]Channel, error)
	// DeleteChannel removes a channel. The image stays.
	DeleteChannel(ctx context.Context, application, name string) error

	PutBake(ctx context.Context, bake Bake) error
	Bake(ctx context.Context, id string) (Bake, error)
	Bakes(ctx context.Context, application string, limit int) ([]Bake, error) // newest first

	// CreateDeployment stores a new deployment and, unless it has a Target, gives it the cluster's next server group name, and the one
	// after that as Baseline if its strategy has one and it is no rollback. One that is queued gets none: it gets them when it is created again in
	// another state. It returns the record as stored. The same ID again returns what is stored. Conflict if another cluster's groups have such names,
	// NotFound if its image is not recorded, Refused if that is revoked.
	CreateDeployment(ctx context.Context, d Deployment) (Deployment, error)
	PutDeployment(ctx context.Context, d Deployment) error
	Deployment(ctx context.Context, id string) (Deployment, error)
	// Deployments returns deployments newest first; zero fields of the cluster select all.
	Deployments(ctx context.Context, cluster Cluster, limit int) ([]Deployment, error)

	PutExecution(ctx context.Context, e Execution) error
	Execution(ctx context.Context, id string) (Execution, error)
	Executions(ctx context.Context, application string, limit int) ([]Execution, error) // newest first

	// PutRestriction inserts a restriction or replaces the one of the same ID. One of the same kind, cluster and image as another that is in
	// force is not stored; the one that is there is returned.
	PutRestriction(ctx context.Context, r Restriction) (Restriction, error)
	// DeleteRestriction removes a restriction and returns it.
	DeleteRestriction(ctx context.Context, id string) (Restriction, error)
	// Restrictions returns all restrictions, oldest first; those that are over, too.
	Restrictions(ctx context.Context) ([]Restriction, error)

	PutRelease(ctx context.Context, r Release) error
	Release(ctx context.Context, id string) (Release, error)
	Releases(ctx context.Context, environment string, limit int) ([]Release, error) // newest first

	// PutSamples stores what was measured of a deployment's groups. One of the same group and time replaces another.
	PutSamples(ctx context.Context, deployment string, samples []Sample) error
	// Samples returns those of a deployment from the one time, inclusive, to the other, exclusive, by time; zero times do not bound.
	Samples(ctx context.Context, deployment string, from, to time.Time) ([]Sample, error)

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
