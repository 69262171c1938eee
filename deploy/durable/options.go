package durable

import (
	"log/slog"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const (
	// TaskQueue is where slipwayd's worker gets its work from.
	TaskQueue = "slipway"
	// TaskTimeout bounds one decision of a workflow: what a killed slipwayd was deciding is decided again after it.
	TaskTimeout = 2 * time.Second
	// silence is the time without a heartbeat after which an activity's worker is taken for dead: how long it takes until a killed
	// slipwayd's step is taken up.
	silence = 3 * time.Second
	// patient is as silence for what has waited for a minute already and may wait for days.
	patient = 15 * time.Second
	// beat is the least time between two heartbeats of a running activity, and so how long a cancellation takes to reach it.
	beat = 400 * time.Millisecond
	// beats is about how many heartbeats there are in a second, of all activities together: each takes a millisecond of a processor. Where
	// more activities run than make so many, they beat more slowly.
	beats = 100
	// tries bounds how often a step is tried while it meets passing faults, two minutes of quick ones. It counts
	// tries, not time, so that the time slipwayd was down is not held against the step.
	tries = 30
)

// Step returns ctx with the options of an activity that does not take longer than within. Passing faults are retried for two
// minutes or so. A cancelled step is waited for: what undoes it never runs beside it.
func Step(ctx workflow.Context, within time.Duration) workflow.Context {
	return Tries(ctx, within, tries)
}

// Look returns ctx with the options of an activity that looks again and again until it sees something. Long says that it has done so for
// a while: then it need not be known within seconds that the slipwayd it looked in is dead, and it costs less to wait.
func Look(ctx workflow.Context, within time.Duration, long bool) workflow.Context {
	ctx = Step(ctx, within)
	if long {
		ctx = workflow.WithHeartbeatTimeout(ctx, patient)
	}
	return ctx
}

// Tries is as [Step], but says how often the activity is tried; 0 means until it works.
func Tries(ctx workflow.Context, within time.Duration, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: within,
		HeartbeatTimeout:    silence,
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    50 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    5 * time.Second,
			MaximumAttempts:    tries,
		},
	})
}

// Here returns ctx with the options of an activity that is executed once, by the worker that decides and while it does, and takes a moment.
// If that worker dies before its decision is recorded, both are done again.
func Here(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: 10 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
	})
}

// CachedWorkflows is how many workflows slipwayd keeps in memory between two decisions, at 50 KiB or so each, for
// worker.SetStickyWorkflowCacheSize; others are replayed when they go on.
const CachedWorkflows = 256

// WorkerOptions returns the options a worker must have for [Step] and [Error] to keep their promises.
func WorkerOptions(log *slog.Logger) worker.Options {
	return worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{Guard(log)},
		// An activity that waits or watches holds a place while it does, which costs next to nothing: so there are as many as there can be
		// deployments, and none keeps another's steps waiting.
		MaxConcurrentActivityExecutionSize: 10_000,
		MaxConcurrentActivityTaskPollers:   4,
		// New workflows and those under way are polled for side by side. Pollers that did both would prefer those under way, and where
		// hundreds are, a new one would wait until they are through.
		WorkflowTaskPollerBehavior: worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
			InitialNumberOfPollers: 4, MinimumNumberOfPollers: 4, MaximumNumberOfPollers: 4,
		}),
		// What cannot be decided at once waits in Temporal, where its time does not run yet, and not here. Each of the eight pollers holds a
		// place while it waits for something to do.
		MaxConcurrentWorkflowTaskExecutionSize: 24,
		// Temporal knows by itself that a worker is gone. This is for one that has more to do than it can: what it has in memory is worth a wait.
		StickyScheduleToStartTimeout:     5 * time.Second,
		MaxHeartbeatThrottleInterval:     beat,
		DefaultHeartbeatThrottleInterval: beat,
	}
}
