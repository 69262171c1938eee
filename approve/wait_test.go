package approve_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// A workflow that waits goes on when it is told, looks for itself when nobody tells it, and ends the question when it is cancelled.
func TestAwait(t *testing.T) {
	for _, c := range []struct {
		name  string
		happy func(t *testing.T, w world, env *testsuite.TestWorkflowEnvironment)
		state slipway.ApprovalState
		after time.Duration // in virtual time, at most
	}{
		{"told", func(t *testing.T, w world, env *testsuite.TestWorkflowEnvironment) {
			if _, err := w.Vote(as(t, "ann"), "a-1", true, ""); err != nil {
				t.Error(err)
			}
			env.SignalWorkflow(approve.SignalName("a-1"), slipway.ApprovalGranted)
		}, slipway.ApprovalGranted, 11 * time.Second},
		{"not told", func(t *testing.T, w world, _ *testsuite.TestWorkflowEnvironment) {
			if _, err := w.Vote(as(t, "ann"), "a-1", false, "no"); err != nil {
				t.Error(err)
			}
		}, slipway.ApprovalRejected, 2 * time.Minute},
		{"told for nothing", func(_ *testing.T, _ world, env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(approve.SignalName("a-1"), slipway.ApprovalGranted)
		}, slipway.ApprovalExpired, 61 * time.Minute},
		{"never answered", func(*testing.T, world, *testsuite.TestWorkflowEnvironment) {}, slipway.ApprovalExpired, 61 * time.Minute},
		{"cancelled", func(_ *testing.T, _ world, env *testsuite.TestWorkflowEnvironment) { env.CancelWorkflow() }, slipway.ApprovalCanceled, 11 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(slog.New(slog.DiscardHandler))
			env := suite.NewTestWorkflowEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{durable.Guard(slog.New(slog.DiscardHandler))}})
			env.SetStartTime(now)
			w.Now = func() time.Time { return env.Now() }
			env.RegisterActivity(&approve.Activities{Approvals: w})
			env.RegisterDelayedCallback(func() { c.happy(t, w, env) }, 10*time.Second)
			var got slipway.Approval
			env.ExecuteWorkflow(func(ctx workflow.Context) (err error) {
				got, err = approve.Await(ctx, question(1))
				return err
			})
			if took := env.Now().Sub(now); took > c.after {
				t.Errorf("it took %s, want %s at most", took, c.after)
			}
			if err := env.GetWorkflowError(); (err != nil) != (c.state == slipway.ApprovalCanceled) {
				t.Fatal(err)
			}
			stored, err := w.store.Approval(context.Background(), "a-1")
			if err != nil || stored.State != c.state {
				t.Errorf("stored as %s, want %s: %v", stored.State, c.state, err)
			}
			if c.state != slipway.ApprovalCanceled && got.State != c.state {
				t.Errorf("it is %s, want %s", got.State, c.state)
			}
		})
	}
}
