package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

func (a *api) getCache(ctx context.Context, _ *struct{}) (*output[slipway.CacheReport], error) {
	return found(a.Cache.Collect(ctx, slipway.CacheRequest{DryRun: true}))
}

type cacheInput struct{ Body slipway.CacheRequest }

func (a *api) pruneCache(ctx context.Context, in *cacheInput) (*output[slipway.CacheReport], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Cache.Collect(ctx, in.Body))
}
