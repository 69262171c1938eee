package deploy

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// UpdateCommand is the name of the update by which a deployment's workflow takes a [slipway.Command].
const UpdateCommand = "command"

// The signals that a deployment's workflow takes from others.
const (
	signalSupersede = "supersede" // the ID of the deployment that follows; a cancellation comes after it
	signalWaiting   = "waiting"   // a Waiter
	signalCommit    = "commit"    // of the release that it is part of
)

// listen makes the workflow hear what it is told, from its first moment on.
func (r *rollout) listen(ctx workflow.Context) error {
	workflow.Go(ctx, func(ctx workflow.Context) {
		supersede, waiting, commit := workflow.GetSignalChannel(ctx, signalSupersede), workflow.GetSignalChannel(ctx, signalWaiting), workflow.GetSignalChannel(ctx, signalCommit)
		heard := workflow.NewSelector(ctx)
		heard.AddReceive(supersede, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &r.superseded) })
		heard.AddReceive(commit, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil); r.committed = true })
		heard.AddReceive(waiting, func(c workflow.ReceiveChannel, _ bool) {
			var w Waiter
			c.Receive(ctx, &w)
			r.enqueue(w)
		})
		for {
			heard.Select(ctx)
		}
	})
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateCommand, r.command, workflow.UpdateHandlerOptions{Validator: r.sensible})
}

// sensible refuses a command that the deployment, as it is now, cannot follow.
func (r *rollout) sensible(_ workflow.Context, c slipway.Command) error {
	refuse := func(why string) error {
		return durable.Encode(slipway.Errorf(slipway.Conflict, "cannot %s %s: %s", c.Verb, r.d.ID, why))
	}
	switch {
	case r.ending:
		return refuse("it is about to end, as " + string(r.d.State))
	case r.settling && c.Verb != slipway.VerbResume:
		return refuse("it is past the point up to which it can be told anything; its target serves")
	}
	held := r.d.State == slipway.DeploymentHeld
	switch c.Verb {
	case slipway.VerbPause:
		if r.d.Paused != nil {
			return refuse("it is paused already")
		}
		if held {
			return refuse("it has failed, and is held; retry or abort it")
		}
	case slipway.VerbResume:
		if r.d.Paused == nil {
			return refuse("it is not paused")
		}
	case slipway.VerbRetry:
		if !held {
			return refuse("nothing of it has failed")
		}
	case slipway.VerbApprove, slipway.VerbReject:
		if !r.asking {
			return refuse("it does not wait for an approval")
		}
	case slipway.VerbPromote:
		if r.asking {
			return refuse("it waits for an approval; approve or reject it")
		}
		if held {
			return refuse("it has failed, and is held; retry or abort it")
		}
	default:
		return durable.Encode(slipway.Errorf(slipway.Invalid, "cannot %s a deployment: want one of %v", c.Verb, slipway.Verbs))
	}
	return nil
}

// command follows a command and returns the deployment as it is then.
func (r *rollout) command(ctx workflow.Context, c slipway.Command) (slipway.Deployment, error) {
	now := workflow.Now(ctx)
	switch c.Verb {
	case slipway.VerbPause:
		r.d.Paused = &slipway.Pause{Since: now, By: c.By, Reason: c.Reason}
	case slipway.VerbResume:
		// Deadlines stood still.
		if !r.d.Deadline.IsZero() {
			r.d.Deadline = r.d.Deadline.Add(now.Sub(r.d.Paused.Since))
		}
		r.d.Paused = nil
	case slipway.VerbPromote:
		r.promoted = true
		r.flag("promoted" + by(c) + ", before all of its steps were over")
	case slipway.VerbRetry:
		r.retried = true
	case slipway.VerbApprove, slipway.VerbReject:
		r.answer = &c
	}
	// The record is stored by the step that is under way, which sees what it was told, or by the next.
	err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.TellCommand, r.d, c).Get(ctx, nil)
	if err != nil && !temporal.IsCanceledError(err) {
		workflow.GetLogger(ctx).Warn("cannot tell of a command", "deployment", r.d.ID, "error", err)
	}
	return r.d, nil
}

// by says who gave a command and why, as far as that is known.
func by(c slipway.Command) string {
	text := ""
	if c.By != "" {
		text += " by " + c.By
	}
	if c.Reason != "" {
		text += " (" + c.Reason + ")"
	}
	return text
}

// approve waits for a person, and returns an error if nobody approves in time, or somebody rejects.
func (r *rollout) approve(ctx workflow.Context, step slipway.ApproveStep) error {
	expires := step.Expires.Or(slipway.DefaultExpiry)
	r.answer, r.asking = nil, true
	promoted := r.promoted
	r.promoted = false // who may skip waiting need not be who may approve
	defer func() { r.asking, r.promoted = false, promoted }()
	what := "approval"
	if step.Message != "" {
		what += ": " + step.Message
	}
	err := r.watchFor(ctx, watching{
		step: "waiting for " + what, long: expires, person: true,
		waiting: slipway.Waiting{
			For: what, Unblocks: "slipway approve " + r.d.ID + ", or slipway reject " + r.d.ID, Then: "it is undone, as nobody approved",
		},
		over: func() bool { return r.answer != nil },
	})
	switch {
	case err != nil:
		return err
	case r.answer == nil:
		return slipway.Errorf(slipway.Refused, "nobody approved it within %s", expires)
	case r.answer.Verb == slipway.VerbReject:
		return slipway.Errorf(slipway.Refused, "it was rejected%s", by(*r.answer))
	}
	return nil
}
