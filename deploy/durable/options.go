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
	// beat is the time between two heartbeats of a running activity.
	beat = 400 * time.Millisecond
	// silence is the time without a heartbeat after which an activity's worker is taken for dead.
	silence = 3 * time.Second
	// tries bounds how often a step is tried while it meets passing faults, two minutes of quick ones. It counts
	// tries, not time, so that the time slipwayd was down is not held against the step.
	tries = 30
)

// Step returns ctx with the options of an activity that does not take longer than within. Passing faults are retried for two
// minutes or so. A cancelled step is waited for: what undoes it never runs beside it.
func Step(ctx workflow.Context, within time.Duration) workflow.Context {
	return Tries(ctx, within, tries)
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

// CachedWorkflows is how many workflows slipwayd keeps in memory between two decisions, for worker.SetStickyWorkflowCacheSize;
// others are replayed when they go on.
const CachedWorkflows = 128

// WorkerOptions returns the options a worker must have for [Step] and [Error] to keep their promises.
func WorkerOptions(log *slog.Logger) worker.Options {
	return worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{Guard(log)},
		// An activity that waits or watches holds a place while it does, so there are many.
		MaxConcurrentActivityExecutionSize: 256,
		MaxConcurrentActivityTaskPollers:   4,
		MaxConcurrentWorkflowTaskPollers:   4,
		StickyScheduleToStartTimeout:       time.Second,
		MaxHeartbeatThrottleInterval:       beat,
		DefaultHeartbeatThrottleInterval:   beat,
	}
}
