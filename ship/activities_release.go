package ship

import (
	"context"
	"encoding/json"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// RecordRelease stores the release, and tells of it if it has begun just now.
func (a *Activities) RecordRelease(ctx context.Context, r slipway.Release) error {
	_, err := a.Store.Release(ctx, r.ID)
	fresh := slipway.CodeOf(err) == slipway.NotFound
	if err := a.Store.PutRelease(ctx, r); err != nil {
		return err
	}
	if fresh {
		a.releaseEvent(ctx, r, slipway.ReleaseStarted, "releasing to "+r.Environment)
	}
	return nil
}

// FinishRelease stores the release in its final state, with how its members ended, and returns it.
func (a *Activities) FinishRelease(ctx context.Context, r slipway.Release) (slipway.Release, error) {
	stored, err := a.Store.Release(ctx, r.ID)
	if err == nil && stored.State.Done() {
		return stored, nil // an earlier try did it and its reply was lost
	}
	for i, m := range r.Members {
		if m.Deployment == "" {
			continue
		}
		d, err := a.Store.Deployment(ctx, m.Deployment)
		if err != nil {
			return r, durable.Passing(err)
		}
		r.Members[i].State = d.State
	}
	r.Finished = time.Now().UTC()
	if err := a.Store.PutRelease(ctx, r); err != nil {
		return r, durable.Passing(err)
	}
	message := "released to " + r.Environment
	if r.Error != nil {
		message = gist(r.Error.Message)
	}
	a.releaseEvent(ctx, r, slipway.ReleaseFinished, message)
	return r, nil
}

// PlanReleaseRollback returns the deployment that brings back what a member took over from; one without an ID if there is nothing.
func (a *Activities) PlanReleaseRollback(ctx context.Context, r slipway.Release, member slipway.Deployment) (slipway.Deployment, error) {
	d, err := deploy.PlanRollback(ctx, a.Store, a.Provider, slipway.RollbackRequest{
		Cluster: member.Cluster, Reason: "release " + r.ID + " failed", By: r.By, Override: true,
	})
	switch slipway.CodeOf(err) {
	case "":
	case slipway.Refused:
		return slipway.Deployment{}, nil
	default:
		return slipway.Deployment{}, err
	}
	d.ID, d.State, d.Step = derivedID("d-", r.ID+" back "+member.Cluster.Application), slipway.DeploymentRunning, "accepted"
	d.Undo, d.Started = []slipway.Undo{}, time.Now().UTC()
	return d, nil
}

func (a *Activities) releaseEvent(ctx context.Context, r slipway.Release, kind slipway.EventKind, message string) {
	e := slipway.Event{Time: time.Now(), Kind: kind, Message: message, Environment: r.Environment}
	e.Data, _ = json.Marshal(r) // a Release always can be
	publish(ctx, a.Store, a.Bus, a.Log, e)
}
