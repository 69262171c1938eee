package approve

import (
	"context"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Signaler is what is needed of Temporal's client to wake a workflow.
type Signaler interface {
	SignalWorkflow(ctx context.Context, workflowID, runID, signal string, arg any) error
}

// Workflows wakes the workflow that waits for an approval by the signal that [Await] listens to. It is a [Waker].
type Workflows struct {
	Temporal Signaler
	// Of returns the ID of the workflow that waits for an approval; nil: it is the approval's subject.
	Of func(a slipway.Approval) string
}

// Wake implements [Waker].
func (w Workflows) Wake(ctx context.Context, a slipway.Approval) error {
	workflow := a.Subject
	if w.Of != nil {
		workflow = w.Of(a)
	}
	return w.Temporal.SignalWorkflow(ctx, workflow, "", SignalName(a.ID), a.State)
}

// SignalName returns the name of the signal that says that the approval is decided. It carries the state; what is stored is what counts.
func SignalName(approval string) string { return "approval/" + approval }

// Who waits looks for itself when it has not been told anything for a while, at first soon and then more and more rarely: who should have
// told it may have been killed just then.
const (
	lookSoon   = time.Minute
	lookRarely = time.Hour
	briefly    = 30 * time.Second
)

// Activities are what a workflow needs to ask for an approval. Each may be run again at any time.
type Activities struct{ Approvals slipway.Approvals }

// Register adds the activities to slipwayd's worker.
func Register(r worker.Registry, a *Activities) { r.RegisterActivity(a) }

// AskForApproval stores the question, unless it is stored, and returns it.
func (a *Activities) AskForApproval(ctx context.Context, q slipway.Approval) (slipway.Approval, error) {
	return a.Approvals.AskApproval(ctx, q)
}

// LookAtApproval returns it as it is now.
func (a *Activities) LookAtApproval(ctx context.Context, id string) (slipway.Approval, error) {
	return a.Approvals.Approval(ctx, id)
}

// EndApproval ends a question whose subject is over; nil if it is not stored.
func (a *Activities) EndApproval(ctx context.Context, id string) error {
	if err := a.Approvals.CancelApproval(ctx, id); err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return durable.Passing(err)
	}
	return nil
}

var acts *Activities // its methods name the activities

// Await asks for the approval and waits until it is decided, in the workflow that its [Waker] wakes, and returns it: granted, rejected or
// expired. A zero Expires is a time that the workflow must have set. If the workflow is cancelled meanwhile, the approval is canceled, and the error
// is that of the cancellation. One workflow may wait for several at once.
func Await(ctx workflow.Context, a slipway.Approval) (slipway.Approval, error) {
	told := workflow.GetSignalChannel(ctx, SignalName(a.ID))
	err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.AskForApproval, a).Get(ctx, &a)
	pause := lookSoon
	for err == nil && !a.State.Done() {
		wait := pause
		if left := a.Expires.Sub(workflow.Now(ctx)); left < wait {
			wait = max(left, time.Second)
		}
		pause = min(2*pause, lookRarely)
		timing, stop := workflow.WithCancel(ctx)
		timer := workflow.NewTimer(timing, wait)
		workflow.NewSelector(ctx).AddFuture(timer, func(workflow.Future) {}).
			AddReceive(told, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) }).
			AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).Select(ctx)
		stop()
		if err = ctx.Err(); err == nil {
			err = workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.LookAtApproval, a.ID).Get(ctx, &a)
		}
	}
	if err != nil && ctx.Err() != nil {
		rest, _ := workflow.NewDisconnectedContext(ctx)
		if ended := workflow.ExecuteActivity(durable.Tries(rest, briefly, 0), acts.EndApproval, a.ID).Get(rest, nil); ended != nil {
			return a, ended
		}
	}
	return a, err
}
