package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.TriggerStore = (*Store)(nil)

type triggerRow struct {
	bun.BaseModel `bun:"table:triggers"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Name          string `bun:"name"`
	doc
}

// storedTrigger is a trigger with what the API does not show.
type storedTrigger struct {
	slipway.Trigger
	StoredSince int64            `json:"since,omitempty"`
	StoredKeys  []slipway.Sealed `json:"keys,omitempty"`
}

func (t storedTrigger) whole() slipway.Trigger {
	t.Since, t.Keys = t.StoredSince, t.StoredKeys
	return t.Trigger
}

// PutTrigger implements [slipway.TriggerStore].
func (s *Store) PutTrigger(ctx context.Context, t slipway.Trigger) error {
	d, err := encode(storedTrigger{t, t.Since, t.Keys})
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		taken, err := tx.NewSelect().Model((*triggerRow)(nil)).Where("application = ? AND name = ? AND id <> ?", t.Application, t.Name, t.ID).Exists(ctx)
		if err != nil {
			return err
		}
		if taken {
			return slipway.Errorf(slipway.Conflict, "cannot call the trigger %s: %s has one of that name; choose another, or remove it first", t.Name, t.Application)
		}
		return upsert(ctx, tx, &triggerRow{ID: t.ID, Application: t.Application, Name: t.Name, doc: d}, "id")
	})
	return s.explain("store a trigger", err)
}

// Trigger implements [slipway.TriggerStore].
func (s *Store) Trigger(ctx context.Context, id string) (slipway.Trigger, error) {
	return s.trigger(ctx, s.read, id)
}

func (s *Store) trigger(ctx context.Context, db bun.IDB, id string) (slipway.Trigger, error) {
	t, err := get[triggerRow, storedTrigger](ctx, s, db, "trigger "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
	return t.whole(), err
}

// Triggers implements [slipway.TriggerStore].
func (s *Store) Triggers(ctx context.Context, application string) ([]slipway.Trigger, error) {
	stored, err := list[triggerRow, storedTrigger](ctx, s, s.read, "the triggers", func(q *bun.SelectQuery) *bun.SelectQuery {
		return is(q, "application", application).Order("application", "name")
	})
	var all []slipway.Trigger
	for _, t := range stored {
		all = append(all, t.whole())
	}
	return all, err
}

// DeleteTrigger implements [slipway.TriggerStore].
func (s *Store) DeleteTrigger(ctx context.Context, id string) (slipway.Trigger, error) {
	var t slipway.Trigger
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if t, err = s.trigger(ctx, tx, id); err != nil {
			return err
		}
		if _, err = tx.NewDelete().Model((*triggerRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
			return err
		}
		if _, err = tx.NewDelete().Model((*cursorRow)(nil)).Where("name = ?", slipway.ScheduleCursor(id)).Exec(ctx); err != nil {
			return err
		}
		if _, err = tx.NewDelete().Model((*firingKeyRow)(nil)).Where("trigger_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*firingRow)(nil)).Where("trigger_id = ?", id).Exec(ctx)
		return err
	})
	return t, s.explain("remove a trigger", err)
}
