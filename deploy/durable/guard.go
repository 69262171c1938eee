package durable

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
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
	log     *slog.Logger
	running atomic.Int64 // activities now
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (g *guard) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &guarded{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, guard: g}
}

type guarded struct {
	interceptor.ActivityInboundInterceptorBase
	*guard
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
	g.running.Add(1)
	defer g.running.Add(-1)
	silence := activity.GetInfo(ctx).HeartbeatTimeout
	done, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(done); <-stopped }()
	go func() {
		defer close(stopped)
		next := time.NewTimer(beat)
		defer next.Stop()
		for {
			select {
			case <-done:
				return
			case <-next.C:
				activity.RecordHeartbeat(ctx)
				next.Reset(pace(g.running.Load(), silence))
			}
		}
	}()
	return g.Next.ExecuteActivity(ctx, in)
}

// pace returns how long an activity waits until it beats its heart again when so many run: three times at least in the silence after which
// it is taken for dead.
func pace(running int64, silence time.Duration) time.Duration {
	return max(beat, min(time.Duration(running)*time.Second/beats, silence/3))
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
