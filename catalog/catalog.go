// Package catalog keeps track of images: what names them, where they run, what they are built on, which of them may go. It puts the records
// together with the live state of machines; what it says is never cached. It implements [slipway.Catalog].
package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Config is what a catalog works with.
type Config struct {
	Store    Records
	Bus      slipway.Bus
	Provider slipway.Provider
	Images   Images
	// Compare tells two images apart.
	Compare func(ctx context.Context, older, newer slipway.Image) (slipway.ImageDiff, error)
	// Statements knows what is signed about images. It may be nil: then nobody is told.
	Statements slipway.Statements
	// Cache collects what removed images leave. It may be nil: then that is left to whoever else collects.
	Cache slipway.Cache
	Log   *slog.Logger
}

// Records are what is known of images, and of all that refers to them. [sqlstore.Store] has all of them.
type Records interface {
	slipway.Store
	slipway.Lists
	slipway.PromotionStore
}

// Images is where images are stored.
type Images interface {
	// Unlist takes an image off the list of what is there; nil if it is not on it. Its content goes when that is collected.
	Unlist(ctx context.Context, image slipway.Digest) error
}

// Catalog implements [slipway.Catalog].
type Catalog struct {
	Config
	pruning sync.Mutex
}

var _ slipway.Catalog = (*Catalog)(nil)

// New returns a catalog. It starts nothing.
func New(cfg Config) *Catalog { return &Catalog{Config: cfg} }

// Diff implements [slipway.Catalog].
func (c *Catalog) Diff(ctx context.Context, older, newer slipway.Image) (slipway.ImageDiff, error) {
	return c.Compare(ctx, older, newer)
}

// tell stores an event about an application's images and sends it to whoever listens. What it tells of does not fail because nobody could
// be told.
func (c *Catalog) tell(ctx context.Context, kind slipway.EventKind, application string, about any, format string, args ...any) {
	data, _ := json.Marshal(about) // the domain's types always can be
	e, err := c.Store.AppendEvent(ctx, slipway.Event{
		Time: time.Now().UTC(), Kind: kind, Message: fmt.Sprintf(format, args...), Application: application, Data: data,
	})
	if err == nil {
		err = c.Bus.Publish(ctx, e)
	}
	if err != nil {
		c.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
}

// by says who did something, as far as that is known.
func by(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}
