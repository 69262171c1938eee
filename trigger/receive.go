package trigger

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/webhook"
)

const (
	// receiveTime bounds how long who has sent a webhook waits for what comes of it. Then it goes on without.
	receiveTime = 20 * time.Second
	// tellRejected is how often it is told that webhooks for a trigger are refused: strangers must not fill the records.
	tellRejected = time.Minute
)

// Receive implements [slipway.Triggers].
func (s *Service) Receive(ctx context.Context, id string, header map[string][]string, body []byte) (slipway.Firing, error) {
	t, err := s.Store.Trigger(ctx, id)
	if err != nil {
		return slipway.Firing{}, err
	}
	if !t.Kind.Hook() {
		return slipway.Firing{}, slipway.Errorf(slipway.NotFound, "cannot find trigger %q", id)
	}
	f, err := s.received(ctx, t, header, body)
	if err != nil {
		s.reject(ctx, t, err)
		return f, err
	}
	if f.State.Done() {
		return f, nil
	}
	// Who has sent it may go away; it was taken, and goes on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTime)
	defer cancel()
	f = s.try(ctx, f)
	if f.State == slipway.FiringPending {
		s.loop.Nudge()
	}
	return f, nil
}

// received stores the firing of a webhook that is what it says it is, and was not here before.
func (s *Service) received(ctx context.Context, t slipway.Trigger, header http.Header, body []byte) (slipway.Firing, error) {
	now := s.Now()
	secrets, err := s.secrets(t, now)
	if err != nil {
		return slipway.Firing{}, err
	}
	keys, err := webhook.Verify(t.Kind, header, body, secrets, now)
	if err != nil {
		return slipway.Firing{}, err
	}
	if t.Disabled {
		return slipway.Firing{}, slipway.Errorf(slipway.Conflict, "cannot take the webhook: the trigger %s of %s is disabled", t.Name, t.Application)
	}
	m, err := webhook.Parse(t.Kind, webhook.EventOf(t.Kind, header), header.Get("Content-Type"), body)
	if err != nil {
		return slipway.Firing{}, err
	}
	f := s.firing(t, causeOf(m))
	f.Keys = keys
	f.Image = cmp.Or(t.Image, m.Image)
	if len(m.Params) > 0 && t.Deploy == "" {
		f.Parameters = map[string]string{}
		maps.Copy(f.Parameters, m.Params)
		maps.Copy(f.Parameters, t.Parameters) // what was decided here is not overridden from outside
	}
	if f.Reason = mismatch(t.TriggerSpec, m); f.Reason != "" {
		f.State, f.Finished = slipway.FiringFiltered, now.UTC()
	}
	f.Due = now.Add(claimed) // until then it is this request's
	return f, s.Store.AddFiring(ctx, f)
}

// secrets returns those that are taken now.
func (s *Service) secrets(t slipway.Trigger, now time.Time) ([]string, error) {
	var all []string
	for _, k := range t.Keys {
		if !k.Until.IsZero() && !now.Before(k.Until) {
			continue
		}
		secret, err := s.Sealer.Open(k.Text)
		if err != nil {
			return nil, err
		}
		all = append(all, string(secret))
	}
	return all, nil
}

// reject tells, now and then, that a webhook was refused. What was in it is not told.
func (s *Service) reject(ctx context.Context, t slipway.Trigger, why error) {
	now := s.Now()
	s.mu.Lock()
	silent := now.Sub(s.rejected[t.ID]) < tellRejected
	if !silent {
		s.rejected[t.ID] = now
	}
	s.mu.Unlock()
	from := slipway.PrincipalOf(ctx).Address
	s.Log.Warn("a webhook was refused", "trigger", t.ID, "application", t.Application, "from", from, "code", slipway.CodeOf(why), "error", slipway.MessageOf(why))
	if !silent {
		s.tell(context.WithoutCancel(ctx), slipway.Event{Kind: slipway.TriggerRejected, Application: t.Application},
			map[string]string{"trigger": t.ID, "from": from, "code": string(slipway.CodeOf(why))},
			"a webhook for the trigger %s was refused%s: %s", t.Name, fromText(from), slipway.MessageOf(why))
	}
}

func fromText(address string) string {
	if address == "" {
		return ""
	}
	return ", from " + address
}

// TestTrigger implements [slipway.Triggers].
func (s *Service) TestTrigger(ctx context.Context, id, event string, payload []byte) (slipway.TriggerTest, error) {
	t, err := s.Store.Trigger(ctx, id)
	if err != nil {
		return slipway.TriggerTest{}, err
	}
	test := slipway.TriggerTest{Starts: t.Does(), Image: t.Image, Parameters: t.Parameters}
	switch {
	case t.Kind.Hook():
		if len(payload) > webhook.MaxBody {
			return test, slipway.Errorf(slipway.Invalid, "cannot read a payload of %d bytes: at most %d are taken", len(payload), webhook.MaxBody).At("payload")
		}
		m, err := webhook.Parse(t.Kind, event, "application/json", payload)
		if err != nil {
			return test, err
		}
		test.Cause, test.Image = s.firing(t, causeOf(m)).Cause, cmp.Or(t.Image, m.Image)
		test.Reason = mismatch(t.TriggerSpec, m)
		if t.Deploy == "" && len(m.Params) > 0 {
			test.Parameters = maps.Clone(m.Params)
			maps.Copy(test.Parameters, t.Parameters)
		}
	case t.Kind == slipway.TriggerCron:
		test.Next = s.upcoming(t.TriggerSpec, 5)
		test.Reason = "it is not its time"
	default:
		test.Reason = "it waits for " + waitsFor(t.TriggerSpec)
	}
	if t.Disabled {
		test.Reason = "it is disabled"
	}
	test.Fires = test.Reason == ""
	if !test.Fires {
		test.Starts, test.Image, test.Parameters = "", "", nil
	}
	return test, nil
}

// waitsFor says what a trigger that is no webhook waits for.
func waitsFor(t slipway.TriggerSpec) string {
	switch t.Kind {
	case slipway.TriggerArtifact:
		return "an artifact of " + t.Application
	case slipway.TriggerChannel:
		return "the channel " + t.Channel + " of " + t.Source() + " to move"
	case slipway.TriggerPipeline:
		return "an execution of " + t.Source() + " to end"
	}
	return "a time of day"
}

func causeOf(m webhook.Message) slipway.Cause {
	branch := m.Branch
	if branch == "" {
		branch = m.Tag
	}
	return slipway.Cause{Trigger: "webhook", Event: m.Event, Branch: branch, Commit: m.Commit, Author: m.Author, BuildKey: m.BuildKey, Build: m.Build}
}
