package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// What an activity fails with is what its workflow sees, and is tried again only if that can help.
func TestErrorsTravel(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		code  slipway.Code
		text  string
		tries int
	}{
		{"failed", slipway.Errorf(slipway.Failed, "cannot do it"), slipway.Failed, "cannot do it", 1},
		{"with a place", slipway.Errorf(slipway.Invalid, "cannot do it").At("image.from"), slipway.Invalid, "image.from: cannot do it", 1},
		{"wrapped", fmt.Errorf("deep down: %w", slipway.Errorf(slipway.Conflict, "cannot do it")), slipway.Conflict, "cannot do it", 1},
		{"deadline", slipway.Errorf(slipway.DeadlinePast, "too late"), slipway.DeadlinePast, "too late", 1},
		{"unavailable", slipway.Errorf(slipway.Unavailable, "no answer"), slipway.Unavailable, "no answer", 3},
		{"internal", errors.New("secret"), slipway.Internal, "internal error; slipwayd's log has the details", 3},
		{"made passing", Passing(slipway.Errorf(slipway.Unprepared, "disk full")), slipway.Unavailable, "disk full", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(slog.New(slog.DiscardHandler))
			env := suite.NewTestWorkflowEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{Guard(slog.New(slog.DiscardHandler))}})
			tried := 0
			fail := func(context.Context) error { tried++; return c.err }
			env.RegisterActivity(fail)
			var got *slipway.Error
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				got = Error(workflow.ExecuteActivity(Tries(ctx, time.Minute, 3), fail).Get(ctx, nil))
				return nil
			})
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if got == nil || got.Code != c.code || got.Error() != c.text || tried != c.tries {
				t.Errorf("%v after %d tries, want %s %q after %d", got, tried, c.code, c.text, c.tries)
			}
		})
	}
}

func TestErrorOfNothing(t *testing.T) {
	if Error(nil) != nil || Passing(nil) != nil {
		t.Error("nil became an error")
	}
}
