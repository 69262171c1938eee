package httpapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

type restrictionsInput struct {
	Application string `query:"application" doc:"Only those that this application has to do with: its own, and those of all."`
	Environment string `query:"environment" doc:"Only those that this environment has to do with: its own, and those of all."`
	Over        bool   `query:"over" doc:"Those that were in force until a time that is past, too."`
	PageInput
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
	// Oldest first, and by ID among equals.
	key := func(r slipway.Restriction) string { return r.Since.UTC().Format(keyTime) + r.ID }
	slices.SortFunc(some, func(x, y slipway.Restriction) int { return cmp.Compare(key(x), key(y)) })
	return cut(a.page(ctx, &in.PageInput), some, nil, key)
}

// keyTime is a form of times in which their order is that of the text.
const keyTime = "2006-01-02T15:04:05.000000000Z"

func (a *api) getRestriction(ctx context.Context, in *idInput) (*output[slipway.Restriction], error) {
	all, err := a.Store.Restrictions(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.ID == in.ID {
			return found(r, nil)
		}
	}
	return nil, slipway.Errorf(slipway.NotFound, "cannot find restriction %q", in.ID)
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
