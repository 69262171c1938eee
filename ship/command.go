package ship

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// commandWithin bounds how long a deployment may take to follow a command.
const commandWithin = 30 * time.Second

// Command implements [slipway.Operator].
func (o *Operator) Command(ctx context.Context, deployment string, c slipway.Command) (slipway.Deployment, error) {
	if err := c.Validate(); err != nil {
		return slipway.Deployment{}, err
	}
	d, err := o.Store.Deployment(ctx, deployment)
	if err != nil {
		return d, err
	}
	over := func(why string) error {
		return slipway.Errorf(slipway.Conflict, "cannot %s %s: %s", c.Verb, deployment, why)
	}
	switch {
	case d.State.Done() && c.Verb == slipway.VerbRetry:
		return o.Retry(ctx, deployment, c)
	case d.State.Done():
		return d, over("it is over: " + string(d.State))
	case d.State == slipway.DeploymentQueued:
		return d, over("it has not begun; it waits for its turn")
	}
	of, run, err := running(ctx, o.Temporal, deploy.WorkflowID(d.Cluster))
	if err != nil {
		return d, err
	}
	if of != d.ID {
		return d, over("it is over")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandWithin, slipway.Errorf(slipway.Unavailable, "cannot %s %s: it does not answer", c.Verb, deployment))
	defer cancel()
	handle, err := o.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: deploy.WorkflowID(d.Cluster), RunID: run, UpdateName: deploy.UpdateCommand, Args: []any{c},
		UpdateID:     slipway.RequestedID(ctx, "u-"), // one that was heard is answered again; "": a new one
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &d)
	}
	switch {
	case err == nil:
		return d, nil
	case isNotFound(err):
		return d, over("it is over")
	case ctx.Err() != nil:
		return d, context.Cause(ctx)
	}
	return d, durable.Error(err)
}

// Retry implements [slipway.Operator].
func (o *Operator) Retry(ctx context.Context, deployment string, c slipway.Command) (slipway.Deployment, error) {
	d, err := o.Store.Deployment(ctx, deployment)
	if err != nil {
		return d, err
	}
	switch d.State {
	case slipway.DeploymentHeld:
		return o.Command(ctx, deployment, slipway.Command{Verb: slipway.VerbRetry, Reason: c.Reason, By: c.By})
	case slipway.DeploymentNeedsAttention:
		return o.repair(ctx, d)
	case slipway.DeploymentRolledBack, slipway.DeploymentAborted:
	default:
		return d, slipway.Errorf(slipway.Conflict, "cannot retry %s: it is %s", deployment, d.State)
	}
	if d.Kind == slipway.KindRollback {
		// To the same group: with another configuration it may be of the image that serves.
		return o.Rollback(ctx, slipway.RollbackRequest{Cluster: d.Cluster, Group: cmp.Or(d.Clone, d.Target), Reason: c.Reason, By: c.By})
	}
	return o.Deploy(ctx, slipway.DeployRequest{Cluster: d.Cluster, Image: string(d.Image), Environment: &d.Environment, ConfigVersion: d.ConfigVersion, Reason: c.Reason, By: c.By})
}

// repair has a deployment that could not be undone take back what its ledger still lists.
func (o *Operator) repair(ctx context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	if len(d.Undo) == 0 {
		return d, slipway.Errorf(slipway.Conflict, "cannot retry %s: nothing of it remains to be undone", d.ID)
	}
	_, err := o.Temporal.ExecuteWorkflow(ctx, deploy.StartOptions(d), deploy.WorkflowName, d)
	if err != nil {
		id, _, seen := running(ctx, o.Temporal, deploy.WorkflowID(d.Cluster))
		if seen == nil && id != "" && id != d.ID {
			return d, occupied(d, id)
		}
		return d, fmt.Errorf("start workflow of %s: %w", d.ID, err)
	}
	d.State, d.Step = slipway.DeploymentUndoing, "accepted"
	return d, nil
}
