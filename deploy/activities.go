package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/restrict"
	"github.com/slipway-sh/slipway/traffic"
)

// Traffic decides what the load balancers do and knows what they did. Methods are idempotent. [traffic.Controller] is one.
type Traffic interface {
	// SetRoute stores the route and applies it: it returns when the data plane has taken it. A listener that cannot be bound is a
	// Conflict, and then the route is what it was. A route with port 0 has no listener.
	SetRoute(ctx context.Context, route slipway.Route) error
	// Prove returns when the data plane shows that all new traffic of the cluster goes to the group, or a DeadlinePast error. It tries
	// once if within is zero.
	Prove(ctx context.Context, cluster slipway.Cluster, group string, within time.Duration) (traffic.Proof, error)
	// ProveSplit is as Prove for the stored route, which gives traffic to several groups.
	ProveSplit(ctx context.Context, cluster slipway.Cluster, within time.Duration) (traffic.Proof, error)
	// Drained returns when no request is under way on the group any more, or an error when ctx is done.
	Drained(ctx context.Context, cluster slipway.Cluster, group string) error
}

// Measurer takes measurements of checks. [check.Measurer] is one.
type Measurer interface {
	Measure(ctx context.Context, c slipway.Check, s check.Subject) slipway.Measurement
}

// Activities are the steps of a deployment as they touch the world. Each first stores the deployment it is given, whose ledger
// lists the change it is about to make, and tells of it in an event. Each may be run again at any time. None waits for longer than
// Patience: what is not there then is looked for again.
type Activities struct {
	Store    slipway.Store
	Bus      slipway.Bus
	Provider slipway.Provider
	Router   slipway.Router
	Traffic  Traffic
	Measurer Measurer
	Analyst  Analyst
	Log      *slog.Logger
	// Audit hears what is decided here and was asked for by nobody: that a deployment goes back, and what is forbidden then. nil: nobody does.
	Audit slipway.Recorder
	// Address is where load balancers listen that name no address.
	Address string
	// Turns is shared with [Guard]; nil: nobody does anything by hand.
	Turns *Turns
	// Sizes are those that people have given clusters; nil: nobody has.
	Sizes slipway.SizeStore
	// Signal signals and cancels workflows; nil where nothing is superseded.
	Signal Signaller
	// Patience is how long the first look of a step may wait for what it looks for; DefaultPatience is a good one. Zero looks once: for virtual time.
	Patience time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// DefaultPatience is how long a look waits where time is real.
const DefaultPatience = time.Minute

// Signaller is what is needed of a Temporal client.
type Signaller interface {
	SignalWorkflow(ctx context.Context, workflowID, runID, signal string, arg any) error
	CancelWorkflow(ctx context.Context, workflowID, runID string) error
}

func (a *Activities) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// Begun is what a deployment found when it began.
type Begun struct {
	Deployment    slipway.Deployment
	Route         *slipway.Route
	SourceSize    slipway.Size
	SourceHealthy int
	TargetSize    slipway.Size // of a rollback to a group that is kept
	SourceImage   slipway.Digest
	Drain         time.Duration // of source and target, whichever takes longer
	Same          bool          // the source is of the same image and configuration
}

// RecordSource stores the deployment, gives it its target's name, and records which group serves now. Refused if a restriction forbids
// it. Conflict if it is a rollback and another group serves than when it was planned.
func (a *Activities) RecordSource(ctx context.Context, d slipway.Deployment) (Begun, error) {
	begun := Begun{}
	if err := Admit(ctx, a.Store, d, a.now()); err != nil {
		return begun, err
	}
	release, err := a.Turns.take(ctx, d.Cluster) // whoever resizes it does so before this, or sees that it is under way
	if err != nil {
		return begun, err
	}
	defer release()
	stored, err := a.Store.CreateDeployment(ctx, d)
	if err != nil {
		return begun, err
	}
	if err := resized(ctx, a.Store, a.Sizes, &d); err != nil {
		return begun, err
	}
	d.Target, d.Baseline = stored.Target, stored.Baseline
	source, route, err := serving(ctx, a.Store, d.Cluster)
	if err != nil {
		return begun, err
	}
	if d.Kind == slipway.KindRollback && source != d.Source {
		return begun, slipway.Errorf(slipway.Conflict, "%s serves now, no longer %s", orNothing(source), orNothing(d.Source))
	}
	d.Source, begun.Route = source, route
	if err := a.describe(ctx, &begun, d); err != nil {
		return begun, err
	}
	if begun.SourceHealthy == 0 || d.Source == "" {
		d.Baseline = "" // there is nothing to compare with
	}
	if b := d.Environment.LoadBalancer; b != nil && b.Address == "" {
		resolved := *b
		resolved.Address = a.Address
		d.Environment.LoadBalancer = &resolved
	}
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return begun, err
	}
	if activity.GetInfo(ctx).Attempt == 1 {
		a.publish(ctx, d, slipway.DeploymentStarted, opening(d), true)
		for _, override := range d.Override {
			a.publish(ctx, d, slipway.DeploymentCommand, "overrides "+override, false)
		}
	}
	begun.Deployment = d
	return begun, nil
}

// describe reads what the source is like.
func (a *Activities) describe(ctx context.Context, begun *Begun, d slipway.Deployment) error {
	image, err := a.Store.Image(ctx, d.Image)
	if err != nil {
		return err
	}
	begun.Drain = image.Service.Drain.Or(defaultDrain)
	if kept, err := a.Provider.ServerGroup(ctx, d.Target); err == nil && d.Kind == slipway.KindRollback {
		begun.TargetSize = kept.Size
	} else if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	if d.Source == "" {
		return nil
	}
	group, err := a.Provider.ServerGroup(ctx, d.Source)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	begun.SourceSize, begun.SourceHealthy, begun.SourceImage = group.Size, group.Healthy(), group.Image
	begun.Drain = max(begun.Drain, group.Service.Drain.Or(defaultDrain))
	records, err := readHistory(ctx, a.Store, d.Cluster)
	if err != nil {
		return err
	}
	made, ok := records.maker(d.Source)
	begun.Same = ok && same(made, d)
	return nil
}

// Admit returns a Refused error if a freeze, a pin or a veto keeps the deployment from beginning. What it overrides is in its record.
func Admit(ctx context.Context, store slipway.Store, d slipway.Deployment, now time.Time) error {
	all, err := store.Restrictions(ctx)
	if err != nil {
		return err
	}
	forbidding := restrict.Forbids(all, restrict.Subject{Cluster: d.Cluster, Image: d.Image, Kind: d.Kind}, now)
	if overridesRestrictions(d) {
		kept := forbidding[:0:0]
		for _, r := range forbidding {
			if r.Kind == slipway.RestrictionVeto {
				kept = append(kept, r)
			}
		}
		forbidding = kept
	}
	if len(forbidding) == 0 {
		return nil
	}
	return restrict.Refusal(What(d), forbidding)
}

// overridesRestrictions reports whether a freeze or a pin was overridden for d; there are other rules that can be.
func overridesRestrictions(d slipway.Deployment) bool {
	return slices.ContainsFunc(d.Override, func(text string) bool {
		return strings.HasPrefix(text, string(slipway.RestrictionFreeze)+" ") || strings.HasPrefix(text, string(slipway.RestrictionPin)+" ")
	})
}

// RecordQueued stores a deployment that waits for its turn, and ends those that it supersedes.
func (a *Activities) RecordQueued(ctx context.Context, d slipway.Deployment, supersede bool) error {
	if _, err := a.Store.CreateDeployment(ctx, d); err != nil {
		return err
	}
	if activity.GetInfo(ctx).Attempt == 1 {
		a.publish(ctx, d, slipway.DeploymentWaiting, "waiting for its turn", true)
	}
	if !supersede || a.Signal == nil {
		return nil
	}
	records, err := readHistory(ctx, a.Store, d.Cluster)
	if err != nil {
		return err
	}
	for _, other := range records {
		if other.ID == d.ID || other.State.Done() || other.Kind == slipway.KindRollback || other.Hotfix || other.Started.After(d.Started) {
			continue
		}
		workflow := WorkflowID(other.Cluster)
		if other.State == slipway.DeploymentQueued {
			workflow = QueueID(other.ID)
		}
		if err := a.Signal.SignalWorkflow(ctx, workflow, "", signalSupersede, d.ID); err != nil {
			a.Log.Warn("cannot say what supersedes a deployment", "deployment", other.ID, "error", err)
		}
		if err := a.Signal.CancelWorkflow(ctx, workflow, ""); err != nil {
			a.Log.Warn("cannot supersede a deployment", "deployment", other.ID, "error", err) // it is over, or is waited for
		}
	}
	return nil
}

// Note does nothing but tell of the step.
func (a *Activities) Note(ctx context.Context, d slipway.Deployment) error { return a.step(ctx, d) }

// TellCommand tells that a deployment was told something. It stores nothing: it runs beside the steps, and what it knows may be older than
// what they have stored.
func (a *Activities) TellCommand(ctx context.Context, d slipway.Deployment, c slipway.Command) error {
	if activity.GetInfo(ctx).Attempt == 1 {
		a.publish(ctx, d, slipway.DeploymentCommand, string(c.Verb)+by(c), true)
	}
	return nil
}

// TellWaiting stores a deployment that waits, and tells of it.
func (a *Activities) TellWaiting(ctx context.Context, d slipway.Deployment, person bool) error {
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return err
	}
	if person && activity.GetInfo(ctx).Attempt == 1 {
		a.publish(ctx, d, slipway.DeploymentWaiting, "waiting for "+d.Waiting.For, true)
	}
	return nil
}

// FinishDeployment stores the deployment in its final state and returns it. An image that was rolled back is vetoed for the cluster; a
// cluster whose deployment of an irreversible image failed is frozen.
func (a *Activities) FinishDeployment(ctx context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	stored, err := a.Store.Deployment(ctx, d.ID)
	if err == nil && stored.State.Done() && stored.State == d.State {
		return stored, nil // an earlier try did it and its reply was lost
	}
	if err := a.recordOutcome(ctx, d); err != nil {
		return d, durable.Passing(err)
	}
	if err := a.conclude(ctx, d); err != nil {
		return d, durable.Passing(err)
	}
	d.Finished, d.Waiting, d.Deadline = a.now(), nil, time.Time{}
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return d, durable.Passing(err)
	}
	message := fmt.Sprintf("%s serves %s", d.Target, d.Image.Short())
	switch {
	case d.Error != nil:
		message = gist(d.Error.Message)
		if d.Source != "" && d.State != slipway.DeploymentNeedsAttention {
			message += "; " + d.Source + " serves as before"
		}
	case d.Target == "":
		message = fmt.Sprintf("%s serves %s already", d.Source, d.Image.Short())
	case d.Environment.Strategy.Name() == slipway.StrategyNone && d.Kind == slipway.KindDeploy:
		message = fmt.Sprintf("%s of %s is there, without traffic", d.Target, d.Image.Short())
	}
	a.publish(ctx, d, slipway.DeploymentFinished, message, true)
	return d, nil
}

// recordOutcome records that a deployment went back, or could not, by itself. What a person aborted that person is on record for.
func (a *Activities) recordOutcome(ctx context.Context, d slipway.Deployment) error {
	action := map[slipway.DeploymentState]string{slipway.DeploymentRolledBack: "deployment.back", slipway.DeploymentNeedsAttention: "deployment.stuck"}[d.State]
	if action == "" || d.Error == nil || d.Error.Code == slipway.ClosedByAbort {
		return nil
	}
	return slipway.Decided(ctx, a.Audit, slipway.AuditEntry{
		Action: action, Key: d.ID, Application: d.Cluster.Application, Environment: d.Cluster.Environment,
		Object: d.ID, Reason: gist(d.Error.Message), Code: d.Error.Code,
		After: audit.Document(map[string]any{"state": d.State, "image": d.Image, "target": d.Target, "serves": d.Source, "asked_by": d.By}),
	})
}

// conclude makes the restrictions that follow from how a deployment ended.
func (a *Activities) conclude(ctx context.Context, d slipway.Deployment) error {
	r := slipway.Restriction{Cluster: d.Cluster, Deployment: d.ID, Since: a.now(), By: "slipwayd"}
	switch {
	case d.State == slipway.DeploymentNeedsAttention && d.Irreversible:
		r.ID, r.Kind = "f-"+strings.TrimPrefix(d.ID, "d-"), slipway.RestrictionFreeze
		why, _, _ := strings.Cut(strings.TrimPrefix(gist(d.Error.Message), "cannot "+What(d)+": "), irreversiblyFailed)
		r.Reason = "deployment " + d.ID + " of an irreversible image failed: " + why
	case d.State == slipway.DeploymentRolledBack && d.Kind == slipway.KindDeploy && blames(d.Error):
		if same, err := a.reconfigured(ctx, d); err != nil || same {
			return err // what failed is the configuration: the image serves, as it did before
		}
		r.ID, r.Kind, r.Image = "v-"+strings.TrimPrefix(d.ID, "d-"), slipway.RestrictionVeto, d.Image
		r.Reason = "it was rolled back: " + strings.TrimPrefix(gist(d.Error.Message), "cannot "+What(d)+": ")
	case d.State == slipway.DeploymentSucceeded && d.Kind == slipway.KindRollback && d.Source != "":
		records, err := readHistory(ctx, a.Store, d.Cluster)
		if err != nil {
			return err
		}
		left, ok := records.maker(d.Source)
		if !ok || left.Image == d.Image {
			return nil
		}
		r.ID, r.Kind, r.Image = "v-"+strings.TrimPrefix(d.ID, "d-"), slipway.RestrictionVeto, left.Image
		r.Reason, r.By = "it was rolled back", cmp.Or(d.By, "slipwayd")
		if d.Reason != "" {
			r.Reason += ": " + d.Reason
		}
	default:
		return nil
	}
	made, err := a.Store.PutRestriction(ctx, r)
	if err == nil && made.ID == r.ID {
		if err := slipway.Decided(ctx, a.Audit, slipway.AuditEntry{
			Action: "restriction.made", Key: r.ID, Application: r.Cluster.Application, Environment: r.Cluster.Environment,
			Object: r.ID, Reason: r.Reason, After: audit.Document(r),
		}); err != nil {
			return err
		}
		a.publish(ctx, d, slipway.Restricted, fmt.Sprintf("%s %s: %s", r.Kind, r.ID, r.Reason), false)
	}
	return err
}

// reconfigured reports whether the deployment changed the version of the configuration alone.
func (a *Activities) reconfigured(ctx context.Context, d slipway.Deployment) (bool, error) {
	if d.Source == "" || d.ConfigVersion == 0 {
		return false, nil
	}
	records, err := readHistory(ctx, a.Store, d.Cluster)
	if err != nil {
		return false, err
	}
	source, ok := records.maker(d.Source)
	return ok && source.Image == d.Image && source.ConfigVersion != d.ConfigVersion, nil
}

// blames reports whether it is the image that a deployment failed for, and not the host or a person.
func blames(err *slipway.Error) bool {
	return err != nil && (err.Code == slipway.Failed || err.Code == slipway.DeadlinePast)
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

// looking is as step for a look, of which a step has many: only the first tells, and only every try of a new waiting is stored.
func (a *Activities) looking(ctx context.Context, d slipway.Deployment, w Wait) error {
	if w.First {
		return a.step(ctx, d)
	}
	return a.Store.PutDeployment(ctx, d)
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
		Time: a.now(), Kind: kind, Message: message,
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
