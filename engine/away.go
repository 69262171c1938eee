package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"

	"github.com/slipway-sh/slipway"
)

// answerWithin is how long Temporal may take to accept what it is told. The SDK on its own would try for a minute.
const answerWithin = 10 * time.Second

// patient has calls that Temporal does not answer fail in time, as Unavailable: they may be made again, and work under way goes on when it is back.
type patient struct {
	interceptor.ClientInterceptorBase
	where string
}

// InterceptClient implements [interceptor.ClientInterceptor].
func (p *patient) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &patientCalls{ClientOutboundInterceptorBase: interceptor.ClientOutboundInterceptorBase{Next: next}, where: p.where}
}

type patientCalls struct {
	interceptor.ClientOutboundInterceptorBase
	where string
}

func (p *patientCalls) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	return within(ctx, p, func(ctx context.Context) (client.WorkflowRun, error) { return p.Next.ExecuteWorkflow(ctx, in) })
}

func (p *patientCalls) SignalWithStartWorkflow(ctx context.Context, in *interceptor.ClientSignalWithStartWorkflowInput) (client.WorkflowRun, error) {
	return within(ctx, p, func(ctx context.Context) (client.WorkflowRun, error) { return p.Next.SignalWithStartWorkflow(ctx, in) })
}

func (p *patientCalls) SignalWorkflow(ctx context.Context, in *interceptor.ClientSignalWorkflowInput) error {
	_, err := within(ctx, p, func(ctx context.Context) (any, error) { return nil, p.Next.SignalWorkflow(ctx, in) })
	return err
}

func (p *patientCalls) CancelWorkflow(ctx context.Context, in *interceptor.ClientCancelWorkflowInput) error {
	_, err := within(ctx, p, func(ctx context.Context) (any, error) { return nil, p.Next.CancelWorkflow(ctx, in) })
	return err
}

func (p *patientCalls) TerminateWorkflow(ctx context.Context, in *interceptor.ClientTerminateWorkflowInput) error {
	_, err := within(ctx, p, func(ctx context.Context) (any, error) { return nil, p.Next.TerminateWorkflow(ctx, in) })
	return err
}

func (p *patientCalls) QueryWorkflow(ctx context.Context, in *interceptor.ClientQueryWorkflowInput) (converter.EncodedValue, error) {
	return within(ctx, p, func(ctx context.Context) (converter.EncodedValue, error) { return p.Next.QueryWorkflow(ctx, in) })
}

// UpdateWorkflow may take as long as the caller has: a workflow answers, not Temporal.
func (p *patientCalls) UpdateWorkflow(ctx context.Context, in *interceptor.ClientUpdateWorkflowInput) (client.WorkflowUpdateHandle, error) {
	handle, err := p.Next.UpdateWorkflow(ctx, in)
	return handle, p.explain(ctx, err)
}

func within[T any](ctx context.Context, p *patientCalls, call func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	v, err := call(limited)
	return v, p.explain(ctx, err)
}

// explain says that Temporal does not answer, if that is why a call failed whose caller would have waited on.
func (p *patientCalls) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	_, away := errors.AsType[*serviceerror.Unavailable](err)
	_, late := errors.AsType[*serviceerror.DeadlineExceeded](err)
	if !away && !late && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return slipway.Errorf(slipway.Unavailable, "cannot go on: Temporal%s does not answer; what is under way waits for it, and goes on by itself when it is back; try again then: %w", p.where, err)
}

// Ping returns an error if Temporal does not answer.
func (e *Engine) Ping(ctx context.Context) error {
	if _, err := e.client.CheckHealth(ctx, nil); err != nil {
		return fmt.Errorf("ask Temporal whether it is well: %w", err)
	}
	return nil
}
