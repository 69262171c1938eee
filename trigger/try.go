package trigger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

const (
	// maxTries is how often a firing is tried while what is needed does not answer: about half an hour.
	maxTries = 12
	// bakeLook is how often it is looked whether a bake is over, if nothing tells.
	bakeLook = 2 * time.Second
)

// errBaking says that a firing goes on when its bake is over.
var errBaking = errors.New("the bake is under way")

// try starts what a firing is to start, and stores and returns what came of it. The firing must be the caller's.
func (s *Service) try(ctx context.Context, f slipway.Firing) slipway.Firing {
	t, err := s.Store.Trigger(ctx, f.Trigger)
	if err != nil {
		if slipway.CodeOf(err) != slipway.NotFound && ctx.Err() == nil {
			s.Log.Warn("cannot read a trigger", "trigger", f.Trigger, "error", err)
		}
		return f // it is removed, or it will be tried again when it is due
	}
	f.Tries++
	if err = s.start(slipway.WithPrincipal(ctx, principal(t)), t, &f); err == nil {
		err = s.record(ctx, t, f) // if that fails it is tried again, and nothing is started twice
	}
	now := s.Now().UTC()
	switch {
	case err == nil:
		f.State, f.Error, f.Finished = slipway.FiringStarted, nil, now
	case ctx.Err() != nil && now.Before(f.Due):
		return f // slipwayd is about to stop: the next one goes on
	case errors.Is(err, errBaking):
		f.Tries--
		f.Due = now.Add(bakeLook)
	case f.Tries < maxTries && transient(err):
		s.Log.Warn("cannot start what a trigger asks for; it is tried again", "trigger", t.ID, "firing", f.ID, "error", err)
		f.Error = shown(err)
		f.Due = now.Add(min(time.Second<<f.Tries, 5*time.Minute))
	default:
		f.State, f.Error, f.Finished = slipway.FiringFailed, shown(err), now
		s.Log.Warn("cannot start what a trigger asks for", "trigger", t.ID, "firing", f.ID, "error", err)
	}
	store := context.WithoutCancel(ctx)
	if err := s.Store.PutFiring(store, f); err != nil {
		s.Log.Warn("cannot store a firing", "firing", f.ID, "error", err)
		return f
	}
	if errors.Is(err, errBaking) {
		s.baking.wait(f)
	}
	e := slipway.Event{Application: t.Application, Environment: t.Deploy, Execution: f.Execution, Deployment: f.Deployment}
	switch f.State {
	case slipway.FiringStarted:
		e.Kind = slipway.TriggerFired
		s.tell(store, e, f, "trigger %s started %s: %s%s", t.Name, t.Does(), cmp.Or(f.Execution, f.Deployment), becauseOf(f.Cause))
	case slipway.FiringFailed:
		e.Kind = slipway.TriggerFailed
		s.tell(store, e, f, "trigger %s could not start %s: %s", t.Name, t.Does(), f.Error.Error())
	}
	return f
}

// record notes in the audit log what was started, and because of what.
func (s *Service) record(ctx context.Context, t slipway.Trigger, f slipway.Firing) error {
	return slipway.Decided(context.WithoutCancel(ctx), s.Audit, slipway.AuditEntry{
		Action: "trigger.start", Key: f.ID, Application: t.Application, Environment: t.Deploy, Object: cmp.Or(f.Execution, f.Deployment),
		Reason: "trigger " + t.Name + becauseOf(f.Cause), Input: audit.Document(map[string]any{
			"trigger": t.ID, "firing": f.ID, "cause": f.Cause, "starts": t.Does(), "artifact": f.Artifact, "image": f.Image,
		}),
	})
}

// becauseOf says what CI knows of why.
func becauseOf(c slipway.Cause) string {
	var facts []string
	for _, fact := range []string{c.Event, c.Branch, c.Commit[:min(len(c.Commit), 12)], c.Author} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	if len(facts) == 0 {
		return ""
	}
	return " (" + strings.Join(facts, ", ") + ")"
}

// transient reports whether an error may be another the next time.
func transient(err error) bool {
	switch slipway.CodeOf(err) {
	case slipway.Unavailable, slipway.DeadlinePast, slipway.Internal:
		return true
	}
	return false
}

// shown is an error as it is recorded.
func shown(err error) *slipway.Error {
	if e, ok := errors.AsType[*slipway.Error](err); ok {
		return &slipway.Error{Code: e.Code, Message: e.Message, Place: e.Place}
	}
	return slipway.Errorf(slipway.Internal, "internal error; slipwayd's log has the details")
}

// start starts what the trigger says, once, however often it is called for the firing.
func (s *Service) start(ctx context.Context, t slipway.Trigger, f *slipway.Firing) error {
	if err := s.stands(ctx, t, *f); err != nil {
		return err
	}
	var bake *slipway.BakeRequest
	if f.Artifact != "" {
		a, err := s.Store.Artifact(ctx, f.Artifact)
		if err != nil {
			return err
		}
		if bake, err = s.rebake(ctx, t, a); err != nil {
			return err
		}
	}
	if t.Deploy == "" {
		if s.Pipelines == nil {
			return slipway.Errorf(slipway.Unprepared, "cannot run %s: this slipwayd runs no pipelines", t.Does())
		}
		x, err := s.Pipelines.RunPipeline(ctx, slipway.PipelineRequest{
			Application: t.Application, Pipeline: t.Pipeline, Image: f.Image, Parameters: f.Parameters, Cause: f.Cause, Bake: bake, Key: f.ID,
		})
		f.Execution = x.ID
		return err
	}
	if bake != nil {
		if err := s.bake(ctx, f, *bake); err != nil {
			return err
		}
	}
	d, err := s.deploy(ctx, t, *f)
	f.Deployment = d.ID
	return err
}

// bake sees to it that the image with an artifact is there. A bake of the same inputs is joined, so that beginning twice is beginning once.
func (s *Service) bake(ctx context.Context, f *slipway.Firing, req slipway.BakeRequest) error {
	if f.Bake == "" {
		b, err := s.Operator.Bake(ctx, req)
		if err != nil {
			return err
		}
		f.Bake = b.ID
	}
	b, err := s.Store.Bake(ctx, f.Bake)
	switch {
	case err != nil:
		return err
	case !b.State.Done():
		return errBaking
	case b.State != slipway.BakeSucceeded:
		if b.Error != nil {
			return b.Error
		}
		return slipway.Errorf(slipway.Failed, "cannot deploy what was pushed: bake %s ended as %s", b.ID, b.State)
	}
	f.Image = string(b.Image)
	return nil
}

// deploy starts a deployment. If it was tried before, it may have been accepted then: its reason has the firing's ID.
func (s *Service) deploy(ctx context.Context, t slipway.Trigger, f slipway.Firing) (slipway.Deployment, error) {
	cluster := slipway.Cluster{Application: t.Application, Environment: t.Deploy}
	if f.Tries > 1 {
		latest, err := s.Store.Deployments(ctx, cluster, 50)
		if err != nil {
			return slipway.Deployment{}, err
		}
		if i := slices.IndexFunc(latest, func(d slipway.Deployment) bool { return strings.Contains(d.Reason, f.ID) }); i >= 0 {
			return latest[i], nil
		}
	}
	req := slipway.DeployRequest{
		Cluster: cluster, Image: cmp.Or(f.Image, "latest"), Reason: "trigger " + t.Name + ", firing " + f.ID, By: principal(t).Name,
		OnConflict: slipway.ConflictQueue,
	}
	// Nobody is there who would ask again: it waits for its turn, unless the environment says what else becomes of it.
	if spec, err := s.Store.Application(ctx, t.Application); err == nil {
		req.OnConflict = cmp.Or(spec.Environments[t.Deploy].Policy.OnConflict, req.OnConflict)
	}
	return s.Operator.Deploy(ctx, req)
}
