package trigger

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
	"github.com/slipway-sh/slipway/webhook"
)

// maxOverlap is for how long two secrets of a webhook may be taken.
const maxOverlap = 30 * 24 * time.Hour

// AddTrigger implements [slipway.Triggers].
func (s *Service) AddTrigger(ctx context.Context, spec slipway.TriggerSpec, secret string) (slipway.NewTrigger, error) {
	if err := validate(spec); err != nil {
		return slipway.NewTrigger{}, err
	}
	if _, err := s.Store.Application(ctx, spec.Application); err != nil {
		return slipway.NewTrigger{}, err
	}
	since, err := feed.Newest(ctx, s.Store)
	if err != nil {
		return slipway.NewTrigger{}, err
	}
	owner := slipway.PrincipalOf(ctx)
	t := slipway.Trigger{ID: s.NewID("t-"), TriggerSpec: spec, By: owner.Name, Owner: owner.Lasting(), Created: s.Now().UTC(), Since: since}
	return s.withSecret(ctx, t, secret, nil)
}

// withSecret gives a trigger a secret, if it has one, and stores it.
func (s *Service) withSecret(ctx context.Context, t slipway.Trigger, secret string, old []slipway.Sealed) (slipway.NewTrigger, error) {
	made := slipway.NewTrigger{}
	switch {
	case t.Kind.Hook():
		if err := secretFit(secret); err != nil {
			return made, err
		}
		made.Secret, made.Hook = cmp.Or(secret, webhook.NewSecret()), slipway.HookPath(t.ID)
		sealed, err := s.Sealer.Seal([]byte(made.Secret))
		if err != nil {
			return made, err
		}
		t.Keys = append([]slipway.Sealed{{Text: sealed}}, old...)
	case secret != "":
		return made, slipway.Errorf(slipway.Invalid, "cannot give a trigger of kind %s a secret: nothing comes in for it", t.Kind).At("secret")
	}
	if err := s.Store.PutTrigger(ctx, t); err != nil {
		return slipway.NewTrigger{}, err
	}
	made.Trigger = t
	s.loop.Nudge()
	return made, nil
}

// secretFit returns an Invalid error, which does not have the secret in it, unless that can be one or is to be chosen here.
func secretFit(secret string) error {
	if secret == "" {
		return nil
	}
	_, err := webhook.Key(secret)
	switch {
	case err != nil:
	case len(secret) < 16 || len(secret) > 500:
		err = slipway.Errorf(slipway.Invalid, "cannot use the secret: want 16 to 500 characters; leave it out and one is made")
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		err = slipway.Errorf(slipway.Invalid, "cannot use the secret: want ASCII without blanks")
	}
	if err != nil {
		return slipway.Errorf(slipway.Invalid, "%s", slipway.MessageOf(err)).At("secret")
	}
	return nil
}

// GetTrigger implements [slipway.Triggers].
func (s *Service) GetTrigger(ctx context.Context, id string) (slipway.Trigger, error) {
	return s.Store.Trigger(ctx, id)
}

// ListTriggers implements [slipway.Triggers].
func (s *Service) ListTriggers(ctx context.Context, application string) ([]slipway.Trigger, error) {
	return s.Store.Triggers(ctx, application)
}

// TriggerStatus implements [slipway.Triggers].
func (s *Service) TriggerStatus(ctx context.Context, id string, firings int) (slipway.TriggerStatus, error) {
	t, err := s.Store.Trigger(ctx, id)
	if err != nil {
		return slipway.TriggerStatus{}, err
	}
	status := slipway.TriggerStatus{Trigger: t, Firings: []slipway.Firing{}}
	if t.Kind == slipway.TriggerCron && !t.Disabled {
		status.Next = s.upcoming(t.TriggerSpec, 3)
	}
	latest, err := s.Store.Firings(ctx, id, firings)
	status.Firings = append(status.Firings, latest...)
	return status, err
}

// EnableTrigger implements [slipway.Triggers].
func (s *Service) EnableTrigger(ctx context.Context, id string, enabled bool) (slipway.Trigger, error) {
	t, err := s.Store.Trigger(ctx, id)
	if err != nil || t.Disabled == !enabled {
		return t, err
	}
	if t.Disabled = !enabled; enabled {
		if t.Since, err = feed.Newest(ctx, s.Store); err != nil {
			return t, err
		}
		t.Resumed, t.Owner = s.Now().UTC(), slipway.PrincipalOf(ctx).Lasting()
	}
	err = s.Store.PutTrigger(ctx, t)
	s.loop.Nudge()
	return t, err
}

// RotateTrigger implements [slipway.Triggers].
func (s *Service) RotateTrigger(ctx context.Context, id, secret string, overlap time.Duration) (slipway.NewTrigger, error) {
	if overlap < 0 || overlap > maxOverlap {
		return slipway.NewTrigger{}, slipway.Errorf(slipway.Invalid, "cannot take the old secret for %s more: want 0s to %s", overlap, maxOverlap).At("overlap")
	}
	t, err := s.Store.Trigger(ctx, id)
	if err != nil {
		return slipway.NewTrigger{}, err
	}
	if !t.Kind.Hook() {
		return slipway.NewTrigger{}, slipway.Errorf(slipway.Invalid, "cannot rotate the secret of a trigger of kind %s: it has none", t.Kind)
	}
	now := s.Now().UTC()
	t.Rotated = now
	return s.withSecret(ctx, t, secret, outgoing(t.Keys, now, overlap))
}

// outgoing returns the secrets that are taken on for a while, besides a new one.
func outgoing(keys []slipway.Sealed, now time.Time, overlap time.Duration) (old []slipway.Sealed) {
	until := now.Add(overlap)
	for _, k := range keys {
		if k.Until.IsZero() || k.Until.After(until) {
			k.Until = until
		}
		if k.Until.After(now) {
			old = append(old, k)
		}
	}
	return old
}

// RemoveTrigger implements [slipway.Triggers].
func (s *Service) RemoveTrigger(ctx context.Context, id string) (slipway.Trigger, error) {
	return s.Store.DeleteTrigger(ctx, id)
}

// validate is [slipway.TriggerSpec.Validate], and looks at globs and the schedule, too.
func validate(spec slipway.TriggerSpec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	for place, globs := range map[string][]string{
		"events": spec.Events, "branches": spec.Branches, "tags": spec.Tags, "paths": spec.Paths, "workflows": spec.Workflows,
		"artifacts": spec.Artifacts, "pipelines": spec.Pipelines,
	} {
		for _, g := range globs {
			if !doublestar.ValidatePattern(g) {
				return slipway.Errorf(slipway.Invalid, "cannot read the glob %q: *, ?, **, [a-z] and {a,b} stand for others", g).At(place)
			}
		}
	}
	if spec.Kind == slipway.TriggerCron {
		_, err := scheduleOf(spec)
		return err
	}
	return nil
}
