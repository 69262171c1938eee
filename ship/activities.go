package ship

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Activities are the steps of bakes and executions as they touch the world. Each may be run again at any time.
type Activities struct{ Parts }

// Register adds the workflows and their activities to slipwayd's worker, which must run with durable.WorkerOptions.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Bake, workflow.RegisterOptions{Name: bakeWorkflow})
	r.RegisterWorkflowWithOptions(Ship, workflow.RegisterOptions{Name: shipWorkflow})
	r.RegisterWorkflowWithOptions(Release, workflow.RegisterOptions{Name: releaseWorkflow})
	r.RegisterActivity(a)
}

// request reads the request of a bake.
func (p *Parts) request(ctx context.Context, digest slipway.Digest) (*slipway.BakeRequest, error) {
	return slipway.ReadBakeRequest(ctx, p.Blobs, digest)
}

// PlanDeployment stores the execution and returns its next deployment, of the image to the environment as the request has it,
// but for what the options say.
func (a *Activities) PlanDeployment(ctx context.Context, x slipway.Execution, request slipway.Digest, environment string, o slipway.DeployOptions) (slipway.Deployment, error) {
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return slipway.Deployment{}, err
	}
	if err := a.Stands(ctx, x, "deploy", environment, x.Image); err != nil {
		return slipway.Deployment{}, err
	}
	req, err := a.request(ctx, request)
	if err != nil {
		return slipway.Deployment{}, err
	}
	policy := req.Spec.Environments[environment]
	d, err := a.plan(ctx, slipway.DeployRequest{
		Cluster: slipway.Cluster{Application: x.Application, Environment: environment}, Image: string(x.Image), Environment: &policy,
		Strategy: o.Strategy, OnConflict: o.OnConflict, Hotfix: o.Hotfix, Reason: o.Reason, By: o.By, Override: o.Override, Force: o.Force,
	})
	if err != nil {
		return slipway.Deployment{}, err
	}
	d.ID, d.Execution, d.State, d.Step = derivedID("d-", x.ID+" "+environment), x.ID, slipway.DeploymentRunning, "accepted"
	d.Undo, d.Started = []slipway.Undo{}, time.Now().UTC()
	return d, nil
}

// Occupied returns nil once no other deployment keeps d from starting, or the error that says which one does.
func (a *Activities) Occupied(ctx context.Context, d slipway.Deployment) error {
	by, err := occupant(ctx, a.Temporal, deploy.WorkflowID(d.Cluster), func(id string) (bool, error) {
		other, err := a.Store.Deployment(ctx, id)
		return other.State.Done(), err
	})
	if err != nil || by == "" {
		return err
	}
	return occupied(d, by)
}

// RecordExecution stores the execution, and tells of it if it has begun just now.
func (a *Activities) RecordExecution(ctx context.Context, x slipway.Execution) error {
	_, err := a.Store.Execution(ctx, x.ID)
	fresh := slipway.CodeOf(err) == slipway.NotFound
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return err
	}
	if fresh {
		a.executionEvent(ctx, x, slipway.ExecutionStarted, "shipping "+x.Application)
	}
	return nil
}

// FinishExecution stores the execution in its final state and returns it.
func (a *Activities) FinishExecution(ctx context.Context, x slipway.Execution) (slipway.Execution, error) {
	stored, err := a.Store.Execution(ctx, x.ID)
	if err == nil && stored.State.Done() {
		return stored, nil // an earlier try did it and its reply was lost
	}
	x.Finished = time.Now().UTC()
	if err := a.Store.PutExecution(ctx, x); err != nil {
		return x, durable.Passing(err)
	}
	message := "shipped " + x.Image.Short()
	if x.Error != nil {
		message = gist(x.Error.Message)
	}
	a.executionEvent(ctx, x, slipway.ExecutionFinished, message)
	return x, nil
}

// AwaitBases returns when the bakes that in comes after are over, and fails unless all of them have made an image.
func (a *Activities) AwaitBases(ctx context.Context, in BakeInput) error {
	if _, err := a.record(ctx, in); err != nil {
		return err
	}
	for _, id := range in.After {
		b, err := a.Store.Bake(ctx, id)
		if err == nil && !b.State.Done() {
			if err := a.AwaitBake(ctx, b.Key); err != nil {
				return err
			}
			b, err = a.Store.Bake(ctx, id)
		}
		switch {
		case err != nil:
			return err
		case !b.State.Done():
			return slipway.Errorf(slipway.Unavailable, "cannot tell yet how bake %s ended", id)
		case b.State != slipway.BakeSucceeded:
			return slipway.Errorf(slipway.Failed, "cannot bake on %s: its bake %s %s", b.Application, id, b.State).At("image.from")
		}
	}
	return nil
}

// AwaitBake returns when the bake with the key that is under way is over.
func (a *Activities) AwaitBake(ctx context.Context, key slipway.Digest) error {
	err := a.Temporal.GetWorkflow(ctx, bakeWorkflowID(key), "").Get(ctx, nil)
	if isNotFound(err) {
		return nil
	}
	return err
}

func (a *Activities) executionEvent(ctx context.Context, x slipway.Execution, kind slipway.EventKind, message string) {
	data, _ := json.Marshal(x) // an Execution always can be
	publish(ctx, a.Store, a.Bus, a.Log, slipway.Event{
		Time: time.Now().UTC(), Kind: kind, Message: message, Application: x.Application, Execution: x.ID, Data: data,
	})
}
