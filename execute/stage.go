package execute

import (
	"maps"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/pipeline"
)

// How long a stage waits before it is tried again, at first and at most.
const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 10 * time.Minute
)

// stage runs one stage, with its retries, and says in the record what came of it.
func (r *run) stage(ctx workflow.Context, s slipway.Step, failing func(id string, err error)) {
	rec := r.x.Stage(s.ID)
	rec.State, rec.Started, rec.Reason = slipway.StageRunning, workflow.Now(ctx).UTC(), ""
	var prepared pipeline.Prepared
	err := workflow.ExecuteLocalActivity(durable.Here(ctx), acts.PrepareStage, r.values(s), s).Get(ctx, &prepared)
	switch {
	case err != nil:
	case !prepared.Runs:
		rec.State, rec.Reason = slipway.StageSkipped, prepared.Why
	case s.Bake != nil && r.x.Image != "":
		rec.State, rec.Reason = slipway.StageSkipped, "the execution began with image "+r.x.Image.Short()
	default:
		r.note()
		err = r.tries(ctx, prepared.Step, rec)
	}
	rec.Finished = workflow.Now(ctx).UTC()
	r.note()
	switch {
	case rec.State == slipway.StageSkipped:
	case err == nil:
		rec.State, rec.Reason, rec.Error = slipway.StageSucceeded, "", nil
	case ctx.Err() != nil:
		rec.State, rec.Reason, rec.Error = slipway.StageAborted, "", nil
		if !aborted(err) {
			rec.Error = durable.Error(err)
		}
	default:
		rec.State, rec.Reason, rec.Error = slipway.StageFailed, "", durable.Error(err)
		failing(s.ID, err)
	}
}

// tries tries the stage as often as it says.
func (r *run) tries(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	pause := s.Backoff.Or(firstBackoff)
	for try := 1; ; try++ {
		rec.State, rec.Attempt, rec.Reason = slipway.StageRunning, try, ""
		r.note()
		err := r.try(ctx, s, rec)
		if err == nil || ctx.Err() != nil || try > s.Retries || final(err) {
			return err
		}
		rec.State, rec.Error = slipway.StageWaiting, durable.Error(err)
		rec.Reason = "tried again at " + workflow.Now(ctx).Add(pause).UTC().Format(time.RFC3339)
		r.note()
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastBackoff)
	}
}

// final reports whether trying again cannot help: what is asked for makes no sense, or a person has said no.
func final(err error) bool {
	switch durable.Error(err).Code {
	case slipway.Invalid, slipway.ClosedByAbort:
		return true
	}
	return false
}

// try tries the stage once, for as long as it may take.
func (r *run) try(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	if s.Timeout == 0 {
		return r.do(ctx, s, rec)
	}
	inner, end := workflow.WithCancel(ctx)
	defer end()
	late := false
	workflow.Go(inner, func(ctx workflow.Context) {
		if workflow.Sleep(ctx, time.Duration(s.Timeout)) == nil {
			late = true
			end()
		}
	})
	err := r.do(inner, s, rec)
	if err != nil && late && ctx.Err() == nil {
		return slipway.Errorf(slipway.DeadlinePast, "not done within %s", time.Duration(s.Timeout))
	}
	return err
}

// do does what the stage is there for.
func (r *run) do(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	switch s.Kind() {
	case slipway.StageBake:
		return r.bake(ctx, rec)
	case slipway.StageTest:
		return r.test(ctx, *s.Test, rec)
	case slipway.StageDeploy:
		return r.deploy(ctx, *s.Deploy, rec)
	case slipway.StageCheck:
		return r.check(ctx, s, rec)
	case slipway.StageApprove:
		return r.approve(ctx, *s.Approve, rec)
	case slipway.StageWait:
		return r.wait(ctx, *s.Wait, rec)
	case slipway.StageRun:
		return r.command(ctx, s, rec)
	case slipway.StageWebhook:
		return r.webhook(ctx, s, rec)
	case slipway.StageAnalysis:
		return r.analysis(ctx, *s.Analysis, rec)
	case slipway.StagePipeline:
		return r.child(ctx, *s.Pipeline, rec)
	case slipway.StagePromote:
		return r.promote(ctx, *s.Promote, rec)
	case slipway.StageRollback:
		return r.rollback(ctx, *s.Rollback, rec)
	}
	return slipway.Errorf(slipway.Invalid, "cannot do a stage of kind %q", s.Kind())
}

// values returns what the expressions of a stage see: of other stages, those that are over for certain when it begins.
// They are its own: who evaluates them may do so still when the stage was given up, and the record changes.
func (r *run) values(s slipway.Step) pipeline.Values {
	before := r.graph.Before(s.ID)
	v := pipeline.Values{
		Application: r.x.Application, Pipeline: r.x.Pipeline, Execution: r.x.ID, Attempt: r.x.Attempt, Parameters: maps.Clone(r.x.Parameters), Cause: r.x.Cause,
		Environment: s.Environment(), Failed: r.failed,
		Image: slipway.Image{Digest: r.x.Image, Version: r.version, Application: r.x.Application},
	}
	for _, other := range r.x.Stages {
		if before[other.ID] {
			other.Output = maps.Clone(other.Output)
			v.Stages = append(v.Stages, other)
		}
	}
	return v
}

// outputs sets what expressions of later stages see; empty values are left out.
func outputs(rec *slipway.StageRecord, values map[string]string) {
	maps.DeleteFunc(values, func(_, v string) bool { return v == "" })
	rec.Output = values
}

// waits says in the record what the stage waits for.
func (r *run) waits(rec *slipway.StageRecord, what string) {
	rec.State, rec.Reason = slipway.StageWaiting, what
	r.note()
}

// needsImage returns the image of the execution, or an error if there is none.
func (r *run) needsImage(what string) (slipway.Digest, error) {
	if r.x.Image == "" {
		return "", slipway.Errorf(slipway.Invalid, "cannot %s: the execution has no image; write a bake stage before it, or run the pipeline with an image", what)
	}
	return r.x.Image, nil
}

// unique returns what tells this try of the stage from all others, for IDs that follow from it.
func (r *run) unique(rec *slipway.StageRecord) string {
	return r.x.ID + " " + digits(r.x.Attempt) + " " + rec.ID + " " + digits(rec.Attempt)
}
