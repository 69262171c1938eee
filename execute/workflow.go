package execute

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// WorkflowName is the type of the workflow that is an execution of a pipeline.
const WorkflowName = "pipeline"

// briefly bounds a step that only reads and writes records.
const briefly = 30 * time.Second

// Input is what the workflow of an execution works from.
type Input struct {
	Execution slipway.Execution `json:"execution"`         // with its definition, and stages that are over already if it is a restart
	Bake      ship.BakeInput    `json:"bake"`              // what its bake stage bakes
	Version   string            `json:"version,omitempty"` // label of the image that it begins with
}

// acts names the activities for the workflow; it is never called.
var acts *Activities

// Register adds the workflow and its activities to slipwayd's worker, which must run with durable.WorkerOptions. The activities of packages
// ship, deploy and approve must be registered too.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Execute, workflow.RegisterOptions{Name: WorkflowName})
	r.RegisterActivity(a)
}

// Execute is the workflow of an execution. It returns the execution in its final state; one that fails is no failure of the workflow.
// Cancelling the workflow aborts the stages under way.
func Execute(ctx workflow.Context, in Input) (slipway.Execution, error) {
	r := &run{x: in.Execution, in: in, graph: in.Execution.Definition.Graph(), fresh: true, version: in.Version}
	rest, _ := workflow.NewDisconnectedContext(ctx)
	recorded := r.recorder(rest)
	if err := r.awaitTurn(ctx); err != nil {
		r.failure = err
	} else {
		r.stages(ctx)
		r.settle(rest, ctx)
	}
	r.closing = true
	if err := workflow.Await(rest, recorded); err != nil {
		return r.x, err
	}
	r.end(rest, ctx.Err() != nil) // only now: the record is final when it is finished, and not before
	err := workflow.ExecuteActivity(durable.Tries(rest, briefly, 0), acts.FinishStages, r.view()).Get(rest, &r.x)
	return r.x, err
}

// run is an execution being carried out. Its coroutines take turns, so nothing of it is guarded.
type run struct {
	x       slipway.Execution
	in      Input
	graph   slipway.Graph
	version string // label of the image

	fresh, dirty, closing bool // of the record: not stored yet; changed since; no more changes to come

	halt    workflow.CancelFunc // ends the stages under way
	failed  string              // ID of the stage whose failure ends the execution
	on      slipway.OnFailure   // what is done about it
	failure error
	ended   int // how many stages have ended
}

// recorder stores the execution whenever it has changed, one state after the other, and returns what says whether the last is stored.
func (r *run) recorder(ctx workflow.Context) (done func() bool) {
	over := false
	r.dirty = true
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			_ = workflow.Await(ctx, func() bool { return r.dirty || r.closing }) // ctx is never cancelled
			if !r.dirty {
				over = true
				return
			}
			r.dirty = false
			_ = workflow.ExecuteActivity(durable.Tries(ctx, briefly, 0), acts.RecordStages, r.view()).Get(ctx, nil) // until it works
		}
	})
	return func() bool { return over }
}

// note has the execution stored as it is now.
func (r *run) note() { r.dirty = true }

// view returns the execution as activities are given it: what never changes they have in the record, once that is stored.
func (r *run) view() slipway.Execution {
	x := r.x
	x.Stages = slices.Clone(x.Stages)
	if !r.fresh {
		x.Definition = nil
	}
	r.fresh = false
	return x
}

// stages runs all stages of the pipeline that are not over, as far as that goes.
func (r *run) stages(ctx workflow.Context) {
	r.x.State, r.x.Behind = slipway.ExecutionRunning, ""
	r.note()
	inner, halt := workflow.WithCancel(ctx)
	r.halt = halt
	steps := make([]slipway.Step, len(r.graph.Stages))
	for i, s := range r.graph.Stages {
		steps[i] = s.Step
	}
	r.through(inner, steps, func() bool { return r.failed != "" || inner.Err() != nil }, r.failing)
}

// through runs steps, each when all that it needs is over, and returns when none is under way and no other may begin. failing is told of
// each that failed.
func (r *run) through(ctx workflow.Context, steps []slipway.Step, stopped func() bool, failing func(id string, err error)) {
	begun, running := map[string]bool{}, 0
	rest, _ := workflow.NewDisconnectedContext(ctx)
	for {
		for _, s := range steps {
			if begun[s.ID] || r.x.Stage(s.ID).State.Done() || stopped() || !r.ready(s) {
				continue
			}
			begun[s.ID] = true
			running++
			workflow.Go(ctx, func(ctx workflow.Context) {
				r.stage(ctx, s, failing)
				running--
				r.ended++
			})
		}
		if running == 0 {
			return
		}
		seen := r.ended
		_ = workflow.Await(rest, func() bool { return r.ended > seen }) // rest is never cancelled
	}
}

// ready reports whether all that the step needs is over.
func (r *run) ready(s slipway.Step) bool {
	return !slices.ContainsFunc(s.Needs, func(id string) bool { return !r.x.Stage(id).State.Done() })
}

// end says in the record what came of the execution.
func (r *run) end(ctx workflow.Context, cancelled bool) {
	why := "the execution was aborted"
	switch {
	case cancelled:
		r.x.State, r.x.Error = slipway.ExecutionAborted, slipway.Errorf(slipway.ClosedByAbort, "pipeline %s of %s was aborted", r.x.Pipeline, r.x.Application)
		var by string
		if workflow.GetSignalChannel(ctx, signalSuperseded).ReceiveAsync(&by) {
			r.x.Error.Message = fmt.Sprintf("pipeline %s of %s was superseded by %s", r.x.Pipeline, r.x.Application, by)
			why = "superseded by " + by
		}
	case r.failure != nil:
		r.x.State, r.x.Error = slipway.ExecutionFailed, durable.Error(r.failure)
		if r.failed != "" {
			why = "stage " + r.failed + " failed"
			r.x.Error.Message = why + ": " + r.x.Error.Message
		}
	default:
		r.x.State, r.x.Error = slipway.ExecutionSucceeded, nil
	}
	for i := range r.x.Stages {
		if s := &r.x.Stages[i]; !s.State.Done() {
			s.State, s.Reason = slipway.StageSkipped, why
		}
	}
	r.x.Behind = ""
}

// aborted reports whether err is that of a cancelled step.
func aborted(err error) bool {
	return temporal.IsCanceledError(err) || durable.Error(err).Code == slipway.ClosedByAbort
}
