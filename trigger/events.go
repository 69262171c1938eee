package trigger

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/slipway-sh/slipway"
)

// maxDepth is how many pipelines may have started each other.
const maxDepth = 20

// firing returns a new firing of a trigger.
func (s *Service) firing(t slipway.Trigger, cause slipway.Cause) slipway.Firing {
	now := s.Now().UTC()
	cause.Name, cause.By = t.Name, principal(t).Name
	return slipway.Firing{
		ID: s.NewID("tf-"), Trigger: t.ID, Application: t.Application, State: slipway.FiringPending, Image: t.Image, Parameters: t.Parameters,
		Cause: cause, At: now, Due: now,
	}
}

// principal is who asks for what a trigger starts, for its owner.
func principal(t slipway.Trigger) slipway.Principal {
	p := slipway.Principal{Kind: slipway.PrincipalSystem, Name: "trigger:" + t.Application + "/" + t.Name}
	if t.Owner.Name != "" {
		p.Owner = &t.Owner
	}
	return p
}

// stands returns a Forbidden error unless the trigger's owner may do what it is about to start: who only causes it, by pushing a file or
// moving a channel, need not.
func (s *Service) stands(ctx context.Context, t slipway.Trigger, f slipway.Firing) error {
	if s.Standing == nil {
		return nil
	}
	verb, image := "deploy", slipway.Digest(f.Image)
	if t.Deploy == "" {
		verb = "runPipeline"
	}
	if image.Validate() != nil { // a channel, or a version
		image = ""
	}
	err := s.Standing.Stands(ctx, principal(t), verb, slipway.Cluster{Application: t.Application, Environment: t.Deploy}, image)
	if slipway.CodeOf(err) == slipway.Forbidden {
		return slipway.Errorf(slipway.Forbidden, "the trigger acts for %s: %w; whoever disables it and enables it again takes it over", t.Owner.Name, err)
	}
	return err
}

// fired returns the firings that follow from events.
func (s *Service) fired(ctx context.Context, events []slipway.Event) ([]slipway.Firing, error) {
	if !slices.ContainsFunc(events, func(e slipway.Event) bool { return kindOf(e) != "" }) {
		return nil, nil
	}
	triggers, err := s.Store.Triggers(ctx, "")
	if err != nil {
		return nil, err
	}
	var firings []slipway.Firing
	for _, e := range events {
		for _, t := range triggers {
			if t.Kind != kindOf(e) || t.Disabled || e.Seq <= t.Since {
				continue
			}
			f, ok, err := s.pulled(ctx, t, e)
			if err != nil {
				return nil, err
			}
			if ok {
				firings = append(firings, f)
			}
		}
	}
	return firings, nil
}

// kindOf returns the kind of triggers that an event may pull, "" if none.
func kindOf(e slipway.Event) slipway.TriggerKind {
	switch e.Kind {
	case slipway.ArtifactPushed:
		return slipway.TriggerArtifact
	case slipway.ChannelMoved:
		return slipway.TriggerChannel
	case slipway.ExecutionFinished:
		return slipway.TriggerPipeline
	}
	return ""
}

// pulled returns the firing of a trigger if the event is what it waits for.
func (s *Service) pulled(ctx context.Context, t slipway.Trigger, e slipway.Event) (f slipway.Firing, ok bool, err error) {
	switch t.Kind {
	case slipway.TriggerArtifact:
		var a slipway.Artifact
		if e.Application != t.Application || json.Unmarshal(e.Data, &a) != nil || len(t.Artifacts) > 0 && !fits(t.Artifacts, a.Name) {
			return f, false, nil
		}
		return s.firingOfArtifact(t, a), true, nil
	case slipway.TriggerChannel:
		var c slipway.Channel
		if e.Application != t.Source() || json.Unmarshal(e.Data, &c) != nil || c.Name != t.Channel || c.Image == "" {
			return f, false, nil
		}
		f = s.firing(t, slipway.Cause{Trigger: "channel", Event: c.Name, Author: c.By})
		if t.Source() == t.Application {
			f.Image = cmp.Or(t.Image, string(c.Image))
		}
		return f, true, nil
	default:
		var x slipway.Execution
		if e.Application != t.Source() || json.Unmarshal(e.Data, &x) != nil || !waitsForEnd(t.TriggerSpec, x) {
			return f, false, nil
		}
		cause := x.Cause
		cause.Trigger, cause.Parent, cause.Event = "pipeline", x.ID, string(x.State)
		f = s.firing(t, cause)
		if t.Source() == t.Application {
			f.Image = cmp.Or(t.Image, string(x.Image))
		}
		f.Reason, err = s.round(ctx, t, x)
		if f.Reason != "" {
			f.State, f.Finished = slipway.FiringFiltered, f.At
		}
		return f, true, err
	}
}

func (s *Service) firingOfArtifact(t slipway.Trigger, a slipway.Artifact) slipway.Firing {
	cause := slipway.Cause{Trigger: "artifact", Event: a.Name, BuildKey: a.Version}
	if a.Source != nil {
		cause.Commit, cause.Branch, cause.Author, cause.Build = a.Source.Commit, a.Source.Branch, a.Source.Author, a.Source.Build
	}
	f := s.firing(t, cause)
	f.Artifact = a.ID
	return f
}

// waitsForEnd reports whether the execution is one whose end a trigger waits for.
func waitsForEnd(t slipway.TriggerSpec, x slipway.Execution) bool {
	states := t.States
	if len(states) == 0 {
		states = []slipway.ExecutionState{slipway.ExecutionSucceeded}
	}
	return slices.Contains(states, x.State) && (len(t.Pipelines) == 0 || fits(t.Pipelines, x.Pipeline))
}

// round returns why an execution must not pull a trigger: because it follows from an execution that the trigger has started itself.
func (s *Service) round(ctx context.Context, t slipway.Trigger, x slipway.Execution) (string, error) {
	for range maxDepth {
		if x.Cause.Trigger == "pipeline" && x.Cause.Name == t.Name && x.Application == t.Application {
			return "it would go round: " + x.ID + ", of which this follows, was started by this trigger", nil
		}
		if x.Cause.Parent == "" {
			return "", nil
		}
		var err error
		x, err = s.Store.Execution(ctx, x.Cause.Parent)
		if slipway.CodeOf(err) == slipway.NotFound {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
	return "too many pipelines have started each other", nil
}
