package execute

import (
	"cmp"
	"context"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// How long one look at another execution or a promotion takes, at first; each takes twice as long as the one before, up to an hour or so, so that what
// waits for weeks has a short history.
const (
	lookFor      = time.Minute
	maxDoublings = 5
	lookWithin   = time.Hour
	lookEvery    = 250 * time.Millisecond
	lookSlowly   = 2 * time.Second
)

// child runs another pipeline and waits for it. It is aborted with the stage.
func (r *run) child(ctx workflow.Context, s slipway.PipelineStage, rec *slipway.StageRecord) error {
	req := slipway.PipelineRequest{
		Application: cmp.Or(s.Application, r.x.Application), Pipeline: s.Name, Image: s.Image, Parameters: s.Parameters, Key: r.unique(rec),
		Cause: r.x.Cause,
	}
	req.Cause.Trigger, req.Cause.Name, req.Cause.Parent = "pipeline", rec.ID, r.x.ID
	own := req.Application == r.x.Application
	if own && req.Image == "" {
		req.Image = string(r.x.Image)
	}
	var x slipway.Execution
	err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.StartChild, req, r.view(), own).Get(ctx, &x)
	if err != nil {
		return err
	}
	rec.Child = x.ID
	r.waits(rec, "execution "+x.ID+" of pipeline "+x.Pipeline+" of "+x.Application)
	for looks := 0; !x.State.Done(); looks++ {
		err := workflow.ExecuteActivity(durable.Look(ctx, lookWithin, looks > 0), acts.AwaitChild, x.ID, looks).Get(ctx, &x)
		if err != nil && ctx.Err() != nil {
			rest, _ := workflow.NewDisconnectedContext(ctx)
			if ended := workflow.ExecuteActivity(durable.Tries(rest, lookWithin, 0), acts.EndChild, x.ID).Get(rest, &x); ended != nil {
				return ended
			}
			return err
		}
		if err != nil {
			return err
		}
	}
	outputs(rec, map[string]string{"execution": x.ID, "state": string(x.State), "image": string(x.Image)})
	switch {
	case x.State == slipway.ExecutionSucceeded:
		return nil
	case x.Error != nil:
		return slipway.Errorf(slipway.Failed, "%s %s: %s", x.ID, x.State, x.Error.Message)
	}
	return slipway.Errorf(slipway.Failed, "%s %s", x.ID, x.State)
}

// StartChild starts another pipeline's execution: one of the same application by the same slipway.yaml. It is not broken off half way, so that
// whoever aborts the stage knows what there is to end.
func (a *Activities) StartChild(ctx context.Context, req slipway.PipelineRequest, parent slipway.Execution, own bool) (slipway.Execution, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), briefly)
	defer cancel()
	if own {
		bake, err := slipway.ReadBakeRequest(ctx, a.Parts.Blobs, parent.Request)
		if err != nil {
			return slipway.Execution{}, err
		}
		req.Bake = bake
	}
	if parent.Principal.Name != "" { // it is whose the parent is
		ctx = slipway.WithPrincipal(ctx, parent.Principal)
	}
	return a.runner().RunPipeline(ctx, req)
}

// AwaitChild returns the execution once it is over, or when it has looked for long enough.
func (a *Activities) AwaitChild(ctx context.Context, id string, looks int) (slipway.Execution, error) {
	end := time.Now().Add(lookFor * time.Duration(1<<min(looks, maxDoublings)))
	every := lookEvery
	for {
		x, err := a.Parts.Store.Execution(ctx, id)
		if err != nil || x.State.Done() || time.Now().After(end) {
			return view(x), err
		}
		if err := pause(ctx, every); err != nil {
			return x, err
		}
		every = min(every+every/10, lookSlowly)
	}
}

// EndChild aborts an execution and returns it once it is over.
func (a *Activities) EndChild(ctx context.Context, id string) (slipway.Execution, error) {
	for {
		x, err := a.Parts.Store.Execution(ctx, id)
		if err != nil || x.State.Done() {
			return view(x), durable.Passing(err)
		}
		if err := a.Parts.Temporal.CancelWorkflow(ctx, id, ""); err != nil && !isNotFound(err) {
			return x, durable.Passing(err)
		}
		if err := pause(ctx, lookSlowly/2); err != nil {
			return x, err
		}
	}
}

// view returns what a parent needs to know of an execution.
func view(x slipway.Execution) slipway.Execution {
	x.Definition, x.Stages = nil, nil
	return x
}

// runner runs child pipelines.
func (c *Config) runner() slipway.PipelineRunner {
	if c.Runner != nil {
		return c.Runner
	}
	return New(*c)
}
