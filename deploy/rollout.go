package deploy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// How long one try of a step may take. No step waits inside of a try for longer than Activities.Patience.
const (
	briefly = 30 * time.Second
	slowly  = 5 * time.Minute
	// lookWithin bounds one look, of which the longest takes 32 times Activities.Patience.
	lookWithin = time.Hour
	// stopping bounds what waits for machines to stop, each of which may take all of a service's drain.
	stopping = slipway.MaxDrain + slowly
)

// rollout is a deployment being carried out: its record as of now, what its steps hand on, and what it has been told. Its methods are
// the steps, of which strategies are put together.
type rollout struct {
	d       slipway.Deployment
	begun   Begun                // what there was when it began
	split   []slipway.GroupRoute // who has the traffic now
	base    Baseline             // the target when it got traffic first
	since   time.Time            // when that was
	sampled Sampled              // what the load balancer had counted when it was last noted for an analysis
	size    int                  // machines of the target
	left    int                  // machines of the source

	tallies  map[string]Tally // of the checks, by phase and place
	forgiven int              // machines of the target that were lost before a person said to try again

	queue      []Waiter
	promoted   bool             // no more waiting
	retried    bool             // a person said to try again
	asking     bool             // it waits for an approval
	answer     *slipway.Command // to that
	committed  bool             // the release that it is part of lets it settle
	superseded string           // by this deployment
	settling   bool             // it takes no commands any more
	ending     bool             // nor does it hold
	decides    bool             // it does what takes a moment while it decides; rollouts that older versions began do not
}

// acts names the activities for the workflow; it is never called.
var acts *Activities

// record stores the deployment with the exact group that serves now.
func (r *rollout) record(ctx workflow.Context) error {
	r.d.State, r.d.Undo = slipway.DeploymentRunning, []slipway.Undo{}
	err := r.doHere(ctx, "recording what serves now", &r.begun, acts.RecordSource)
	if err == nil {
		r.d, r.left = r.begun.Deployment, r.begun.SourceSize.Desired
		r.begun.Deployment = slipway.Deployment{} // it is r.d from here on
	}
	return err
}

// create makes the target group with so many machines, and waits until they are healthy and checked.
func (r *rollout) create(ctx workflow.Context, machines int) error {
	r.owe(slipway.Undo{Kind: slipway.UndoDestroyGroup, Group: r.d.Target, Image: r.d.Image})
	r.size = machines
	r.allow(ctx, r.d.Environment.Healthy.Or(defaultHealthy))
	step := fmt.Sprintf("creating %s with %s", r.d.Target, counted(machines))
	if err := r.do(ctx, step, slowly, nil, acts.CreateTarget, r.sized(machines)); err != nil {
		return err
	}
	return r.ready(ctx)
}

// grow gives the target so many machines, and waits until they are healthy and checked.
func (r *rollout) grow(ctx workflow.Context, machines int) error {
	if r.size == 0 {
		return r.create(ctx, machines)
	}
	if machines <= r.size {
		return nil
	}
	r.size = machines
	r.allow(ctx, r.d.Environment.Healthy.Or(defaultHealthy))
	if err := r.do(ctx, fmt.Sprintf("growing %s to %s", r.d.Target, counted(machines)), slowly, nil, acts.GrowTarget, r.sized(machines)); err != nil {
		return err
	}
	return r.ready(ctx)
}

// start brings a kept group that is smaller than it was, as one of workers, which is at size zero, back to its size.
func (r *rollout) start(ctx workflow.Context) error {
	r.size = r.d.Environment.Size.Desired
	r.allow(ctx, r.d.Environment.Healthy.Or(defaultHealthy))
	r.owe(slipway.Undo{Kind: slipway.UndoResizeGroup, Group: r.d.Target, Size: r.begun.TargetSize})
	step := fmt.Sprintf("starting %s of %s again", counted(r.size), r.d.Target)
	if err := r.do(ctx, step, slowly, nil, acts.GrowTarget, r.d.Environment.Size); err != nil {
		return err
	}
	return r.awaitHealthy(ctx, r.d.Target, r.size)
}

// ready waits until the target, and the baseline beside it, are healthy and the target passed the checks that come before traffic.
func (r *rollout) ready(ctx workflow.Context) error {
	if err := r.awaitHealthy(ctx, r.d.Target, r.size); err != nil {
		return err
	}
	return r.checkBefore(ctx)
}

// give gives the target a share of the traffic, in percent, and the source, and the baseline if there is one, the rest. Whoever
// gets traffic is verified in the same step.
func (r *rollout) give(ctx workflow.Context, percent, baseline int) error {
	split := []slipway.GroupRoute{{Group: r.d.Target, Mode: slipway.Active, Weight: percent}}
	if baseline > 0 {
		split = append(split, slipway.GroupRoute{Group: r.d.Baseline, Mode: slipway.Active, Weight: baseline})
	}
	if rest := 100 - percent - baseline; rest > 0 {
		split = append(split, slipway.GroupRoute{Group: r.d.Source, Mode: slipway.Active, Weight: rest})
	} else if r.standsBy() {
		split = append(split, slipway.GroupRoute{Group: r.d.Source, Mode: slipway.Standby, Weight: 100})
	}
	r.d.Weight = percent
	return r.shift(ctx, fmt.Sprintf("giving %s %d %% of the traffic", r.d.Target, percent), split)
}

// takeOver gives all traffic to the target, which is verified once more, and lets the source stand by.
func (r *rollout) takeOver(ctx workflow.Context) error {
	split := []slipway.GroupRoute{{Group: r.d.Target, Mode: slipway.Active, Weight: 100}}
	if r.standsBy() {
		split = append(split, slipway.GroupRoute{Group: r.d.Source, Mode: slipway.Standby, Weight: 100})
	}
	r.d.Weight = 100
	step := fmt.Sprintf("shifting traffic to %s", r.d.Target)
	if r.worker() {
		step = fmt.Sprintf("verifying that %s is healthy now", r.d.Target)
	}
	if err := r.shift(ctx, step, split); err != nil {
		return err
	}
	return r.proveAll(ctx)
}

// shift makes the load balancer follow the split.
func (r *rollout) shift(ctx workflow.Context, step string, split []slipway.GroupRoute) error {
	r.d.Deadline = time.Time{}
	if !r.worker() && !r.owes(slipway.UndoRestoreRoute) {
		before := closed(r.d.Cluster)
		if r.begun.Route != nil {
			before = *r.begun.Route
		}
		r.owe(slipway.Undo{Kind: slipway.UndoRestoreRoute, Group: r.d.Source, Route: &before})
	}
	var base Baseline
	if err := r.do(ctx, step, briefly, &base, acts.ShiftTraffic, split); err != nil {
		return err
	}
	r.split = split
	if r.since.IsZero() {
		r.base, r.since = base, base.Time
	}
	r.base.Instances, r.base.Replaced = base.Instances, base.Replaced
	return nil
}

// shrink takes machines from the source until it has so many, as far as the guard allows.
func (r *rollout) shrink(ctx workflow.Context, machines int) error {
	if machines >= r.left {
		return nil
	}
	if !r.owes(slipway.UndoResizeGroup) {
		r.owe(slipway.Undo{Kind: slipway.UndoResizeGroup, Group: r.d.Source, Size: r.begun.SourceSize})
	}
	if err := r.do(ctx, fmt.Sprintf("shrinking %s to %s", r.d.Source, counted(machines)), slowly, nil, acts.ShrinkSource, machines); err != nil {
		return err
	}
	r.left = machines
	return nil
}

// settle verifies the target once more, takes every other group out of the route and empties the ledger: from then on the
// deployment is not undone any more. One that is part of a release waits for the others first.
func (r *rollout) settle(ctx workflow.Context) error {
	if err := r.awaitRelease(ctx); err != nil {
		return err
	}
	r.d.Deadline = time.Time{}
	if err := r.gate(ctx); err != nil {
		return err
	}
	r.settling = true
	err := r.do(ctx, fmt.Sprintf("settling on %s", r.d.Target), briefly, nil, acts.SettleTarget)
	if err != nil {
		r.settling = false
		return err
	}
	r.d.Undo = []slipway.Undo{}
	return nil
}

// retire keeps that many disabled groups and destroys the rest. What it cannot destroy is no reason to call the deployment
// failed: the activity says so in an event, and the next deployment tries again.
func (r *rollout) retire(ctx workflow.Context, keep int) {
	r.ending = true // it cannot be held any more
	settled, _ := workflow.NewDisconnectedContext(ctx)
	var plan Retirement
	err := r.doHere(settled, "retiring other groups", &plan, acts.PlanRetirement, keep)
	if err == nil && len(plan.Keep) > 0 {
		err = r.do(settled, "keeping "+strings.Join(plan.Keep, ", ")+" disabled", briefly, nil, acts.KeepGroups, plan)
	}
	for _, group := range plan.Destroy {
		if err != nil {
			break
		}
		if err = r.drain(settled, group.Name, group.Drain); err == nil {
			err = r.do(settled, "destroying "+group.Name, stopping, nil, acts.RetireGroup, group.Name)
		}
	}
	if err != nil {
		_ = r.doHere(settled, "leaving other groups for later: "+durable.Error(err).Message, nil, acts.Note)
	}
}

// finish stores the final record. It is tried until it works: a deployment that is over never looks as if it went on.
func (r *rollout) finish(ctx workflow.Context) error {
	r.d.Deadline = time.Time{}
	var final slipway.Deployment
	if done, err := r.here(ctx, &final, acts.FinishDeployment); !done || err != nil {
		final = slipway.Deployment{}
		if err := workflow.ExecuteActivity(durable.Tries(ctx, briefly, 0), acts.FinishDeployment, r.d).Get(ctx, &final); err != nil {
			return err
		}
	}
	r.d = final
	return nil
}

// do executes an activity, which takes the deployment as of now as its first argument. It waits while the deployment is paused; what
// fails is tried again if it is held and a person says so.
func (r *rollout) do(ctx workflow.Context, step string, within time.Duration, result any, activity any, args ...any) error {
	for {
		if err := r.gate(ctx); err != nil {
			return err
		}
		r.d.Step = step
		err := workflow.ExecuteActivity(durable.Step(ctx, within), activity, append([]any{r.d}, args...)...).Get(ctx, result)
		if err == nil || !r.hold(ctx, err) {
			return err
		}
	}
}

// doHere is as do for an activity that takes a moment and asks no machine or load balancer to do anything: one that does not end in time is
// given up, and what it does late must not matter.
func (r *rollout) doHere(ctx workflow.Context, step string, result any, activity any, args ...any) error {
	if err := r.gate(ctx); err != nil {
		return err
	}
	r.d.Step = step
	if done, err := r.here(ctx, result, activity, args...); done && (err == nil || !r.hold(ctx, err)) {
		return err
	}
	return r.do(ctx, step, briefly, result, activity, args...)
}

// here executes an activity as part of the decision that is being made: a third of the work, and no turn to be waited for. It is tried
// once, and what may pass is not done: it is for an activity of its own. An abort waits for it, so that nothing it stores comes late.
func (r *rollout) here(ctx workflow.Context, result any, activity any, args ...any) (done bool, err error) {
	if !r.decides {
		return false, nil
	}
	rest, _ := workflow.NewDisconnectedContext(ctx)
	err = workflow.ExecuteLocalActivity(durable.Here(rest), activity, append([]any{r.d}, args...)...).Get(rest, result)
	var failed *temporal.ApplicationError
	return err == nil || errors.As(err, &failed) && failed.NonRetryable(), err
}

// allow sets the deadline of what comes.
func (r *rollout) allow(ctx workflow.Context, long time.Duration) {
	r.d.Deadline = workflow.Now(ctx).Add(long)
}

// flag notes what went on without proof.
func (r *rollout) flag(text string) {
	if !slices.Contains(r.d.Flags, text) {
		r.d.Flags = append(slices.Clone(r.d.Flags), text)
	}
}

// sized returns the environment's size with so many machines now.
func (r *rollout) sized(machines int) slipway.Size {
	size := r.d.Environment.Size
	return slipway.Size{Min: min(size.Min, machines), Desired: machines, Max: max(size.Max, machines)}
}

// standsBy reports whether the source had the traffic and can have it back.
func (r *rollout) standsBy() bool {
	return r.d.Source != "" && r.begun.Route != nil && serves(*r.begun.Route, r.d.Source)
}

// worker reports whether the cluster has no traffic to shift.
func (r *rollout) worker() bool { return r.d.Environment.LoadBalancer == nil }

func orNothing(group string) string {
	if group == "" {
		return "nothing, as before"
	}
	return group
}

func counted(n int) string {
	if n == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", n)
}
