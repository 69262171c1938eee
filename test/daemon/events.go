package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// LastEvent returns the number of the newest event, to follow from.
func (d *Daemon) LastEvent(ctx context.Context) (int64, error) {
	filter := slipway.EventFilter{}
	for {
		events, err := d.API.EventList(ctx, filter, 1000)
		if err != nil || len(events) == 0 {
			return filter.After, err
		}
		filter.After = events[len(events)-1].Seq
	}
}

// Await follows the events that filter selects, those that have happened already included, and returns the first that match
// accepts. It bears with a slipwayd that is down for a while, and fails when ctx is done or after two minutes.
func (d *Daemon) Await(ctx context.Context, filter slipway.EventFilter, match func(slipway.Event) bool) (slipway.Event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*patience, errors.New("no event of the kind that was waited for"))
	defer cancel()
	for event, err := range d.API.Events(ctx, filter) {
		if err != nil || match(event) {
			return event, err
		}
	}
	return slipway.Event{}, errors.New("the events ended")
}

// AwaitDeployment returns the deployment once it is over. It bears with a slipwayd that is down for a while, and fails when
// ctx is done or after two minutes.
func (d *Daemon) AwaitDeployment(ctx context.Context, id string) (slipway.Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		deployment, err := d.API.Deployment(ctx, id)
		if err == nil && deployment.State.Done() {
			return deployment, nil
		}
		select {
		case <-ctx.Done():
			return deployment, fmt.Errorf("deployment %s is not over: state %q, step %q, last answer %w", id, deployment.State, deployment.Step, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}
