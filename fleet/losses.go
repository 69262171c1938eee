// Package fleet tells what becomes of machines.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
)

// Losses writes an event whenever a server group has lost instances and replaced them.
type Losses struct {
	Provider interface {
		ServerGroups(ctx context.Context) ([]slipway.ServerGroup, error)
		Watch(ctx context.Context) <-chan string
	}
	Store interface {
		AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	}
	Bus slipway.Bus
	Log *slog.Logger
}

// Run watches until ctx is done and returns nil. What was lost while nobody watched is not told.
func (l Losses) Run(ctx context.Context) error {
	changes := l.Provider.Watch(ctx) // before the first look, so that nothing falls between
	known := map[string]int{}
	if err := l.look(ctx, known, func(slipway.ServerGroup, int) {}); err != nil {
		l.Log.Warn("cannot read the server groups", "error", err)
	}
	for range changes {
		err := l.look(ctx, known, func(g slipway.ServerGroup, lost int) { l.tell(ctx, g, lost) })
		if err != nil && ctx.Err() == nil {
			l.Log.Warn("cannot read the server groups", "error", err)
		}
	}
	return nil
}

// look compares how many instances each group has replaced with what is known, and calls lost for each that replaced more.
func (l Losses) look(ctx context.Context, known map[string]int, lost func(slipway.ServerGroup, int)) error {
	groups, err := l.Provider.ServerGroups(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(groups))
	for _, g := range groups {
		there[g.Name] = true
		if n := g.Replaced - known[g.Name]; n > 0 {
			lost(g, n)
		}
		known[g.Name] = g.Replaced
	}
	for name := range known {
		if !there[name] {
			delete(known, name)
		}
	}
	return nil
}

func (l Losses) tell(ctx context.Context, g slipway.ServerGroup, n int) {
	noun := "instances"
	if n == 1 {
		noun = "instance"
	}
	message := fmt.Sprintf("%s lost %d %s and replaces what it lost", g.Name, n, noun)
	if g.Trouble != "" {
		message += ": " + g.Trouble
	}
	feed.Teller{Store: l.Store, Bus: l.Bus, Log: l.Log}.Tell(ctx, slipway.Event{
		Time: time.Now(), Kind: slipway.InstanceLost, Message: message, Application: g.Cluster.Application, Environment: g.Cluster.Environment,
	}, nil)
}
