package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// undoTries bounds how often taking back one change is tried, so that every abort ends: docs/deploying.md says when.
const undoTries = 10

// owe adds to the ledger. The activity that makes the change stores the ledger first. What was taken from the source stays last: it is
// given back before the source gets the traffic.
func (r *rollout) owe(u slipway.Undo) {
	if slices.ContainsFunc(r.d.Undo, func(o slipway.Undo) bool { return o.Kind == u.Kind && o.Group == u.Group }) {
		return
	}
	i := slices.IndexFunc(r.d.Undo, func(o slipway.Undo) bool { return o.Kind == slipway.UndoResizeGroup && o.Group == r.d.Source })
	if i < 0 {
		i = len(r.d.Undo)
	}
	r.d.Undo = slices.Insert(slices.Clone(r.d.Undo), i, u)
}

// owes reports whether the ledger has a change of the kind.
func (r *rollout) owes(kind slipway.UndoKind) bool {
	return slices.ContainsFunc(r.d.Undo, func(u slipway.Undo) bool { return u.Kind == kind })
}

// paid takes the entry of a group out of the ledger.
func (r *rollout) paid(kind slipway.UndoKind, group string) {
	r.d.Undo = slices.DeleteFunc(slices.Clone(r.d.Undo), func(u slipway.Undo) bool { return u.Kind == kind && u.Group == group })
}

// undo takes back what the ledger lists, from its end to its beginning, and returns nil once it is empty.
func (r *rollout) undo(ctx workflow.Context) error {
	for len(r.d.Undo) > 0 {
		last := r.d.Undo[len(r.d.Undo)-1]
		r.d.Deadline = time.Time{}
		var err error
		switch last.Kind {
		case slipway.UndoResizeGroup:
			err = r.takeBack(ctx, fmt.Sprintf("giving %s its %s again", last.Group, counted(last.Size.Desired)), briefly, acts.RestoreSize, last)
		case slipway.UndoRestoreRoute:
			err = r.restoreRoute(ctx, last)
		case slipway.UndoDestroyGroup:
			if err = r.drain(ctx, last.Group, 0); err == nil {
				err = r.takeBack(ctx, "destroying "+last.Group, stopping, acts.DestroyGroup, last)
			}
		}
		if err != nil {
			return err
		}
		r.d.Undo = r.d.Undo[:len(r.d.Undo)-1]
	}
	return nil
}

// restoreRoute gives the traffic back to the source: when it is verified to be able to serve, and that is proved. A source that has
// lost machines meanwhile is given time to replace them; until then the target keeps the traffic, and the load balancer
// itself falls back on the source while no machine of the target is up.
func (r *rollout) restoreRoute(ctx workflow.Context, u slipway.Undo) error {
	var plan Restoration
	if err := r.takeBack(ctx, "giving traffic back to "+orNothing(u.Group), briefly, acts.PlanRestoration, u, &plan); err != nil {
		return err
	}
	if plan.Need > 0 {
		r.allow(ctx, recovery)
		_, err := r.await(ctx, waiting{
			step: "waiting until " + plan.Group + " can serve again", look: acts.AwaitServing, wait: Wait{Group: plan.Group, Want: plan.Need},
			what: slipway.Waiting{For: plan.Group + " to have " + counted(plan.Need) + " healthy", Then: "it needs attention"},
		})
		if err != nil {
			return err
		}
	}
	if err := r.takeBack(ctx, "giving traffic back to "+orNothing(u.Group), briefly, acts.RestoreRoute, u); err != nil {
		return err
	}
	if plan.Group == "" {
		return nil
	}
	r.allow(ctx, proveWithin)
	_, err := r.await(ctx, waiting{
		step: "proving that traffic is on " + plan.Group + " again", look: acts.ProveTraffic, wait: Wait{Group: plan.Group, Split: plan.Split},
		what: slipway.Waiting{For: "the load balancer's counters to show it", Then: "it needs attention"},
	})
	return err
}

// drain waits until nothing is under way on the group, for as long as its service says at most.
func (r *rollout) drain(ctx workflow.Context, group string, long time.Duration) error {
	if r.worker() && !r.owes(slipway.UndoRestoreRoute) && r.begun.Route == nil {
		return nil
	}
	if long <= 0 {
		long = cmp.Or(r.begun.Drain, defaultDrain)
	}
	r.allow(ctx, long)
	_, err := r.await(ctx, waiting{
		step: fmt.Sprintf("draining %s", group), look: acts.AwaitDrained, wait: Wait{Group: group},
		what: slipway.Waiting{For: "requests under way on " + group + " to end", Then: "they are cut off"},
	})
	return err
}

// takeBack executes an activity that takes a change back. It is tried less often than other steps; result, if any, is the last argument.
func (r *rollout) takeBack(ctx workflow.Context, step string, within time.Duration, activity any, u slipway.Undo, result ...any) error {
	r.d.Step, r.d.Waiting = step, nil
	future := workflow.ExecuteActivity(durable.Tries(ctx, within, undoTries), activity, r.d, u)
	if len(result) > 0 {
		return future.Get(ctx, result[0])
	}
	return future.Get(ctx, nil)
}
