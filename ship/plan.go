package ship

import (
	"context"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// plannedFrom is how many bakes are looked through for one to compare a plan with.
const plannedFrom = 50

// PlanBake implements [slipway.Operator].
func (o *Operator) PlanBake(ctx context.Context, req slipway.BakeRequest) (slipway.BakePlan, error) {
	if err := req.Validate(); err != nil {
		return slipway.BakePlan{}, err
	}
	if err := o.uploaded(ctx, req); err != nil {
		return slipway.BakePlan{}, err
	}
	base, below, err := o.resolve(ctx, &req, nil)
	if err != nil {
		return slipway.BakePlan{}, err
	}
	last, before, err := o.lastBake(ctx, req.Spec.Application)
	if err != nil {
		return slipway.BakePlan{}, err
	}
	plan, err := o.Baker.Plan(ctx, bake.Job{Request: &req, Base: base, Below: below}, before, last.Layers)
	if err != nil {
		return slipway.BakePlan{}, err
	}
	plan.Application, plan.Base, plan.Compared = req.Spec.Application, base, last.ID
	return plan, nil
}

// lastBake returns the application's last bake that succeeded, and what was to be done for it; nil if there is none of which that
// is still known.
func (o *Operator) lastBake(ctx context.Context, application string) (slipway.Bake, *bake.Job, error) {
	bakes, err := o.Store.Bakes(ctx, application, plannedFrom)
	if err != nil {
		return slipway.Bake{}, nil, err
	}
	for _, b := range bakes {
		if b.State != slipway.BakeSucceeded || b.Rebuild != "" || b.Request == "" {
			continue
		}
		req, err := o.request(ctx, b.Request)
		if slipway.CodeOf(err) == slipway.NotFound {
			continue // its image was removed
		}
		if err != nil {
			return slipway.Bake{}, nil, err
		}
		job := &bake.Job{Request: req, Base: b.Base}
		if b.Base != nil && b.Base.Application != "" {
			job.Below = infosOf(b.Layers[:min(b.Base.Layers, len(b.Layers))])
		}
		return b, job, nil
	}
	return slipway.Bake{}, nil, nil
}
