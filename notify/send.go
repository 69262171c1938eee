package notify

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// maxTries is how often a delivery is tried: about a day with the pauses between.
	maxTries = 12
	// The first pause, by how much each is longer than the last, and the longest.
	firstPause, pauseGrowth, longestPause = 5 * time.Second, 3, 6 * time.Hour
	// longFailure is how long nothing may get through to a subscription, until it is disabled when the next delivery is given up.
	longFailure = 72 * time.Hour
)

// pause returns how long to wait after so many tries: three times as long as the last time, more or less, so that many that failed together do
// not come back together.
func (s *Service) pause(tries int) time.Duration {
	p := firstPause
	for range tries - 1 {
		p = min(p*pauseGrowth, longestPause)
	}
	return p - p/5 + s.Jitter(2*p/5)
}

func jitter(n time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	return rand.N(n)
}

// try tries a delivery, and stores what came of it. The delivery must be the caller's.
func (s *Service) try(ctx context.Context, d slipway.Delivery) {
	sub, err := s.Store.Subscription(ctx, d.Subscription)
	if err != nil {
		if slipway.CodeOf(err) != slipway.NotFound && ctx.Err() == nil {
			s.Log.Warn("cannot read a subscription", "subscription", d.Subscription, "error", err)
		}
		return // it is removed, or it will be tried again when it is due
	}
	if sub.Disabled != nil {
		s.end(&d, slipway.DeliveryDead, "the subscription is disabled: "+sub.Disabled.Reason)
		s.put(ctx, d)
		return
	}
	if !s.enter(sub) {
		d.Due = s.Now().UTC().Add(s.pause(2)) // it does not count as a try
		s.put(ctx, d)
		return
	}
	defer s.leave(sub)
	err = s.send(ctx, sub, d)
	if err != nil && ctx.Err() != nil {
		return // slipwayd is about to stop: the next one goes on
	}
	d.Tries++
	d.Tried = s.Now().UTC()
	if err == nil {
		d.Error = ""
		s.end(&d, slipway.DeliveryDelivered, "")
		s.put(ctx, d)
		s.worked(ctx, sub, true)
		return
	}
	s.Log.Warn("cannot deliver a notification", "subscription", sub.ID, "delivery", d.ID, "try", d.Tries, "error", err)
	d.Error = reason(err)
	sub = s.worked(ctx, sub, false)
	code := slipway.CodeOf(err)
	if d.Tries < maxTries && code != slipway.Refused && code != slipway.NotFound {
		wait := s.pause(d.Tries)
		if later, ok := errors.AsType[*slipway.LaterError](err); ok {
			wait = max(wait, min(later.After, longestPause))
		}
		d.Due = s.Now().UTC().Add(wait)
		s.put(ctx, d)
		return
	}
	s.end(&d, slipway.DeliveryDead, d.Error)
	s.put(ctx, d)
	switch {
	case code == slipway.NotFound:
		s.disable(ctx, sub.ID, "the destination does not want any more: "+d.Error)
	case !sub.Failing.IsZero() && s.Now().Sub(sub.Failing) >= longFailure:
		s.disable(ctx, sub.ID, "nothing has got through since "+sub.Failing.UTC().Format(time.RFC3339)+": "+d.Error)
	}
	if d.Event.Kind != slipway.DeliveryGivenUp { // or one that cannot be told would be told of without end
		s.tell(ctx, slipway.Event{Kind: slipway.DeliveryGivenUp, Application: d.Event.Application, Environment: d.Event.Environment},
			map[string]string{"subscription": sub.ID, "delivery": d.ID, "error": d.Error},
			"a notification for %s was given up after %s: %s", sub.Name, tries(d.Tries), d.Error)
	}
}

// enter begins a try of a subscription's. It returns false if one is being tried already and nothing gets through to it: one is enough to see
// whether it is back, and a destination that does not even answer must not take the places of others.
func (s *Service) enter(sub slipway.Subscription) bool {
	s.trying.Lock()
	defer s.trying.Unlock()
	if !sub.Failing.IsZero() && s.tried[sub.ID] > 0 {
		return false
	}
	s.tried[sub.ID]++
	return true
}

func (s *Service) leave(sub slipway.Subscription) {
	s.trying.Lock()
	defer s.trying.Unlock()
	if s.tried[sub.ID]--; s.tried[sub.ID] == 0 {
		delete(s.tried, sub.ID)
	}
}

// send hands a notification to its notifier.
func (s *Service) send(ctx context.Context, sub slipway.Subscription, d slipway.Delivery) error {
	notifier, ok := s.Notifiers[sub.Kind]
	if !ok {
		return slipway.Errorf(slipway.Unprepared, "cannot tell %s: this slipwayd has nothing for destinations of kind %s", sub.Name, sub.Kind)
	}
	now := s.Now()
	keys, err := s.keys(sub, now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return notifier.Notify(ctx, sub.To, slipway.Notification{ID: d.ID, Event: d.Event, Subject: subject(d.Event), Text: text(d.Event), At: now, Keys: keys})
}

// reason is an error as it is recorded. What is no [slipway.Error] comes from the network, and is shown to who may see subscriptions.
func reason(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*slipway.Error](err); ok {
		text = e.Error()
	}
	if runes := []rune(text); len(runes) > 500 {
		text = string(runes[:499]) + "…"
	}
	return text
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return strconv.Itoa(n) + " tries"
}

func (s *Service) end(d *slipway.Delivery, state slipway.DeliveryState, why string) {
	d.State, d.Error, d.Due, d.Finished = state, why, time.Time{}, s.Now().UTC()
}

func (s *Service) put(ctx context.Context, d slipway.Delivery) {
	if err := s.Store.PutDelivery(context.WithoutCancel(ctx), d); err != nil {
		s.Log.Warn("cannot store a delivery", "delivery", d.ID, "error", err)
	}
}

// worked notes that something has got through to a subscription, or not, and returns the subscription as it is then.
func (s *Service) worked(ctx context.Context, sub slipway.Subscription, worked bool) slipway.Subscription {
	if sub.Failing.IsZero() == worked {
		return sub
	}
	changed, err := s.amend(ctx, sub.ID, func(sub *slipway.Subscription) error {
		switch {
		case worked:
			sub.Failing = time.Time{}
		case sub.Failing.IsZero():
			sub.Failing = s.Now().UTC()
		}
		return nil
	})
	if err != nil {
		s.Log.Warn("cannot note how a subscription does", "subscription", sub.ID, "error", err)
		return sub
	}
	return changed
}

// disable tells a subscription nothing any more, by itself.
func (s *Service) disable(ctx context.Context, id, why string) {
	done := false
	sub, err := s.amend(ctx, id, func(sub *slipway.Subscription) error {
		if done = sub.Disabled == nil; done {
			sub.Disabled = &slipway.Disabling{Reason: why, At: s.Now().UTC()}
		}
		return nil
	})
	if err != nil {
		s.Log.Warn("cannot disable a subscription", "subscription", id, "error", err)
		return
	}
	if done {
		s.tell(ctx, slipway.Event{Kind: slipway.SubscriptionDisabled}, map[string]string{"subscription": sub.ID, "reason": why},
			"%s is told nothing any more: %s; when that is mended: slipway notify enable %s", sub.Name, why, sub.Name)
	}
}

// amend changes a subscription as it is now.
func (s *Service) amend(ctx context.Context, id string, change func(*slipway.Subscription) error) (slipway.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.Store.Subscription(ctx, id)
	if err != nil {
		return sub, err
	}
	if err := change(&sub); err != nil {
		return sub, err
	}
	return sub, s.Store.PutSubscription(context.WithoutCancel(ctx), sub)
}
