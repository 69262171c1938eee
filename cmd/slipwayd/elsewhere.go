package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/slipway-sh/slipway/engine"
	"github.com/slipway-sh/slipway/httpapi"
	"github.com/slipway-sh/slipway/natsbus"
	"github.com/slipway-sh/slipway/sqlstore"
)

const (
	// askEvery is how often what runs elsewhere is asked whether it is there, and askWithin how long it may take to say so.
	askEvery  = time.Second
	askWithin = 5 * time.Second
)

// elsewhere looks after what slipwayd works with and does not have embedded, to say when it is away. All of it is reached again by those who
// need it, without being told.
type elsewhere struct {
	asks []func(context.Context) error
	log  *slog.Logger

	mu    sync.Mutex
	parts []httpapi.ServerPart
}

// elsewhere returns what the options say is not embedded, and has answered.
func (o *options) elsewhere(store *sqlstore.Store, temporal *engine.Engine, bus *natsbus.Bus) *elsewhere {
	e := &elsewhere{log: o.log}
	add := func(is bool, name string, ask func(context.Context) error) {
		if is {
			e.asks = append(e.asks, ask)
			e.parts = append(e.parts, httpapi.ServerPart{Name: name, OK: true, Since: time.Now()})
		}
	}
	add(sqlstore.IsPostgres(o.store), "postgresql", store.Ping)
	add(o.temporal != "", "temporal", temporal.Ping)
	add(o.nats != "", "nats", bus.Ping)
	return e
}

// run asks until ctx is done. Each part is asked by itself, so that one which hangs hides no other.
func (e *elsewhere) run(ctx context.Context) error {
	var asking sync.WaitGroup
	for i, ask := range e.asks {
		asking.Go(func() {
			every := time.NewTicker(askEvery)
			defer every.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-every.C:
				}
				limited, cancel := context.WithTimeout(ctx, askWithin)
				err := ask(limited)
				cancel()
				if ctx.Err() == nil {
					e.note(i, err)
				}
			}
		})
	}
	asking.Wait()
	return nil
}

func (e *elsewhere) note(i int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	part := &e.parts[i]
	if part.OK == (err == nil) {
		return
	}
	now := time.Now()
	if err != nil {
		e.log.Warn(part.Name+" does not answer; what needs it waits, and goes on when it is back", "error", err)
	} else {
		e.log.Info(part.Name+" answers again", "after", now.Sub(part.Since).Round(time.Millisecond))
	}
	part.OK, part.Since = err == nil, now
}

// states are the parts as they are now.
func (e *elsewhere) states() []httpapi.ServerPart {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.parts)
}
