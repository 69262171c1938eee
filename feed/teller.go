package feed

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/slipway-sh/slipway"
)

// Teller stores events and sends them to whoever listens. It is safe for concurrent use.
type Teller struct {
	Store interface {
		AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	}
	Bus slipway.Bus
	Log *slog.Logger
}

// Tell stores an event, with what it is about as its data unless that is nil, and sends it. What it tells of does not fail because nobody could
// be told: that is logged.
func (t Teller) Tell(ctx context.Context, e slipway.Event, about any) {
	var err error
	if about != nil {
		e.Data, err = json.Marshal(about)
	}
	if err == nil {
		e, err = t.Store.AppendEvent(ctx, e)
	}
	if err == nil {
		err = t.Bus.Publish(ctx, e)
	}
	if err != nil && ctx.Err() == nil {
		t.Log.Warn("cannot publish event", "kind", e.Kind, "application", e.Application, "error", err)
	}
}
