package execute

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// promote brings the image of one environment to another, and waits until all that is demanded of it is met. It is aborted with the stage.
func (r *run) promote(ctx workflow.Context, s slipway.PromoteStage, rec *slipway.StageRecord) error {
	req := slipway.PromoteRequest{
		ID: ship.DerivedID("m-", r.unique(rec)), Application: r.x.Application, From: s.From, To: s.To, Image: string(r.x.Image),
		Reason: reason(r.x), By: r.x.Cause.By, Execution: r.x.ID, WaitForRan: true, WaitForWindow: true,
	}
	var p slipway.Promotion
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.StartPromotion, req).Get(ctx, &p); err != nil {
		return err
	}
	rec.Promotion = p.ID
	r.waits(rec, "promotion "+p.ID+" from "+p.From+" to "+p.To)
	for looks := 0; !p.State.Done(); looks++ {
		err := workflow.ExecuteActivity(durable.Look(ctx, lookWithin, looks > 0), acts.AwaitPromotion, p.ID, looks).Get(ctx, &p)
		if err != nil && ctx.Err() != nil {
			rest, _ := workflow.NewDisconnectedContext(ctx)
			if ended := workflow.ExecuteActivity(durable.Tries(rest, lookWithin, 0), acts.EndPromotion, p.ID).Get(rest, &p); ended != nil {
				return ended
			}
			return err
		}
		if err != nil {
			return err
		}
	}
	if p.Deployment != "" {
		rec.Deployments = append(rec.Deployments, p.Deployment)
		r.x.Deployments = append(r.x.Deployments, p.Deployment)
	}
	outputs(rec, map[string]string{"promotion": p.ID, "state": string(p.State), "deployment": p.Deployment, "image": string(p.Image)})
	switch {
	case p.State == slipway.PromotionSucceeded:
		return nil
	case p.Error != nil:
		return p.Error
	}
	return slipway.Errorf(slipway.Failed, "promotion %s ended as %s", p.ID, p.State)
}

// StartPromotion starts a promotion, or returns the one that an earlier try has started. It is not broken off half way, so that whoever aborts
// the stage knows what there is to end.
func (a *Activities) StartPromotion(ctx context.Context, req slipway.PromoteRequest) (slipway.Promotion, error) {
	if a.Promoter == nil {
		return slipway.Promotion{}, slipway.Errorf(slipway.Invalid, "cannot promote: this slipwayd promotes nothing")
	}
	x, err := a.Parts.Store.Execution(ctx, req.Execution)
	if err != nil {
		return slipway.Promotion{}, err
	}
	if err := a.Parts.Stands(ctx, x, "promote", req.To, slipway.Digest(req.Image)); err != nil {
		return slipway.Promotion{}, err
	}
	if x.Principal.Name != "" {
		ctx = slipway.WithPrincipal(ctx, x.Principal)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), briefly)
	defer cancel()
	p, err := a.Promoter.Promote(ctx, req)
	return p, inOne(err)
}

// inOne returns an error that says all of what several joined ones say: the record of a stage has one.
func inOne(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || slipway.CodeOf(err) == slipway.Internal {
		return err
	}
	all := joined.Unwrap()
	var texts []string
	for _, e := range all[1:] {
		texts = append(texts, e.Error())
	}
	return slipway.Errorf(slipway.CodeOf(err), "%s: %s", slipway.MessageOf(all[0]), strings.Join(texts, "; "))
}

// AwaitPromotion returns the promotion once it is over, or when it has looked for long enough.
func (a *Activities) AwaitPromotion(ctx context.Context, id string, looks int) (slipway.Promotion, error) {
	limited, cancel := context.WithTimeout(ctx, lookFor*time.Duration(1<<min(looks, maxDoublings)))
	defer cancel()
	p, err := a.Promoter.AwaitPromotion(limited, id)
	if err != nil && ctx.Err() == nil && (limited.Err() != nil || errors.Is(err, context.DeadlineExceeded)) {
		return a.Promoter.Promotion(ctx, id)
	}
	return p, err
}

// EndPromotion aborts a promotion and returns it once it is over.
func (a *Activities) EndPromotion(ctx context.Context, id string) (slipway.Promotion, error) {
	if err := a.Promoter.AbortPromotion(ctx, id); err != nil {
		return slipway.Promotion{}, durable.Passing(err)
	}
	p, err := a.Promoter.AwaitPromotion(ctx, id)
	return p, durable.Passing(err)
}
