package execute

import (
	"cmp"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// failing decides what a stage's failure means for the execution. The first that is not borne with decides how it ends.
func (r *run) failing(id string, err error) {
	on := r.policy(id)
	switch {
	case on.Do == slipway.FailureContinue:
		r.x.Stage(id).Ignored = true
	case r.failed == "":
		r.failed, r.failure, r.on = id, err, on
		if on.Do == slipway.FailureUndo {
			r.halt()
		}
	}
}

// policy returns what is done when the stage has failed.
func (r *run) policy(id string) slipway.OnFailure {
	for _, s := range r.graph.Stages {
		if s.ID == id && s.OnFailure != nil {
			return *s.OnFailure
		}
	}
	return *cmp.Or(r.x.Definition.OnFailure, &slipway.OnFailure{})
}

// settle does what is to be done after a failure: takes back what was deployed, and runs the stages that are there for it. The execution may
// be aborted meanwhile; what is being taken back is taken back all the same.
func (r *run) settle(rest, ctx workflow.Context) {
	if r.failed == "" || ctx.Err() != nil {
		return
	}
	if r.on.Do == slipway.FailureUndo {
		r.undo(rest)
	}
	steps := r.recovery()
	if len(steps) == 0 {
		return
	}
	for _, s := range steps {
		if old := r.x.Stage(s.ID); old != nil { // of an earlier attempt
			*old = recordOf(s, true)
			continue
		}
		r.x.Stages = append(r.x.Stages, recordOf(s, true))
	}
	r.note()
	stopped := false
	r.through(ctx, steps, func() bool { return stopped || ctx.Err() != nil }, func(id string, err error) {
		stopped = true
		r.failure = slipway.Errorf(durable.Error(r.failure).Code, "%s; and stage %s, which was to run then, failed: %s",
			durable.Error(r.failure).Message, id, durable.Error(err).Message)
	})
}

// recovery returns the stages that are run because of the failure.
func (r *run) recovery() []slipway.Step {
	for _, s := range r.graph.Stages {
		if s.ID == r.failed && s.OnFailure != nil {
			return r.graph.Recovery[s.ID]
		}
	}
	return r.graph.Recovery[""]
}

// undo brings the clusters that the execution has deployed to back to what served there before, the last first.
func (r *run) undo(ctx workflow.Context) {
	var deployed []*slipway.StageRecord
	for i := range r.x.Stages {
		if s := &r.x.Stages[i]; s.State == slipway.StageSucceeded && s.Kind != slipway.StageRollback && len(s.Deployments) > 0 {
			deployed = append(deployed, s)
		}
	}
	slices.SortStableFunc(deployed, func(a, b *slipway.StageRecord) int { return b.Finished.Compare(a.Finished) })
	back := map[string]bool{}
	for _, rec := range deployed {
		if back[rec.Environment] { // a later stage's deployment to it was taken back to what served before any of them
			rec.State = slipway.StageRolledBack
			continue
		}
		back[rec.Environment] = true
		if err := r.takeBack(ctx, rec); err != nil {
			e := *durable.Error(r.failure)
			e.Message += fmt.Sprintf("; and %s could not be rolled back: %s", rec.Environment, durable.Error(err).Message)
			r.failure = &e
			rec.Reason = "not rolled back: " + durable.Error(err).Message
			continue
		}
		if rec.State = slipway.StageRolledBack; rec.Reason == "" {
			rec.Reason = "stage " + r.failed + " failed"
		}
		r.note()
	}
}

// takeBack brings a cluster back to what served before the execution's first deployment to it.
func (r *run) takeBack(ctx workflow.Context, rec *slipway.StageRecord) error {
	var d slipway.Deployment
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PlanTakeBack, r.view(), rec.Environment).Get(ctx, &d); err != nil {
		return err
	}
	d.ID = ship.DerivedID("d-", r.x.ID+" "+digits(r.x.Attempt)+" back "+rec.Environment)
	d, err := ship.DeployChild(ctx, d, func() {
		rec.Reason = "stage " + r.failed + " failed; rolled back by " + d.ID
		r.x.Deployments = append(r.x.Deployments, d.ID)
		r.note()
	})
	if err != nil {
		return err
	}
	return ship.Ended(d)
}

// recordOf returns the record of a stage that has not begun.
func recordOf(s slipway.Step, recovery bool) slipway.StageRecord {
	return slipway.StageRecord{
		ID: s.ID, Kind: s.Kind(), Environment: s.Environment(), Needs: s.Needs, State: slipway.StagePending, Recovery: recovery,
	}
}
