package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/feed"
	"github.com/slipway-sh/slipway/webhook"
)

// maxOverlap is for how long requests may be signed with two secrets.
const maxOverlap = 30 * 24 * time.Hour

// testKind is the kind of the event that a test sends. It is not stored.
const testKind = slipway.EventKind("notification.test")

// AddSubscription implements [slipway.Subscriptions].
func (s *Service) AddSubscription(ctx context.Context, spec slipway.SubscriptionSpec) (slipway.NewSubscription, error) {
	made := slipway.NewSubscription{}
	if err := spec.Validate(); err != nil {
		return made, err
	}
	notifier, ok := s.Notifiers[spec.Kind]
	if !ok {
		return made, slipway.Errorf(slipway.Invalid, "cannot tell anybody by %s: this slipwayd knows %s", spec.Kind, s.kinds()).At("kind")
	}
	if err := notifier.Validate(spec.To); err != nil {
		return made, err
	}
	since, err := feed.Newest(ctx, s.Store)
	if err != nil {
		return made, err
	}
	sub := slipway.Subscription{ID: s.NewID("n-"), SubscriptionSpec: spec, By: slipway.PrincipalOf(ctx).Name, Created: s.Now().UTC(), Since: since}
	if spec.Kind == slipway.NotifyWebhook {
		if made.Secret, err = s.newSecret(&sub); err != nil {
			return slipway.NewSubscription{}, err
		}
	}
	if err := s.Store.PutSubscription(ctx, sub); err != nil {
		return slipway.NewSubscription{}, err
	}
	made.Subscription = sub
	return made, nil
}

// newSecret puts a new secret before those of a subscription, and returns it.
func (s *Service) newSecret(sub *slipway.Subscription) (string, error) {
	secret := webhook.NewSecret()
	sealed, err := s.Sealer.Seal([]byte(secret))
	sub.Keys = append([]slipway.Sealed{{Text: sealed}}, sub.Keys...)
	return secret, err
}

// keys returns those that requests are signed with now.
func (s *Service) keys(sub slipway.Subscription, now time.Time) ([][]byte, error) {
	var all [][]byte
	for _, k := range sub.Keys {
		if !k.Until.IsZero() && !now.Before(k.Until) {
			continue
		}
		secret, err := s.Sealer.Open(k.Text)
		if err != nil {
			return nil, err
		}
		key, err := webhook.Key(string(secret))
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

func (s *Service) kinds() string {
	var all []string
	for kind := range s.Notifiers {
		all = append(all, kind)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// ListSubscriptions implements [slipway.Subscriptions].
func (s *Service) ListSubscriptions(ctx context.Context) ([]slipway.Subscription, error) {
	return s.Store.Subscriptions(ctx)
}

// GetSubscription implements [slipway.Subscriptions].
func (s *Service) GetSubscription(ctx context.Context, id string) (slipway.Subscription, error) {
	return s.Store.Subscription(ctx, id)
}

// EnableSubscription implements [slipway.Subscriptions].
func (s *Service) EnableSubscription(ctx context.Context, id string, enabled bool, reason string) (slipway.Subscription, error) {
	since, err := feed.Newest(ctx, s.Store)
	if err != nil {
		return slipway.Subscription{}, err
	}
	return s.amend(ctx, id, func(sub *slipway.Subscription) error {
		switch {
		case !enabled && sub.Disabled == nil:
			sub.Disabled = &slipway.Disabling{Reason: reason, By: slipway.PrincipalOf(ctx).Name, At: s.Now().UTC()}
		case enabled && sub.Disabled != nil:
			sub.Disabled, sub.Failing, sub.Since = nil, time.Time{}, since
		}
		return nil
	})
}

// RotateSubscription implements [slipway.Subscriptions].
func (s *Service) RotateSubscription(ctx context.Context, id string, overlap time.Duration) (slipway.NewSubscription, error) {
	made := slipway.NewSubscription{}
	if overlap < 0 || overlap > maxOverlap {
		return made, slipway.Errorf(slipway.Invalid, "cannot sign with the old secret for %s more: want 0s to %s", overlap, maxOverlap).At("overlap")
	}
	sub, err := s.amend(ctx, id, func(sub *slipway.Subscription) (err error) {
		if sub.Kind != slipway.NotifyWebhook {
			return slipway.Errorf(slipway.Invalid, "cannot rotate the secret of a subscription of kind %s: it has none", sub.Kind)
		}
		now := s.Now().UTC()
		sub.Rotated = now
		var old []slipway.Sealed
		for _, k := range sub.Keys {
			if until := now.Add(overlap); k.Until.IsZero() || k.Until.After(until) {
				k.Until = until
			}
			if k.Until.After(now) {
				old = append(old, k)
			}
		}
		sub.Keys = old
		made.Secret, err = s.newSecret(sub)
		return err
	})
	if err != nil {
		return slipway.NewSubscription{}, err
	}
	made.Subscription = sub
	return made, nil
}

// RemoveSubscription implements [slipway.Subscriptions].
func (s *Service) RemoveSubscription(ctx context.Context, id string) (slipway.Subscription, error) {
	return s.Store.DeleteSubscription(ctx, id)
}

// TestSubscription implements [slipway.Subscriptions].
func (s *Service) TestSubscription(ctx context.Context, id string) (slipway.Delivery, error) {
	sub, err := s.Store.Subscription(ctx, id)
	if err != nil {
		return slipway.Delivery{}, err
	}
	now := s.Now().UTC()
	d := slipway.Delivery{
		ID: s.NewID("m-"), Subscription: id, State: slipway.DeliveryDelivered, Tries: 1, Created: now, Tried: now,
		Event: slipway.Event{Time: now, Kind: testKind, Message: "this is a test of the subscription " + sub.Name},
	}
	if err := s.send(ctx, sub, d); err != nil {
		s.Log.Warn("cannot deliver a test", "subscription", id, "error", err)
		d.State, d.Error = slipway.DeliveryDead, reason(err)
	}
	d.Finished = s.Now().UTC()
	return d, nil
}

// ListDeliveries implements [slipway.Subscriptions].
func (s *Service) ListDeliveries(ctx context.Context, filter slipway.DeliveryFilter, limit int) ([]slipway.Delivery, error) {
	return s.Store.Deliveries(ctx, filter, limit)
}

// RetryDelivery implements [slipway.Subscriptions].
func (s *Service) RetryDelivery(ctx context.Context, id string) (slipway.Delivery, error) {
	d, err := s.Store.Delivery(ctx, id)
	if err != nil {
		return d, err
	}
	if d.State != slipway.DeliveryDead && d.State != slipway.DeliveryDiscarded {
		return d, slipway.Errorf(slipway.Conflict, "cannot try %s again: it is %s", id, d.State)
	}
	d.State, d.Tries, d.Due, d.Finished = slipway.DeliveryPending, 0, s.Now().UTC(), time.Time{}
	err = s.Store.PutDelivery(ctx, d)
	s.loop.Nudge()
	return d, err
}

// DiscardDelivery implements [slipway.Subscriptions].
func (s *Service) DiscardDelivery(ctx context.Context, id string) (slipway.Delivery, error) {
	d, err := s.Store.Delivery(ctx, id)
	if err != nil || d.State == slipway.DeliveryDiscarded {
		return d, err
	}
	if d.State == slipway.DeliveryDelivered {
		return d, slipway.Errorf(slipway.Conflict, "cannot discard %s: it was delivered", id)
	}
	s.end(&d, slipway.DeliveryDiscarded, d.Error)
	return d, s.Store.PutDelivery(ctx, d)
}
