package deploy

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// How long one try of a step may take, beyond the time it is to wait.
const (
	briefly = 30 * time.Second
	slowly  = 5 * time.Minute
	// draining bounds what waits for requests under way and for machines to stop, each of which may take all of a service's drain.
	draining = 2*slipway.MaxDrain + slowly
)

// rollout is a deployment being carried out: its record as of now, and what its steps hand on. Its methods are the steps,
// of which strategies are put together.
type rollout struct {
	d        slipway.Deployment
	before   *slipway.Route // the route when the deployment began; nil if there was none
	baseline Baseline       // the target when it got its traffic
}

// acts names the activities for the workflow; it is never called.
var acts *Activities

// record stores the deployment with the exact group that serves now.
func (r *rollout) record(ctx workflow.Context) error {
	r.d.State, r.d.Undo = slipway.DeploymentRunning, []slipway.Undo{}
	var begun Begun
	err := r.do(ctx, "recording what serves now", briefly, &begun, acts.RecordSource)
	if err == nil {
		r.d, r.before = begun.Deployment, begun.Route
	}
	return err
}

// create makes the target group.
func (r *rollout) create(ctx workflow.Context) error {
	r.d.Deadline = r.d.Started.Add(r.d.Environment.Healthy.Or(defaultHealthy))
	r.owe(slipway.Undo{Kind: slipway.UndoDestroyGroup, Group: r.d.Target})
	return r.do(ctx, fmt.Sprintf("creating %s with %s", r.d.Target, machines(r.d.Environment.Size.Desired)), slowly, nil, acts.CreateTarget)
}

// start brings a kept group of workers, which is at size zero, back to its size.
func (r *rollout) start(ctx workflow.Context) error {
	r.d.Deadline = r.d.Started.Add(r.d.Environment.Healthy.Or(defaultHealthy))
	r.owe(slipway.Undo{Kind: slipway.UndoDisableGroup, Group: r.d.Target})
	return r.do(ctx, fmt.Sprintf("starting %s of %s again", machines(r.d.Environment.Size.Desired), r.d.Target), slowly, nil, acts.StartTarget)
}

// awaitHealthy waits until all of the target is healthy, for as long as the deployment's deadline allows.
func (r *rollout) awaitHealthy(ctx workflow.Context) error {
	within := r.d.Environment.Healthy.Or(defaultHealthy) + briefly
	return r.do(ctx, fmt.Sprintf("waiting until %s is healthy", r.d.Target), within, nil, acts.AwaitHealthy)
}

// smokeCheck runs the environment's checks on every machine of the target, before it gets traffic.
func (r *rollout) smokeCheck(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	if len(r.d.Environment.Checks) == 0 {
		return nil
	}
	return r.do(ctx, fmt.Sprintf("checking every machine of %s", r.d.Target), slowly, nil, acts.SmokeCheck)
}

// shift gives all traffic to the target, which is verified once more, and lets the source stand by.
func (r *rollout) shift(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	step := fmt.Sprintf("verifying that %s is healthy now", r.d.Target)
	if !r.worker() {
		before := closed(r.d.Cluster)
		if r.before != nil {
			before = *r.before
		}
		r.owe(slipway.Undo{Kind: slipway.UndoRestoreRoute, Group: r.d.Source, Route: &before})
		step = fmt.Sprintf("shifting traffic to %s", r.d.Target)
	}
	return r.do(ctx, step, briefly, &r.baseline, acts.ShiftTraffic)
}

// prove waits until the data plane shows that all traffic is on the target.
func (r *rollout) prove(ctx workflow.Context) error {
	if r.worker() {
		return nil
	}
	return r.do(ctx, fmt.Sprintf("proving that traffic is on %s", r.d.Target), briefly, &r.d.Shifted, acts.ProveTraffic)
}

// watch fails as soon as the target does anything wrong under full traffic.
func (r *rollout) watch(ctx workflow.Context) error {
	long := r.d.Environment.Strategy.Watch()
	from := r.d.Shifted
	if r.worker() {
		from = r.baseline.Time
	}
	r.d.Deadline = from.Add(long)
	return r.do(ctx, fmt.Sprintf("watching %s for %s", r.d.Target, long), long+briefly, nil, acts.WatchTarget, r.baseline)
}

// settle verifies the target once more, takes every other group out of the route and empties the ledger: from then on the
// deployment is not undone any more.
func (r *rollout) settle(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	err := r.do(ctx, fmt.Sprintf("settling on %s", r.d.Target), briefly, nil, acts.SettleTarget)
	if err == nil {
		r.d.Undo = []slipway.Undo{}
	}
	return err
}

// retire keeps that many disabled groups and destroys the rest. What it cannot destroy is no reason to call the deployment
// failed: the activity says so in an event, and the next deployment tries again.
func (r *rollout) retire(ctx workflow.Context, keep int) {
	settled, _ := workflow.NewDisconnectedContext(ctx)
	if err := r.do(settled, "retiring other groups", draining, nil, acts.RetireOthers, keep); err != nil {
		_ = r.do(settled, "leaving other groups for later: "+durable.Error(err).Message, briefly, nil, acts.Note)
	}
}

// undo takes back what the ledger lists, newest change first, and returns nil once it is empty.
func (r *rollout) undo(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	for len(r.d.Undo) > 0 {
		last := r.d.Undo[len(r.d.Undo)-1]
		var err error
		switch last.Kind {
		case slipway.UndoRestoreRoute:
			err = r.do(ctx, "giving traffic back to "+orNothing(last.Group), slowly, nil, acts.RestoreRoute, last)
		case slipway.UndoDisableGroup:
			err = r.do(ctx, "stopping "+last.Group+" again", slowly, nil, acts.DisableGroup, last)
		case slipway.UndoDestroyGroup:
			err = r.do(ctx, "destroying "+last.Group, draining, nil, acts.DestroyGroup, last)
		}
		if err != nil {
			return err
		}
		r.d.Undo = r.d.Undo[:len(r.d.Undo)-1]
	}
	return nil
}

// finish stores the final record. It is tried until it works: a deployment that is over never looks as if it went on.
func (r *rollout) finish(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	return workflow.ExecuteActivity(durable.Tries(ctx, briefly, 0), acts.FinishDeployment, r.d).Get(ctx, &r.d)
}

// owe adds to the ledger. The activity that makes the change stores the ledger first.
func (r *rollout) owe(u slipway.Undo) { r.d.Undo = append(slices.Clone(r.d.Undo), u) }

// worker reports whether the cluster has no traffic to shift.
func (r *rollout) worker() bool { return r.d.Environment.LoadBalancer == nil }

// do executes an activity, which takes the deployment as of now as its first argument.
func (r *rollout) do(ctx workflow.Context, step string, within time.Duration, result any, activity any, args ...any) error {
	r.d.Step = step
	return workflow.ExecuteActivity(durable.Step(ctx, within), activity, append([]any{r.d}, args...)...).Get(ctx, result)
}

func orNothing(group string) string {
	if group == "" {
		return "nothing, as before"
	}
	return group
}

func machines(n int) string {
	if n == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", n)
}
