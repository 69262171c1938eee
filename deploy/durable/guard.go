package durable

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/slipway-sh/slipway"
)

// Guard returns what surrounds every activity: it beats the heart while the activity works, which also is how a cancellation
// reaches it, logs failures in full, and encodes them.
func Guard(log *slog.Logger) interceptor.WorkerInterceptor { return &guard{log: log} }

type guard struct {
	interceptor.WorkerInterceptorBase
	log *slog.Logger
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (g *guard) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &guarded{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, log: g.log}
}

type guarded struct {
	interceptor.ActivityInboundInterceptorBase
	log *slog.Logger
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (g *guarded) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := g.executeBeating(ctx, in)
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		// Whatever the activity made of it, it ended because it was told to: by an abort, or as slipwayd stops, and then it is tried again.
		return nil, ctx.Err()
	}
	g.say(ctx, err)
	return nil, Encode(err)
}

// executeBeating executes the activity, and beats the heart until it ends, by a panic too.
func (g *guarded) executeBeating(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	done, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(done); <-stopped }()
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(beat)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return g.Next.ExecuteActivity(ctx, in)
}

// say logs why an activity failed. An outcome, which the record and the events tell of in full, takes one line; what is tried again,
// or what nobody foresaw, is a warning and in full.
func (g *guarded) say(ctx context.Context, err error) {
	info := activity.GetInfo(ctx)
	level, text := slog.LevelWarn, err.Error()
	if !slices.Contains(passing, slipway.CodeOf(err)) {
		level = slog.LevelInfo
		text, _, _ = strings.Cut(text, "\n")
	}
	g.log.Log(ctx, level, "step failed", "workflow", info.WorkflowExecution.ID, "step", info.ActivityType.Name, "try", info.Attempt, "error", text)
}
