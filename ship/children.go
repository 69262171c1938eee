package ship

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Accept checks what can be checked of a bake at once, stores the request, and returns the bake to be started.
func (o *Operator) Accept(ctx context.Context, req slipway.BakeRequest) (BakeInput, error) {
	return o.accept(ctx, req, nil)
}

// Plan returns the deployment that req asks for, to be given an ID and started, once all that can be said against it has not been said.
func Plan(ctx context.Context, p *Parts, req slipway.DeployRequest) (slipway.Deployment, error) {
	return p.plan(ctx, req)
}

// DerivedID returns the ID with the prefix that follows from of: the same whenever a workflow is replayed.
func DerivedID(prefix, of string) string { return derivedID(prefix, of) }

// BakeChild runs a bake as a child of a workflow and returns it in its final state. If another with the same key is under way it is waited
// for, and what it made is found in the cache. The activities of [Activities] must be registered.
func BakeChild(ctx workflow.Context, in BakeInput) (slipway.Bake, error) {
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          bakeWorkflowID(in.Bake.Key),
		WorkflowTaskTimeout: durable.TaskTimeout,
		WaitForCancellation: true,
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_ABANDON,
		Memo:                map[string]any{deploy.MemoID: in.Bake.ID},
	})
	for {
		var done slipway.Bake
		err := workflow.ExecuteChildWorkflow(child, bakeWorkflow, in).Get(ctx, &done)
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return done, err
		}
		if err := workflow.ExecuteActivity(durable.Step(ctx, buildTime), acts.AwaitBake, in.Bake.Key).Get(ctx, nil); err != nil {
			return done, err
		}
	}
}

// DeployChild runs a deployment as a child of a workflow, in its turn if its policy says to wait for that, calls begun once it has begun or
// waits for its turn, and returns it in its final state. Conflict if another is under way.
func DeployChild(ctx workflow.Context, d slipway.Deployment, begun func()) (slipway.Deployment, error) {
	var child workflow.ChildWorkflowFuture
	for {
		child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, deploy.ChildOptions(d)), deploy.WorkflowName, d)
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if err == nil {
			break
		}
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return d, err
		}
		if policy := d.Environment.Policy.OnConflict; policy == slipway.ConflictQueue || policy == slipway.ConflictSupersede {
			child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, deploy.QueueChildOptions(d)), deploy.QueueName, d, policy == slipway.ConflictSupersede)
			if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
				return d, err
			}
			break
		}
		if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.Occupied, d).Get(ctx, nil); err != nil {
			return d, err
		}
	}
	begun()
	err := child.Get(ctx, &d)
	return d, err
}

// Ended returns nil if the deployment succeeded, and else why it did not.
func Ended(d slipway.Deployment) error {
	switch {
	case d.State == slipway.DeploymentSucceeded:
		return nil
	case d.Error == nil:
		return fmt.Errorf("deployment %s ended as %s", d.ID, d.State)
	}
	return d.Error
}
