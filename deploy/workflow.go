package deploy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// WorkflowName is the type of the workflow that is a deployment.
const WorkflowName = "deploy"

// MemoID is the key of a workflow's memo under which the ID of its record is.
const MemoID = "id"

// memoDecides is the key of a memo that says that the workflow does what takes a moment while it decides: those that older versions began do
// not. It is for what workflow.GetVersion is for, which would write twice more for every deployment.
const memoDecides = "decides"

// MemoOf returns the memo of a workflow that carries d out.
func MemoOf(d slipway.Deployment) map[string]any {
	return map[string]any{MemoID: d.ID, memoDecides: true}
}

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
		Memo:                                     MemoOf(d),
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
		Memo:                MemoOf(d),
	}
}

// Register adds the workflows and their activities to slipwayd's worker, which must run with durable.WorkerOptions.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Workflow, workflow.RegisterOptions{Name: WorkflowName})
	r.RegisterWorkflowWithOptions(Queue, workflow.RegisterOptions{Name: QueueName})
	r.RegisterActivity(a)
}

// Workflow carries d out and returns it in its final state. A deployment that fails is no failure of the workflow. Cancelling the
// workflow is aborting the deployment. queue are those that wait for it to end.
func Workflow(ctx workflow.Context, d slipway.Deployment, queue []Waiter) (slipway.Deployment, error) {
	r := &rollout{d: d, queue: queue}
	if err := r.listen(ctx); err != nil {
		return d, err
	}
	_, r.decides = workflow.GetInfo(ctx).Memo.GetFields()[memoDecides]
	err := r.run(ctx)
	// From here on nobody can abort: what was begun is taken back, whatever the person wants.
	rest, _ := workflow.NewDisconnectedContext(ctx)
	r.end(rest, ctx.Err() != nil, err)
	err = r.finish(rest)
	r.handOver(rest)
	// Who told it something is answered before it is gone.
	_ = workflow.Await(rest, func() bool { return workflow.AllHandlersFinished(rest) })
	return r.d, err
}

// run goes the way to the target. It returns nil once the deployment is settled.
func (r *rollout) run(ctx workflow.Context) error {
	if r.d.State == slipway.DeploymentNeedsAttention { // it has failed, and is to be taken back as far as its ledger says
		return r.repair(ctx)
	}
	kept := r.d.Target // set already if this is a rollback to a group that still is there
	if err := r.record(ctx); err != nil {
		return err
	}
	if r.d.Kind == slipway.KindRollback {
		return rollback(ctx, r, kept != "")
	}
	strategy := r.d.Environment.Strategy
	switch name := strategy.Name(); {
	case name == slipway.StrategyNone:
		return noTraffic(ctx, r)
	case name == slipway.StrategyHighlander:
		return highlander(ctx, r)
	case name == slipway.StrategyRolling && strategy.Rolling.SkipMatched && r.begun.Same:
		return r.skip()
	case name == slipway.StrategyCustom: // its steps are somebody's rules, and are kept whatever serves
		return custom(ctx, r, *strategy.Custom)
	case name == slipway.StrategyRedBlack, r.begun.SourceHealthy == 0: // nothing to move away from step by step
		return redBlack(ctx, r)
	case name == slipway.StrategyRollingRedBlack:
		return rollingRedBlack(ctx, r, *strategy.RollingRedBlack)
	case name == slipway.StrategyRolling:
		return rolling(ctx, r, *strategy.Rolling)
	default:
		return canary(ctx, r, *strategy.Canary)
	}
}

// end decides what becomes of a deployment whose way ended with err, and takes back what is to be taken back.
func (r *rollout) end(ctx workflow.Context, cancelled bool, err error) {
	r.ending, r.d.Paused, r.d.Waiting = true, nil, nil
	state, doing := slipway.DeploymentSucceeded, What(r.d)
	switch {
	case err == nil:
		r.d.Error = nil
	case cancelled && (cutShort(err) || r.d.State == slipway.DeploymentHeld):
		state, r.d.Error = slipway.DeploymentAborted, slipway.Errorf(slipway.ClosedByAbort, "%s was %s", doing, r.aborted())
	default:
		state, r.d.Error = slipway.DeploymentRolledBack, durable.Error(err)
		r.d.Error.Message = "cannot " + doing + ": " + strings.TrimPrefix(r.d.Error.Message, "cannot "+doing+": ")
	}
	if state != slipway.DeploymentSucceeded && len(r.d.Undo) > 0 {
		if r.irreversible() {
			r.d.State = slipway.DeploymentNeedsAttention
			r.d.Error.Message = lament(r.d.Error.Message, irreversiblyFailed)
			return
		}
		r.d.State = slipway.DeploymentUndoing
		if undone := r.undo(ctx); undone != nil {
			state = slipway.DeploymentNeedsAttention
			r.d.Error.Message = lament(r.d.Error.Message, undoingFailed+gist(durable.Error(undone).Message))
		}
	}
	r.d.State = state // only now: until it is undone it is under way
}

// irreversible reports whether a machine of an image may have run that going back does not undo.
func (r *rollout) irreversible() bool {
	for _, u := range r.d.Undo {
		if u.Kind == slipway.UndoDestroyGroup && u.Group == r.d.Target {
			return r.d.Irreversible
		}
	}
	return false
}

// What is added to why a deployment failed that was not undone.
const (
	irreversiblyFailed = "; it is irreversible, so nothing was undone, and the cluster is frozen until a person has decided"
	undoingFailed      = "; and undoing it failed: "
)

// lament adds to the first line of a message.
func lament(message, more string) string {
	first, rest, several := strings.Cut(message, "\n")
	first += more
	if several {
		first += "\n" + rest
	}
	return first
}

// aborted says how the deployment was ended.
func (r *rollout) aborted() string {
	if r.superseded != "" {
		return "superseded by " + r.superseded
	}
	if r.d.Release != "" {
		return "aborted with release " + r.d.Release
	}
	return "aborted"
}

// repair takes back what an earlier run could not, and ends as that did.
func (r *rollout) repair(ctx workflow.Context) error {
	r.d.State = slipway.DeploymentUndoing
	r.d.Irreversible = false // a person has decided
	failed := *cmp.Or(r.d.Error, slipway.Errorf(slipway.Failed, "it failed"))
	first, rest, several := strings.Cut(failed.Message, "\n")
	first, _, _ = strings.Cut(first, irreversiblyFailed)
	failed.Message, _, _ = strings.Cut(first, undoingFailed)
	if several {
		failed.Message += "\n" + rest
	}
	return &failed
}

// skip ends a deployment that has nothing to do: what serves is what was asked for.
func (r *rollout) skip() error {
	r.flag("nothing was done: " + r.d.Source + " is of the same image and configuration")
	r.d.Target, r.d.Undo = "", []slipway.Undo{}
	return nil
}

// What returns what d does, to follow "cannot".
func What(d slipway.Deployment) string {
	if d.Kind == slipway.KindRollback {
		return fmt.Sprintf("roll %s back in %s", d.Cluster.Application, d.Cluster.Environment)
	}
	return fmt.Sprintf("deploy %s to %s", d.Cluster.Application, d.Cluster.Environment)
}
