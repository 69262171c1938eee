package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type releaseInput struct{ Body slipway.ReleaseRequest }

func (a *api) release(ctx context.Context, in *releaseInput) (*output[slipway.Release], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Release(ctx, in.Body))
}

type releasesInput struct {
	Environment string   `query:"environment" doc:"Only this environment's."`
	State       []string `query:"state" enum:"running,succeeded,rolled_back,aborted,needs_attention" doc:"Only those in one of these states."`
	PageInput
}

func (a *api) listReleases(ctx context.Context, in *releasesInput) (*listOutput[slipway.Release], error) {
	filter := slipway.ReleaseFilter{Environment: in.Environment, States: values[slipway.ReleaseState](in.State)}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Release, error) {
		return a.Lists.ListReleases(ctx, filter, after, limit)
	}, func(r slipway.Release) slipway.Mark { return slipway.Mark{Time: r.Started, ID: r.ID} })
}

func (a *api) getRelease(ctx context.Context, in *idInput) (*output[slipway.Release], error) {
	return found(a.Store.Release(ctx, in.ID))
}
