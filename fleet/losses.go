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

// Losses notes whenever a server group has lost instances and replaced them, and writes an event.
type Losses struct {
	Provider interface {
		ServerGroups(ctx context.Context) ([]slipway.ServerGroup, error)
		Watch(ctx context.Context) <-chan string
	}
	Store interface {
		slipway.LossStore
		AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	}
	Bus slipway.Bus
	Log *slog.Logger
}

// Run watches until ctx is done and returns nil. What was lost while nobody watched is noted when somebody does again. What cannot be stored is
// tried again at the next change.
func (l Losses) Run(ctx context.Context) error {
	changes := l.Provider.Watch(ctx) // before the first look, so that nothing falls between
	l.look(ctx)
	for range changes {
		l.look(ctx)
	}
	return nil
}

// look notes and tells what groups have lost that is not on record.
func (l Losses) look(ctx context.Context) {
	if err := l.compare(ctx); err != nil && ctx.Err() == nil {
		l.Log.Warn("cannot note what server groups have lost", "error", err)
	}
}

// compare compares how many instances each group has replaced with what is on record.
func (l Losses) compare(ctx context.Context) error {
	groups, err := l.Provider.ServerGroups(ctx)
	if err != nil {
		return err
	}
	stored, err := l.Store.Losses(ctx, slipway.Cluster{})
	if err != nil {
		return err
	}
	known := make(map[string]slipway.Loss, len(stored))
	for _, loss := range stored {
		known[loss.Group] = loss
	}
	for _, g := range groups {
		was := known[g.Name]
		lost := g.Replaced - was.Replaced
		if lost == 0 {
			continue
		}
		if lost < 0 { // it is another group of that name
			lost = g.Replaced
		}
		now := slipway.Loss{Group: g.Name, Cluster: g.Cluster, Replaced: g.Replaced, At: was.At}
		if lost > 0 {
			now.At = time.Now().UTC()
		}
		if err := l.Store.PutLoss(ctx, now); err != nil {
			return err
		}
		if lost > 0 {
			l.tell(ctx, g, lost)
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
