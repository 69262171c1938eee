package slipway

import (
	"context"
	"time"
)

// Catalog is what can be known of images and done with them, beyond their records: it puts those together with what runs now. An image is
// named as [Store.FindImage] takes it. Methods are safe for concurrent use.
type Catalog interface {
	// Status returns an image with all that has to do with it now.
	Status(ctx context.Context, application, ref string) (ImageStatus, error)
	// Statuses returns an application's images, newest first; all applications' for "".
	Statuses(ctx context.Context, application string) ([]ImageStatus, error)
	// Ancestry returns what an image is built on, up to the first, and what is built on it.
	Ancestry(ctx context.Context, application, ref string) (Ancestry, error)
	// Diff compares two images.
	Diff(ctx context.Context, older, newer Image) (ImageDiff, error)
	// MoveChannel makes a channel name an image, and tells of it. Errors are those of [Store.MoveChannel].
	MoveChannel(ctx context.Context, application, name string, req ChannelRequest) (Channel, error)
	// DeleteChannel removes a channel, and tells of it.
	DeleteChannel(ctx context.Context, application, name, by string) error
	// Revoke says that an image must not be launched any more; what runs of it is left alone, and is in the answer. Revoking it again
	// gives it another reason.
	Revoke(ctx context.Context, application, ref, reason, by string) (ImageStatus, error)
	// Reinstate lifts an image's revocation; it changes nothing if there is none.
	Reinstate(ctx context.Context, application, ref, by string) (ImageStatus, error)
	// Prune removes the images that nothing needs and no retention keeps. A dry run only says which those are.
	Prune(ctx context.Context, req PruneRequest) (Pruned, error)
}

// ImageStatus is an image and what has to do with it now.
type ImageStatus struct {
	Image
	Channels []Channel  `json:"channels"`         // that name it
	Uses     []ImageUse `json:"uses"`             // server groups and throw-away machines of it
	Parent   *Outdated  `json:"parent,omitempty"` // set if what it is built on has moved on, or is revoked
	Children int        `json:"children"`         // images that are built on it
	Signed   *bool      `json:"signed,omitempty"` // by a trusted key, as one that passed its tests; of a list it is not looked at
}

// ImageUse is a server group, or a throw-away machine, that is of an image.
type ImageUse struct {
	Cluster   *Cluster `json:"cluster,omitempty"` // nil: a throw-away machine
	Group     string   `json:"group,omitempty"`
	Serving   bool     `json:"serving"`   // the load balancer sends it traffic, or would
	Instances []string `json:"instances"` // that are there now
}

// Outdated says that what an image is built on has moved on, or must not be built on any more.
type Outdated struct {
	Now     *Base       `json:"now,omitempty"`     // what From means now; nil if that has not changed
	Revoked *Revocation `json:"revoked,omitempty"` // of what the image is built on
	Message string      `json:"message"`           // for people
}

// Ancestry is a family of images. What they are built on comes first.
type Ancestry struct {
	Ancestors   []Relative `json:"ancestors"`   // from the first to the image's parent
	Image       Relative   `json:"image"`       // that was asked for
	Descendants []Relative `json:"descendants"` // depth first, newest first; Depth says what is built on what
}

// Relative is an image in an [Ancestry]. Of one that is removed, or is no image of ours, only From, and what was noted in the image
// that is built on it, is known.
type Relative struct {
	Application string      `json:"application,omitempty"`
	Version     string      `json:"version,omitempty"`
	Digest      Digest      `json:"digest,omitempty"`
	From        string      `json:"from,omitempty"` // what it starts from
	State       ImageState  `json:"state,omitempty"`
	Revoked     *Revocation `json:"revoked,omitempty"`
	Channels    []string    `json:"channels,omitempty"`
	Parent      *Outdated   `json:"parent,omitempty"` // set if its parent has moved on, or is revoked
	Removed     bool        `json:"removed,omitempty"`
	Depth       int         `json:"depth"` // generations from the image asked for; negative for ancestors
}

// ChannelRequest asks to move a channel.
type ChannelRequest struct {
	Image  string `json:"image"`            // as FindImage takes it
	IfAt   string `json:"if_at,omitempty"`  // move it only if it names this image now, as FindImage takes it
	Create bool   `json:"create,omitempty"` // make it if there is none
	By     string `json:"by,omitempty"`     // who asks; the client's word
}

// PruneRequest asks to remove images. Without Keep and Days each application's own [Retention] decides; one that has none loses nothing.
type PruneRequest struct {
	Application string `json:"application,omitempty"` // "" is all
	Keep        *int   `json:"keep,omitempty"`        // at least the newest so many ready images
	Days        *int   `json:"days,omitempty"`        // and all younger than this
	DryRun      bool   `json:"dry_run,omitempty"`
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one.
func (r PruneRequest) Validate() error {
	var p problems
	if r.Application != "" {
		p.check("application", ValidateName("application", r.Application))
	}
	for place, n := range map[string]*int{"keep": r.Keep, "days": r.Days} {
		if n != nil {
			p.notNegative(place, float64(*n))
		}
	}
	return p.err()
}

// Pruned is what pruning decided of every image it looked at, and did.
type Pruned struct {
	Images []PrunedImage `json:"images"` // by application, newest first
	Freed  int64         `json:"freed"`  // bytes on disk, cached layers stay a while; of a dry run: of the layers that no other image has
	DryRun bool          `json:"dry_run,omitempty"`
}

// PrunedImage is an image that stays, or goes, and why.
type PrunedImage struct {
	Application string     `json:"application"`
	Version     string     `json:"version,omitempty"`
	Digest      Digest     `json:"digest"`
	State       ImageState `json:"state"`
	Created     time.Time  `json:"created"`
	Size        int64      `json:"size"`              // of all layers, whoever else has them
	Removed     bool       `json:"removed"`           // or, in a dry run, would be
	Reasons     []string   `json:"reasons"`           // why it stays, or why it goes
	Problem     string     `json:"problem,omitempty"` // why it could not be removed though it was to be
}

// Defaults of [Retention].
const (
	DefaultKeep = 10
	DefaultDays = 30
)
