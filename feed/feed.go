// Package feed reads stored events from one to the next, so that what follows from an event is stored exactly once, whoever reads and whoever
// is killed: it is stored together with how far was read.
package feed

import (
	"context"
	"sync"

	"github.com/slipway-sh/slipway"
)

const (
	// page is how many events are looked at at once.
	page = 500
	// lag is how many events without consequence are read before it is stored that they were.
	lag = 5000
)

// Events is where events are.
type Events interface {
	Events(ctx context.Context, filter slipway.EventFilter, limit int) ([]slipway.Event, error)
}

// Feed makes Ts of events. It is safe for concurrent use, in several processes too.
type Feed[T any] struct {
	Name   string // of the cursor
	Events Events
	// Start is [slipway.Cursors.StartCursor].
	Start func(ctx context.Context, name string, at int64) (int64, error)
	// Make returns what follows from events. It may be asked again of the same events, if others stored what follows from them.
	Make func(ctx context.Context, events []slipway.Event) ([]T, error)
	// Add stores what Make has returned and moves the cursor, both or neither; false if the cursor is elsewhere.
	Add func(ctx context.Context, move slipway.CursorMove, made []T) (bool, error)

	mu      sync.Mutex
	started bool
	stored  int64 // where the cursor is, as far as is known here
	read    int64 // how far was read; what lies between has no consequence
}

// Newest returns the Seq of the newest event, 0 if there is none.
func Newest(ctx context.Context, events Events) (int64, error) {
	newest, err := events.Events(ctx, slipway.EventFilter{Newest: true}, 1)
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].Seq, nil
}

// Pump reads all events there are. The first that ever reads with the name begins with those to come.
func (f *Feed[T]) Pump(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		at, err := Newest(ctx, f.Events)
		if err != nil {
			return err
		}
		if err := f.seek(ctx, at); err != nil {
			return err
		}
		f.started = true
	}
	for {
		events, err := f.Events.Events(ctx, slipway.EventFilter{After: f.read}, page)
		if err != nil || len(events) == 0 {
			return err
		}
		made, err := f.Make(ctx, events)
		if err != nil {
			return err
		}
		last := events[len(events)-1].Seq
		if len(made) == 0 && last-f.stored < lag {
			f.read = last
			continue
		}
		moved, err := f.Add(ctx, slipway.CursorMove{Name: f.Name, From: f.stored, To: last}, made)
		if err != nil {
			return err
		}
		if !moved { // another process has read on; from there again
			if err := f.seek(ctx, last); err != nil {
				return err
			}
			continue
		}
		f.stored, f.read = last, last
	}
}

func (f *Feed[T]) seek(ctx context.Context, at int64) (err error) {
	f.stored, err = f.Start(ctx, f.Name, at)
	f.read = f.stored
	return err
}
