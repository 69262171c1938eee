package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
)

// Taints writes an event whenever a machine turns out not to be any more what was baked.
type Taints struct {
	Provider interface {
		Instances(ctx context.Context) ([]slipway.Instance, error)
		ServerGroup(ctx context.Context, name string) (slipway.ServerGroup, error)
		Watch(ctx context.Context) <-chan string
	}
	Store interface {
		AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	}
	Bus slipway.Bus
	Log *slog.Logger
}

// Run watches until ctx is done and returns nil. What was tainted before it began is not told again.
func (t Taints) Run(ctx context.Context) error {
	began := time.Now()
	changes := t.Provider.Watch(ctx) // before the first look, so that nothing falls between
	known := map[string]bool{}
	t.look(ctx, known, began)
	for range changes {
		t.look(ctx, known, began)
	}
	return nil
}

// look tells of those that are tainted since, and not known.
func (t Taints) look(ctx context.Context, known map[string]bool, since time.Time) {
	instances, err := t.Provider.Instances(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.Log.Warn("cannot read the instances", "error", err)
		}
		return
	}
	there := map[string]bool{}
	for _, i := range instances {
		there[i.ID] = true
		if i.Taint != nil && !known[i.ID] && !i.Taint.Since.Before(since) {
			t.tell(ctx, i)
		}
		known[i.ID] = i.Taint != nil
	}
	for id := range known {
		if !there[id] {
			delete(known, id)
		}
	}
}

func (t Taints) tell(ctx context.Context, i slipway.Instance) {
	e := slipway.Event{Time: time.Now(), Kind: slipway.InstanceTainted, Message: fmt.Sprintf("%s is not what was baked any more: %s was written to", i.ID, i.Taint.Path)}
	if i.Group != "" {
		e.Message = fmt.Sprintf("%s of %s is not what was baked any more: %s was written to", i.ID, i.Group, i.Taint.Path)
		if group, err := t.Provider.ServerGroup(ctx, i.Group); err == nil {
			e.Application, e.Environment = group.Cluster.Application, group.Cluster.Environment
		}
	}
	feed.Teller{Store: t.Store, Bus: t.Bus, Log: t.Log}.Tell(ctx, e, nil)
}
