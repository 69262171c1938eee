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
	Environment string `query:"environment" doc:"Only this environment's."`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"20"`
}

func (a *api) listReleases(ctx context.Context, in *releasesInput) (*listOutput[slipway.Release], error) {
	return listed(a.Store.Releases(ctx, in.Environment, in.Limit))
}

func (a *api) getRelease(ctx context.Context, in *idInput) (*output[slipway.Release], error) {
	return found(a.Store.Release(ctx, in.ID))
}
