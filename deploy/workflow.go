package deploy

import (
	"fmt"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// WorkflowName is the type of the workflow that is a deployment.
const WorkflowName = "deploy"

// MemoID is the key of a workflow's memo under which the ID of its record is.
const MemoID = "id"

// defaultHealthy is how long a new server group may take to become healthy when the environment does not say.
const defaultHealthy = 5 * time.Minute

// WorkflowID returns the ID of the workflow that deploys to the cluster. There is one a cluster, so that two deployments of it
// exclude each other.
func WorkflowID(c slipway.Cluster) string { return "deploy/" + c.Application + "/" + c.Environment }

// StartOptions returns the options under which a client starts d: a second deployment of the cluster fails to start.
func StartOptions(d slipway.Deployment) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       WorkflowID(d.Cluster),
		TaskQueue:                                durable.TaskQueue,
		WorkflowTaskTimeout:                      durable.TaskTimeout,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{MemoID: d.ID},
	}
}

// ChildOptions is as [StartOptions] for a workflow that starts d. The deployment outlives a parent that is gone, and is waited for
// when it is aborted with its parent.
func ChildOptions(d slipway.Deployment) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID:          WorkflowID(d.Cluster),
		WorkflowTaskTimeout: durable.TaskTimeout,
		WaitForCancellation: true,
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_ABANDON,
		Memo:                map[string]any{MemoID: d.ID},
	}
}

// Register adds the workflow and its activities to slipwayd's worker, which must run with durable.WorkerOptions.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Workflow, workflow.RegisterOptions{Name: WorkflowName})
	r.RegisterActivity(a)
}

// Workflow carries d out and returns it in its final state. A deployment that fails is no failure of the workflow. Cancelling the
// workflow is aborting the deployment.
func Workflow(ctx workflow.Context, d slipway.Deployment) (slipway.Deployment, error) {
	r := &rollout{d: d}
	err := r.run(ctx)
	// From here on nobody can abort: what was begun is taken back, whatever the person wants.
	rest, _ := workflow.NewDisconnectedContext(ctx)
	state := slipway.DeploymentSucceeded
	switch {
	case err == nil:
	case ctx.Err() != nil && temporal.IsCanceledError(err):
		state, r.d.Error = slipway.DeploymentAborted, slipway.Errorf(slipway.ClosedByAbort, "%s was aborted", What(d))
	default:
		state, r.d.Error = slipway.DeploymentRolledBack, durable.Error(err)
		r.d.Error.Message = "cannot " + What(d) + ": " + r.d.Error.Message
	}
	if undone := r.undo(rest); undone != nil {
		state = slipway.DeploymentNeedsAttention
		first, rest, more := strings.Cut(r.d.Error.Message, "\n")
		r.d.Error.Message = first + "; and undoing it failed: " + gist(durable.Error(undone).Message)
		if more {
			r.d.Error.Message += "\n" + rest
		}
	}
	r.d.State = state // only now: until it is undone it is under way
	return r.d, r.finish(rest)
}

// run picks the way to the target. It returns nil once the deployment is settled.
func (r *rollout) run(ctx workflow.Context) error {
	kept := r.d.Target // set already if this is a rollback to a group that still is there
	if err := r.record(ctx); err != nil {
		return err
	}
	switch {
	case r.d.Kind == slipway.KindRollback:
		return rollback(ctx, r, kept != "")
	case r.d.Environment.Strategy.Name() == slipway.StrategyHighlander:
		return highlander(ctx, r)
	default:
		return redBlack(ctx, r)
	}
}

// What returns what d does, to follow "cannot".
func What(d slipway.Deployment) string {
	if d.Kind == slipway.KindRollback {
		return fmt.Sprintf("roll %s back in %s", d.Cluster.Application, d.Cluster.Environment)
	}
	return fmt.Sprintf("deploy %s to %s", d.Cluster.Application, d.Cluster.Environment)
}
