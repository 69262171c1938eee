package execute

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// deploy deploys the image to an environment.
func (r *run) deploy(ctx workflow.Context, s slipway.DeployStage, rec *slipway.StageRecord) error {
	if s.Image == "" {
		image, err := r.needsImage("deploy")
		if err != nil {
			return err
		}
		s.Image = string(image)
	}
	var d slipway.Deployment
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PlanStage, r.view(), s).Get(ctx, &d); err != nil {
		return err
	}
	return r.carryOut(ctx, d, rec)
}

// rollback brings back what an environment ran before.
func (r *run) rollback(ctx workflow.Context, s slipway.RollbackStage, rec *slipway.StageRecord) error {
	var d slipway.Deployment
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PlanStageRollback, r.view(), s).Get(ctx, &d); err != nil {
		return err
	}
	return r.carryOut(ctx, d, rec)
}

// carryOut runs a deployment, and aborts it with the stage.
func (r *run) carryOut(ctx workflow.Context, d slipway.Deployment, rec *slipway.StageRecord) error {
	d.ID = ship.DerivedID("d-", r.unique(rec))
	d, err := ship.DeployChild(ctx, d, func() {
		rec.Deployments = append(rec.Deployments, d.ID)
		r.x.Deployments = append(r.x.Deployments, d.ID)
		r.note()
	})
	if err != nil {
		return err
	}
	outputs(rec, map[string]string{"deployment": d.ID, "state": string(d.State), "group": d.Target, "image": string(d.Image)})
	return ship.Ended(d)
}

// PlanStage returns the deployment that a stage asks for.
func (a *Activities) PlanStage(ctx context.Context, x slipway.Execution, s slipway.DeployStage) (slipway.Deployment, error) {
	if err := a.Parts.Stands(ctx, x, "deploy", s.Environment, x.Image); err != nil {
		return slipway.Deployment{}, err
	}
	req, err := slipway.ReadBakeRequest(ctx, a.Parts.Blobs, x.Request)
	if err != nil {
		return slipway.Deployment{}, err
	}
	policy, ok := req.Spec.Environments[s.Environment]
	if !ok {
		return slipway.Deployment{}, slipway.Errorf(slipway.Invalid, "cannot deploy to %q: slipway.yaml defines no such environment", s.Environment)
	}
	d, err := ship.Plan(ctx, &a.Parts, slipway.DeployRequest{
		Cluster: slipway.Cluster{Application: x.Application, Environment: s.Environment}, Image: s.Image, Environment: &policy,
		Strategy: s.Strategy, OnConflict: s.OnConflict, Reason: reason(x), By: x.Cause.By,
	})
	return begun(d, x), err
}

// PlanStageRollback returns the deployment that brings back what an environment ran before.
func (a *Activities) PlanStageRollback(ctx context.Context, x slipway.Execution, s slipway.RollbackStage) (slipway.Deployment, error) {
	if err := a.Parts.Stands(ctx, x, "rollback", s.Environment, ""); err != nil {
		return slipway.Deployment{}, err
	}
	return a.planRollback(ctx, x, slipway.RollbackRequest{
		Cluster: slipway.Cluster{Application: x.Application, Environment: s.Environment}, Image: s.Image, Reason: reason(x), By: x.Cause.By,
	})
}

// PlanTakeBack returns the deployment that brings an environment back to what served there before the execution deployed to it. Refused if
// another deployment has come since: what is there now is not the execution's to take away.
func (a *Activities) PlanTakeBack(ctx context.Context, x slipway.Execution, environment string) (slipway.Deployment, error) {
	cluster := slipway.Cluster{Application: x.Application, Environment: environment}
	all, err := a.Parts.Store.Deployments(ctx, cluster, deploymentsLookedAt)
	if err != nil {
		return slipway.Deployment{}, err
	}
	own := func(d slipway.Deployment) bool { return d.Execution == x.ID || slices.Contains(x.Deployments, d.ID) }
	var first slipway.Deployment
	for _, d := range all { // the newest first
		if d.State != slipway.DeploymentSucceeded || d.Target == "" {
			continue
		}
		if !own(d) {
			if first.ID == "" {
				return d, slipway.Errorf(slipway.Refused, "deployment %s has come since", d.ID)
			}
			break
		}
		first = d
	}
	switch {
	case first.ID == "":
		return first, slipway.Errorf(slipway.Refused, "nothing that the execution deployed serves there")
	case first.Source == "":
		return first, slipway.Errorf(slipway.Refused, "nothing served there before")
	}
	req := slipway.RollbackRequest{Cluster: cluster, Reason: "a stage of " + x.ID + " failed", By: x.Cause.By, Override: true}
	for _, d := range all { // what made the group that served then says which image that is
		if d.Target == first.Source && d.Image != first.Image {
			req.Image = string(d.Image)
		}
	}
	return a.planRollback(ctx, x, req)
}

// deploymentsLookedAt is how many deployments of a cluster are looked through, the newest first.
const deploymentsLookedAt = 200

func (a *Activities) planRollback(ctx context.Context, x slipway.Execution, req slipway.RollbackRequest) (slipway.Deployment, error) {
	d, err := deploy.PlanRollback(ctx, a.Parts.Store, a.Parts.Provider, req)
	if err == nil {
		err = deploy.Verified(ctx, a.Parts.Verifier, d)
	}
	return begun(d, x), err
}

// begun returns a deployment that is planned as one of the execution's that is about to begin.
func begun(d slipway.Deployment, x slipway.Execution) slipway.Deployment {
	d.Execution, d.State, d.Step, d.Undo, d.Started = x.ID, slipway.DeploymentRunning, "accepted", []slipway.Undo{}, time.Now().UTC()
	return d
}

func reason(x slipway.Execution) string { return "pipeline " + x.Pipeline + ", " + x.ID }
