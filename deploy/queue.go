package deploy

import (
	"cmp"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// QueueName is the type of the workflow that waits for a cluster's turn.
const QueueName = "queue"

// signalTurn tells one that waits that it is its turn; it carries those that wait behind it.
const signalTurn = "turn"

// One that waits sees for itself whether its turn has come when it has not been told anything for a while, at first soon and then more
// and more rarely: who should have told it may have been about to end when it heard of it, or may have been terminated by force.
const (
	lookSoon   = 2 * time.Second
	lookRarely = 2 * time.Minute
)

// Who is told that its turn has come may be told a moment before that is so.
const (
	turnWithin = 5 * time.Second
	turnEvery  = 50 * time.Millisecond
)

// Waiter is a deployment that waits for another of its cluster to end.
type Waiter struct {
	Deployment string    `json:"deployment"`
	Hotfix     bool      `json:"hotfix,omitempty"`
	Since      time.Time `json:"since"`
}

// before orders those that wait: a hotfix jumps the queue, all else is first come, first served.
func (w Waiter) before(o Waiter) int {
	switch {
	case w.Hotfix != o.Hotfix && w.Hotfix:
		return -1
	case w.Hotfix != o.Hotfix:
		return 1
	}
	return cmp.Or(w.Since.Compare(o.Since), cmp.Compare(w.Deployment, o.Deployment))
}

// QueueID returns the ID of the workflow that waits for the deployment's turn.
func QueueID(deployment string) string { return "queue/" + deployment }

// QueueOptions returns the options under which a client has d wait for its turn.
func QueueOptions(d slipway.Deployment) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: QueueID(d.ID), TaskQueue: durable.TaskQueue, WorkflowTaskTimeout: durable.TaskTimeout, Memo: map[string]any{MemoID: d.ID},
	}
}

// QueueChildOptions is as [QueueOptions] for a workflow that has d wait.
func QueueChildOptions(d slipway.Deployment) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID: QueueID(d.ID), WorkflowTaskTimeout: durable.TaskTimeout, WaitForCancellation: true,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON, Memo: map[string]any{MemoID: d.ID},
	}
}

// Queue is the workflow of a deployment that came while another of its cluster was under way: it waits for its turn, carries d out as a
// child, and returns it in its final state. supersede has it end what is under way and what waits. Cancelling it aborts the deployment.
func Queue(ctx workflow.Context, d slipway.Deployment, supersede bool) (slipway.Deployment, error) {
	d.State, d.Undo, d.Step = slipway.DeploymentQueued, []slipway.Undo{}, "waiting for its turn"
	d.Waiting = &slipway.Waiting{For: "another deployment of " + d.Cluster.String() + " to end", Unblocks: "its end; slipway abort ends either", Then: "it begins"}
	err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordQueued, d, supersede).Get(ctx, nil)
	var rest []Waiter
	var due time.Time // until when the turn must have come
	patience := lookSoon
	for err == nil {
		var child workflow.ChildWorkflowFuture
		begun := d
		begun.State, begun.Step, begun.Waiting = slipway.DeploymentRunning, "accepted", nil
		child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, ChildOptions(d)), WorkflowName, begun, rest)
		switch err = child.GetChildWorkflowExecution().Get(ctx, nil); {
		case err == nil:
			err = child.Get(ctx, &d)
			return d, err
		case temporal.IsWorkflowExecutionAlreadyStartedError(err) && workflow.Now(ctx).Before(due):
			err = workflow.Sleep(ctx, turnEvery)
		case temporal.IsWorkflowExecutionAlreadyStartedError(err):
			var told bool
			told, rest, err = awaitTurn(ctx, Waiter{Deployment: d.ID, Hotfix: d.Hotfix, Since: d.Started}, d.Cluster, patience)
			if patience = min(2*patience, lookRarely); told {
				due, patience = workflow.Now(ctx).Add(turnWithin), lookSoon
			}
		}
	}
	last, _ := workflow.NewDisconnectedContext(ctx)
	d.State, d.Waiting = slipway.DeploymentAborted, nil
	d.Error = slipway.Errorf(slipway.ClosedByAbort, "%s was aborted while it waited for its turn", What(d))
	var by string
	if workflow.GetSignalChannel(last, signalSupersede).ReceiveAsync(&by) {
		d.Error.Message = What(d) + " was superseded by " + by + " while it waited for its turn"
	}
	if !temporal.IsCanceledError(err) {
		d.State, d.Error = slipway.DeploymentRolledBack, durable.Error(err)
	}
	err = workflow.ExecuteActivity(durable.Tries(last, briefly, 0), acts.FinishDeployment, d).Get(last, &d)
	return d, err
}

// awaitTurn tells the deployment that is under way that another waits, and returns when that one is told that its turn has come, with those
// that wait behind it, or has waited long enough to see for itself.
func awaitTurn(ctx workflow.Context, w Waiter, c slipway.Cluster, long time.Duration) (told bool, rest []Waiter, err error) {
	// If it ends before it hears of this, the turn has come.
	if err := workflow.SignalExternalWorkflow(ctx, WorkflowID(c), "", signalWaiting, w).Get(ctx, nil); err != nil {
		return false, nil, ctx.Err()
	}
	turn := workflow.GetSignalChannel(ctx, signalTurn)
	if _, err := workflow.AwaitWithTimeout(ctx, long, func() bool { return turn.Len() > 0 }); err != nil {
		return false, nil, err
	}
	told = turn.ReceiveAsync(&rest)
	return told, rest, nil
}

// enqueue notes one that waits.
func (r *rollout) enqueue(w Waiter) {
	r.queue = slices.DeleteFunc(r.queue, func(o Waiter) bool { return o.Deployment == w.Deployment })
	r.queue = append(r.queue, w)
	slices.SortFunc(r.queue, Waiter.before)
}

// handOver tells the first that waits that its turn has come. One that is gone is passed over.
func (r *rollout) handOver(ctx workflow.Context) {
	for i, w := range r.queue {
		if workflow.SignalExternalWorkflow(ctx, QueueID(w.Deployment), "", signalTurn, r.queue[i+1:]).Get(ctx, nil) == nil {
			return
		}
	}
}
