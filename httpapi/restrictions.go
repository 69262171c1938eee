package httpapi

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

type restrictionsInput struct {
	Application string `query:"application" doc:"Only those that this application has to do with: its own, and those of all."`
	Environment string `query:"environment" doc:"Only those that this environment has to do with: its own, and those of all."`
	Over        bool   `query:"over" doc:"Those that were in force until a time that is past, too."`
}

func (a *api) listRestrictions(ctx context.Context, in *restrictionsInput) (*listOutput[slipway.Restriction], error) {
	all, err := a.Store.Restrictions(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	matches := func(want, of string) bool { return want == "" || of == "" || want == of }
	var some []slipway.Restriction
	for _, r := range all {
		if matches(in.Application, r.Cluster.Application) && matches(in.Environment, r.Cluster.Environment) && (in.Over || r.Holds(now)) {
			some = append(some, r)
		}
	}
	return listed(some, nil)
}

type restrictInput struct{ Body slipway.RestrictionRequest }

func (a *api) restrict(ctx context.Context, in *restrictInput) (*output[slipway.Restriction], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Restrict(ctx, in.Body))
}

type liftInput struct {
	ID     string `path:"id"`
	Reason string `query:"reason" doc:"Why it is not needed any more." example:"the sale is over"`
	By     string `query:"by" doc:"Who lifts it."`
}

func (a *api) lift(ctx context.Context, in *liftInput) (*output[slipway.Restriction], error) {
	req := slipway.LiftRequest{ID: in.ID, Reason: in.Reason, By: in.By}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Lift(ctx, req))
}
