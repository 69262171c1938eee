package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

type promoteInput struct{ Body slipway.PromoteRequest }

func (a *api) promote(ctx context.Context, in *promoteInput) (*output[slipway.Promotion], error) {
	in.Body.By = asker(ctx, in.Body.By)
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Promoter.Promote(ctx, in.Body))
}

func (a *api) planPromotion(ctx context.Context, in *promoteInput) (*output[slipway.PromotionPlan], error) {
	in.Body.By = asker(ctx, in.Body.By)
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Promoter.PlanPromotion(ctx, in.Body))
}

type promotionsInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only those to this environment."`
	PageInput
}

func (a *api) listPromotions(ctx context.Context, in *promotionsInput) (*listOutput[slipway.Promotion], error) {
	filter := slipway.PromotionFilter{To: slipway.Cluster{Application: in.Application, Environment: in.Environment}}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Promotion, error) {
		filter.After = after
		return a.Promoter.Promotions(ctx, filter, limit)
	}, func(m slipway.Promotion) slipway.Mark { return slipway.Mark{Time: m.Started, ID: m.ID} })
}

func (a *api) getPromotion(ctx context.Context, in *idInput) (*output[slipway.Promotion], error) {
	return found(a.Promoter.Promotion(ctx, in.ID))
}

// aboutPromotion is the cluster that it comes to, and whose change that is.
func aboutPromotion(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	if a.Promoter == nil {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find promotion %q: this server has no promotions", r.path("id"))
	}
	m, err := a.Promoter.Promotion(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	return []auth.Ask{{Scope: slipway.Scope(m.Cluster()), Image: m.Image, Requester: m.By, Author: a.author(ctx, m.Image)}}, nil
}

// aboutPromoting is the cluster that a promotion would come to, and the image that would. Where that cannot be found out the promotion cannot
// begin either.
func (a *api) aboutPromoting(ctx context.Context, r slipway.PromoteRequest) ([]auth.Ask, error) {
	ask := auth.Ask{
		Scope: slipway.Scope{Application: r.Application, Environment: r.To}, Reason: r.Reason, Override: r.Override, Role: overriding(r.Override),
	}
	if r.Application == "" || r.To == "" { // the request is wrong; whoever may do something is told so
		ask.Scope = slipway.ScopeOf(slipway.Cluster{Application: r.Application, Environment: r.To})
		return []auth.Ask{ask}, nil
	}
	if a.Promoter != nil {
		if plan, err := a.Promoter.PlanPromotion(ctx, r); err == nil {
			ask.Image, ask.Author = plan.Image, a.author(ctx, plan.Image)
		}
	}
	return []auth.Ask{ask}, nil
}
