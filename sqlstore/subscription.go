package sqlstore

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.SubscriptionStore = (*Store)(nil)

type subscriptionRow struct {
	bun.BaseModel `bun:"table:subscriptions"`
	ID            string `bun:"id,pk"`
	Name          string `bun:"name"`
	doc
}

// storedSubscription is a subscription with what the API does not show.
type storedSubscription struct {
	slipway.Subscription
	StoredSince int64            `json:"since,omitempty"`
	StoredKeys  []slipway.Sealed `json:"keys,omitempty"`
}

func (s storedSubscription) whole() slipway.Subscription {
	s.Since, s.Keys = s.StoredSince, s.StoredKeys
	return s.Subscription
}

// PutSubscription implements [slipway.SubscriptionStore].
func (s *Store) PutSubscription(ctx context.Context, sub slipway.Subscription) error {
	d, err := encode(storedSubscription{sub, sub.Since, sub.Keys})
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		taken, err := tx.NewSelect().Model((*subscriptionRow)(nil)).Where("name = ? AND id <> ?", sub.Name, sub.ID).Exists(ctx)
		if err != nil {
			return err
		}
		if taken {
			return slipway.Errorf(slipway.Conflict, "cannot call the subscription %s: there is one of that name; choose another, or remove it first", sub.Name)
		}
		return upsert(ctx, tx, &subscriptionRow{ID: sub.ID, Name: sub.Name, doc: d}, "id")
	})
	return s.explain("store a subscription", err)
}

// Subscription implements [slipway.SubscriptionStore].
func (s *Store) Subscription(ctx context.Context, id string) (slipway.Subscription, error) {
	return s.subscription(ctx, s.read, id)
}

func (s *Store) subscription(ctx context.Context, db bun.IDB, id string) (slipway.Subscription, error) {
	sub, err := get[subscriptionRow, storedSubscription](ctx, s, db, "subscription "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
	return sub.whole(), err
}

// Subscriptions implements [slipway.SubscriptionStore].
func (s *Store) Subscriptions(ctx context.Context) ([]slipway.Subscription, error) {
	stored, err := list[subscriptionRow, storedSubscription](ctx, s, s.read, "the subscriptions", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("name")
	})
	var all []slipway.Subscription
	for _, sub := range stored {
		all = append(all, sub.whole())
	}
	return all, err
}

// DeleteSubscription implements [slipway.SubscriptionStore].
func (s *Store) DeleteSubscription(ctx context.Context, id string) (slipway.Subscription, error) {
	var sub slipway.Subscription
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if sub, err = s.subscription(ctx, tx, id); err != nil {
			return err
		}
		if _, err = tx.NewDelete().Model((*subscriptionRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*deliveryRow)(nil)).Where("subscription = ?", id).Exec(ctx)
		return err
	})
	return sub, s.explain("remove a subscription", err)
}

type deliveryRow struct {
	bun.BaseModel `bun:"table:deliveries"`
	ID            string `bun:"id,pk"`
	Subscription  string `bun:"subscription"`
	State         string `bun:"state"`
	Created       int64  `bun:"created"`
	Due           int64  `bun:"due"`
	doc
}

func rowOfDelivery(d slipway.Delivery) (*deliveryRow, error) {
	text, err := encode(d)
	r := &deliveryRow{ID: d.ID, Subscription: d.Subscription, State: string(d.State), Created: d.Created.UnixNano(), doc: text}
	if d.State == slipway.DeliveryPending {
		r.Due = max(d.Due.UnixNano(), 1)
	}
	return r, err
}

// AddDeliveries implements [slipway.SubscriptionStore].
func (s *Store) AddDeliveries(ctx context.Context, move slipway.CursorMove, deliveries []slipway.Delivery) (moved bool, err error) {
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if moved, err = advance(ctx, tx, move); err != nil || !moved {
			return err
		}
		for _, d := range deliveries {
			r, err := rowOfDelivery(d)
			if err != nil {
				return err
			}
			if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return moved && err == nil, s.explain("store deliveries", err)
}

// ClaimDeliveries implements [slipway.SubscriptionStore].
func (s *Store) ClaimDeliveries(ctx context.Context, now, until time.Time, limit int) (claimed []slipway.Delivery, err error) {
	due := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("due > 0 AND due <= ?", now.UnixNano()).Order("due", "id").Limit(limit)
	}
	// Most of the time there is nothing, and then nothing is to be written.
	if claimed, err = list[deliveryRow, slipway.Delivery](ctx, s, s.read, "the deliveries", due); err != nil || len(claimed) == 0 {
		return nil, err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if claimed, err = list[deliveryRow, slipway.Delivery](ctx, s, tx, "the deliveries", due); err != nil {
			return err
		}
		for i := range claimed {
			claimed[i].Due = until
			if _, err := tx.NewUpdate().Model((*deliveryRow)(nil)).Set("due = ?", until.UnixNano()).Where("id = ?", claimed[i].ID).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return claimed, s.explain("claim deliveries", err)
}

// PutDelivery implements [slipway.SubscriptionStore].
func (s *Store) PutDelivery(ctx context.Context, d slipway.Delivery) error {
	r, err := rowOfDelivery(d)
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		there, err := tx.NewSelect().Model((*subscriptionRow)(nil)).Where("id = ?", d.Subscription).Exists(ctx)
		if err != nil || !there {
			return err
		}
		return upsert(ctx, tx, r, "id")
	})
	return s.explain("store a delivery", err)
}

// Delivery implements [slipway.SubscriptionStore].
func (s *Store) Delivery(ctx context.Context, id string) (slipway.Delivery, error) {
	return get[deliveryRow, slipway.Delivery](ctx, s, s.read, "delivery "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Deliveries implements [slipway.SubscriptionStore].
func (s *Store) Deliveries(ctx context.Context, filter slipway.DeliveryFilter, limit int) ([]slipway.Delivery, error) {
	return list[deliveryRow, slipway.Delivery](ctx, s, s.read, "the deliveries", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q, "subscription", filter.Subscription), "state", string(filter.State))
		return newest(beyond(q, "created", "id", filter.After), "created", "id", limit)
	})
}

// DropDeliveries implements [slipway.SubscriptionStore].
func (s *Store) DropDeliveries(ctx context.Context, over time.Time) error {
	_, err := s.write.NewDelete().Model((*deliveryRow)(nil)).Where("state IN (?) AND created < ?",
		bun.In([]slipway.DeliveryState{slipway.DeliveryDelivered, slipway.DeliveryDiscarded}), over.UnixNano()).Exec(ctx)
	return s.explain("remove old deliveries", err)
}
