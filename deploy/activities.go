package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/traffic"
)

// Traffic decides what the load balancers do and knows what they did. Methods are idempotent. [traffic.Controller] is one.
type Traffic interface {
	// SetRoute stores the route and applies it: it returns when the data plane has taken it. A listener that cannot be bound is a
	// Conflict, and then the route is what it was. A route with port 0 has no listener.
	SetRoute(ctx context.Context, route slipway.Route) error
	// Prove returns when the data plane shows that all new traffic of the cluster goes to the group, or a DeadlinePast error.
	Prove(ctx context.Context, cluster slipway.Cluster, group string, within time.Duration) (traffic.Proof, error)
	// Drained returns when no request is under way on the group any more, or an error when ctx is done.
	Drained(ctx context.Context, cluster slipway.Cluster, group string) error
}

// Activities are the steps of a deployment as they touch the world. Each first stores the deployment it is given, whose ledger
// lists the change it is about to make, and tells of it in an event. Each may be run again at any time.
type Activities struct {
	Store    slipway.Store
	Bus      slipway.Bus
	Provider slipway.Provider
	Router   slipway.Router
	Traffic  Traffic
	Log      *slog.Logger
	// Address is where load balancers listen that name no address.
	Address string
}

// Begun is what a deployment found when it began.
type Begun struct {
	Deployment slipway.Deployment
	Route      *slipway.Route
}

// RecordSource stores the deployment, gives it its target's name, and records which group serves now. Conflict if it is a rollback
// and another group serves than when it was planned.
func (a *Activities) RecordSource(ctx context.Context, d slipway.Deployment) (Begun, error) {
	stored, err := a.Store.CreateDeployment(ctx, d)
	if err != nil {
		return Begun{}, err
	}
	d.Target = stored.Target
	source, route, err := serving(ctx, a.Store, d.Cluster)
	if err != nil {
		return Begun{}, err
	}
	if d.Kind == slipway.KindRollback && source != d.Source {
		return Begun{}, slipway.Errorf(slipway.Conflict, "%s serves now, no longer %s", orNothing(source), orNothing(d.Source))
	}
	d.Source = source
	if b := d.Environment.LoadBalancer; b != nil && b.Address == "" {
		resolved := *b
		resolved.Address = a.Address
		d.Environment.LoadBalancer = &resolved
	}
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return Begun{}, err
	}
	a.publish(ctx, d, slipway.DeploymentStarted, opening(d), true)
	return Begun{Deployment: d, Route: route}, nil
}

// Note does nothing but tell of the step.
func (a *Activities) Note(ctx context.Context, d slipway.Deployment) error { return a.step(ctx, d) }

// FinishDeployment stores the deployment in its final state and returns it.
func (a *Activities) FinishDeployment(ctx context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	stored, err := a.Store.Deployment(ctx, d.ID)
	if err == nil && stored.State.Done() {
		return stored, nil // an earlier try did it and its reply was lost
	}
	d.Finished = time.Now()
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return d, durable.Passing(err)
	}
	message := fmt.Sprintf("%s serves %s", d.Target, d.Image.Short())
	if d.Error != nil {
		message = gist(d.Error.Message)
		if d.Source != "" && d.State != slipway.DeploymentNeedsAttention {
			message += "; " + d.Source + " serves as before"
		}
	}
	a.publish(ctx, d, slipway.DeploymentFinished, message, true)
	return d, nil
}

// step stores the deployment and tells what it does now: once, however often the step is tried.
func (a *Activities) step(ctx context.Context, d slipway.Deployment) error {
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return err
	}
	if activity.GetInfo(ctx).Attempt == 1 {
		a.publish(ctx, d, slipway.DeploymentStep, d.Step, false)
	}
	return nil
}

// tell is as step, but fails never: taking a change back, which the stored ledger lists already, does not wait for the records.
func (a *Activities) tell(ctx context.Context, d slipway.Deployment) {
	if err := a.step(ctx, d); err != nil {
		a.Log.Warn("cannot store what a deployment does", "deployment", d.ID, "step", d.Step, "error", err)
	}
}

// persist makes what the host lacks, such as space, no reason to give up: what takes a change back waits for it a while.
func persist(err *error) {
	if slipway.CodeOf(*err) == slipway.Unprepared {
		*err = durable.Passing(*err)
	}
}

// publish stores an event and sends it to whoever listens. A deployment does not fail because it could not tell of itself.
func (a *Activities) publish(ctx context.Context, d slipway.Deployment, kind slipway.EventKind, message string, whole bool) {
	e := slipway.Event{
		Time: time.Now(), Kind: kind, Message: message,
		Application: d.Cluster.Application, Environment: d.Cluster.Environment, Execution: d.Execution, Deployment: d.ID,
	}
	if whole {
		e.Data, _ = json.Marshal(d) // a Deployment always can be
	}
	stored, err := a.Store.AppendEvent(ctx, e)
	if err == nil {
		err = a.Bus.Publish(ctx, stored)
	}
	if err != nil {
		a.Log.Warn("cannot publish event", "kind", kind, "deployment", d.ID, "error", err)
	}
}

// opening says what a deployment is about to do.
func opening(d slipway.Deployment) string {
	switch {
	case d.Kind == slipway.KindRollback:
		return fmt.Sprintf("rolling back from %s to %s, image %s", orNothing(d.Source), d.Target, d.Image.Short())
	case d.Source == "":
		return fmt.Sprintf("%s is the first, image %s", d.Target, d.Image.Short())
	}
	return fmt.Sprintf("moving from %s to %s, image %s, by %s", d.Source, d.Target, d.Image.Short(), d.Environment.Strategy.Name())
}

// gist returns the first line of a failure's text. What follows are a machine's last lines, which the record has.
func gist(message string) string {
	first, _, _ := strings.Cut(message, "\n")
	return first
}
