package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type commandInput struct {
	ID   string `path:"id"`
	Body slipway.Command
}

func (a *api) command(ctx context.Context, in *commandInput) (*output[slipway.Deployment], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Command(ctx, in.ID, in.Body))
}

type retryInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason,omitempty" doc:"Why it will go better." example:"the registry is back"`
		By     string `json:"by,omitempty" doc:"Who retries it."`
	}
}

func (a *api) retry(ctx context.Context, in *retryInput) (*output[slipway.Deployment], error) {
	c := slipway.Command{Verb: slipway.VerbRetry, Reason: in.Body.Reason, By: in.Body.By}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Retry(ctx, in.ID, c))
}
