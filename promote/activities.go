package promote

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// Activities are the steps of a promotion as they touch the world. Each may be run again at any time.
type Activities struct{ Promoter *Promoter }

var acts *Activities // its methods name the activities

// Outlook is how a promotion stands.
type Outlook struct {
	Constraints []slipway.Constraint `json:"constraints"`
	Deployment  slipway.Deployment   `json:"deployment"`         // that is to be started, if nothing holds
	Approval    *slipway.Approval    `json:"approval,omitempty"` // that is to be asked for, if enough people do not agree yet
}

// Consider looks at all conditions as they are now and, if nothing holds, plans the deployment. One that has become impossible by itself, as its
// image or its environment is gone, is refused as that is.
func (a *Activities) Consider(ctx context.Context, req slipway.PromoteRequest, notBefore time.Time) (Outlook, error) {
	f, err := a.Promoter.Facts(ctx, subject(req, notBefore), a.Promoter.Now().UTC())
	if err != nil {
		return Outlook{}, err
	}
	o := Outlook{Constraints: Evaluate(f)}
	for _, c := range Holding(o.Constraints) {
		if c.Kind == slipway.ConstraintApprovals {
			o.Approval = question(f, req)
		}
	}
	if len(Holding(o.Constraints)) > 0 {
		return o, nil
	}
	if err := a.stands(ctx, req, f); err != nil {
		return o, err
	}
	o.Deployment, err = a.Promoter.Plan(ctx, slipway.DeployRequest{
		Cluster: f.Cluster, Image: string(f.Image.Digest), ConfigVersion: f.Config, Strategy: req.Strategy, OnConflict: req.OnConflict, Reason: req.Reason, By: req.By, Override: req.Override,
	})
	if err != nil {
		return o, err
	}
	d := &o.Deployment
	d.ID, d.Promotion, d.Execution, d.State, d.Step = ship.DerivedID("d-", req.ID), req.ID, req.Execution, slipway.DeploymentRunning, "accepted"
	d.Undo, d.Started = []slipway.Undo{}, f.Now
	d.Override = append(d.Override, overridden(o.Constraints, req.Reason)...)
	return o, nil
}

// stands returns a Forbidden error if who has asked for the promotion may do it no more: it may have waited for long.
func (a *Activities) stands(ctx context.Context, req slipway.PromoteRequest, f Facts) error {
	if a.Promoter.Standing == nil {
		return nil
	}
	p, err := a.Promoter.Store.Promotion(ctx, req.ID)
	if err != nil {
		return err
	}
	return a.Promoter.Standing.Stands(ctx, p.Principal, "promote", f.Cluster, f.Image.Digest)
}

// question returns what people are asked, but for its ID.
func question(f Facts, req slipway.PromoteRequest) *slipway.Approval {
	policy := *f.Policy.Approvals
	message := what(f)
	if req.Reason != "" {
		message += ": " + req.Reason
	}
	return &slipway.Approval{
		Application: req.Application, Environment: req.To, Subject: req.ID, Message: message, Image: f.Image.Digest, Against: f.Replaces, Config: f.Config, ConfigAgainst: f.ConfigReplaces,
		Needed: policy.Needed, From: policy.Of, Comment: policy.Comment, Requester: req.By, Asked: f.Now,
		Expires: f.Now.Add(policy.Expires.Or(slipway.DefaultApprovalExpires)),
	}
}

// PromotionOccupied returns nil once no other deployment keeps d from starting, or the error that says which one does.
func (a *Activities) PromotionOccupied(ctx context.Context, d slipway.Deployment) error {
	return a.Promoter.Occupied(ctx, d)
}

// RecordPromotion stores the promotion, and tells what there is to tell of it.
func (a *Activities) RecordPromotion(ctx context.Context, p slipway.Promotion, kind slipway.EventKind, message string) error {
	stored, err := a.Promoter.Store.Promotion(ctx, p.ID)
	if err == nil && stored.State.Done() {
		return nil // an earlier try came late
	}
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	if err := a.Promoter.Store.PutPromotion(ctx, p); err != nil {
		return err
	}
	if kind != "" {
		a.Promoter.tell(ctx, kind, p, message)
	}
	return nil
}

// FinishPromotion stores the promotion in its final state and returns it.
func (a *Activities) FinishPromotion(ctx context.Context, p slipway.Promotion) (slipway.Promotion, error) {
	stored, err := a.Promoter.Store.Promotion(ctx, p.ID)
	if err == nil && stored.State.Done() {
		return stored, nil // an earlier try did it and its reply was lost
	}
	p.Finished = a.Promoter.Now().UTC()
	if err := a.Promoter.Store.PutPromotion(ctx, p); err != nil {
		return p, durable.Passing(err)
	}
	message := fmt.Sprintf("promoted %s %s from %s to %s", p.Application, p.Image.Short(), p.From, p.To)
	if p.Error != nil {
		message = p.Error.Error()
	}
	a.Promoter.tell(ctx, slipway.PromotionFinished, p, message)
	return p, nil
}

// tell stores an event and sends it to whoever listens. What it tells of does not fail because nobody could be told.
func (p *Promoter) tell(ctx context.Context, kind slipway.EventKind, m slipway.Promotion, message string) {
	e := slipway.Event{
		Time: p.Now().UTC(), Kind: kind, Message: m.ID + ": " + message, Application: m.Application, Environment: m.To, Execution: m.Execution, Deployment: m.Deployment,
	}
	e.Data, _ = json.Marshal(m) // the domain's types always can be
	e, err := p.Store.AppendEvent(ctx, e)
	if err == nil {
		err = p.Bus.Publish(ctx, e)
	}
	if err != nil {
		p.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
}
