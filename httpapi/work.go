package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type idInput struct {
	ID string `path:"id"`
}

type bakeInput struct{ Body slipway.BakeRequest }

func (a *api) bake(ctx context.Context, in *bakeInput) (*output[slipway.Bake], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Bake(ctx, in.Body))
}

func (a *api) planBake(ctx context.Context, in *bakeInput) (*output[slipway.BakePlan], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.PlanBake(ctx, in.Body))
}

type rebuildInput struct{ Body slipway.RebuildRequest }

func (a *api) rebuild(ctx context.Context, in *rebuildInput) (*output[slipway.Bake], error) {
	return found(a.Operator.Rebuild(ctx, in.Body))
}

type shipInput struct{ Body slipway.ShipRequest }

func (a *api) ship(ctx context.Context, in *shipInput) (*output[slipway.Execution], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Ship(ctx, in.Body))
}

type deployInput struct{ Body slipway.DeployRequest }

func (a *api) deploy(ctx context.Context, in *deployInput) (*output[slipway.Deployment], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Deploy(ctx, in.Body))
}

type rollbackInput struct{ Body slipway.RollbackRequest }

func (a *api) rollback(ctx context.Context, in *rollbackInput) (*output[slipway.Deployment], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Operator.Rollback(ctx, in.Body))
}

func (a *api) abort(ctx context.Context, in *idInput) (*struct{}, error) {
	if slipway.IsPromotion(in.ID) && a.Promoter != nil {
		return nil, a.Promoter.AbortPromotion(ctx, in.ID)
	}
	return nil, a.Operator.Abort(ctx, in.ID)
}
