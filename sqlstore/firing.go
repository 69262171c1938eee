package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type firingRow struct {
	bun.BaseModel `bun:"table:firings"`
	ID            string `bun:"id,pk"`
	Trigger       string `bun:"trigger_id"`
	At            int64  `bun:"at"`
	Due           int64  `bun:"due"`
	doc
}

// firingKeyRow has the digest of a key: keys come from outside, and are of any length and any bytes.
type firingKeyRow struct {
	bun.BaseModel `bun:"table:firing_keys"`
	Trigger       string `bun:"trigger_id,pk"`
	Seen          string `bun:"seen,pk"`
	Firing        string `bun:"firing"`
	At            int64  `bun:"at"`
}

// AddFiring implements [slipway.TriggerStore].
func (s *Store) AddFiring(ctx context.Context, f slipway.Firing) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return addFiring(ctx, tx, f) })
	return s.explain("store a firing", err)
}

// AddFirings implements [slipway.TriggerStore].
func (s *Store) AddFirings(ctx context.Context, move slipway.CursorMove, firings []slipway.Firing) (moved bool, err error) {
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if moved, err = advance(ctx, tx, move); err != nil || !moved {
			return err
		}
		for _, f := range firings {
			if err := addFiring(ctx, tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	return moved && err == nil, s.explain("store firings", err)
}

func addFiring(ctx context.Context, tx bun.Tx, f slipway.Firing) error {
	for _, key := range f.Keys {
		k := firingKeyRow{Trigger: f.Trigger, Seen: slipway.DigestOf([]byte(key)).Hex()}
		var before firingKeyRow
		err := tx.NewSelect().Model(&before).Where("trigger_id = ? AND seen = ?", k.Trigger, k.Seen).Scan(ctx)
		if err == nil {
			return slipway.Errorf(slipway.Conflict, "cannot take it again: it came in before, as %s", before.Firing)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		k.Firing, k.At = f.ID, f.At.UnixNano()
		if _, err := tx.NewInsert().Model(&k).Exec(ctx); err != nil {
			return err
		}
	}
	r, err := rowOfFiring(f)
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(r).Exec(ctx)
	return err
}

func rowOfFiring(f slipway.Firing) (*firingRow, error) {
	d, err := encode(f)
	r := &firingRow{ID: f.ID, Trigger: f.Trigger, At: f.At.UnixNano(), doc: d}
	if !f.State.Done() {
		r.Due = max(f.Due.UnixNano(), 1)
	}
	return r, err
}

// ClaimFirings implements [slipway.TriggerStore].
func (s *Store) ClaimFirings(ctx context.Context, now, until time.Time, limit int) (claimed []slipway.Firing, err error) {
	due := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("due > 0 AND due <= ?", now.UnixNano()).Order("due", "id").Limit(limit)
	}
	// Most of the time there is nothing, and then nothing is to be written.
	if claimed, err = list[firingRow, slipway.Firing](ctx, s, s.read, "the firings", due); err != nil || len(claimed) == 0 {
		return nil, err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if claimed, err = list[firingRow, slipway.Firing](ctx, s, tx, "the firings", due); err != nil {
			return err
		}
		for i := range claimed {
			claimed[i].Due = until
			if _, err := tx.NewUpdate().Model((*firingRow)(nil)).Set("due = ?", until.UnixNano()).Where("id = ?", claimed[i].ID).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return claimed, s.explain("claim firings", err)
}

// PutFiring implements [slipway.TriggerStore].
func (s *Store) PutFiring(ctx context.Context, f slipway.Firing) error {
	r, err := rowOfFiring(f)
	if err != nil {
		return err
	}
	_, err = s.write.NewUpdate().Model(r).WherePK().Exec(ctx) // none if its trigger was removed meanwhile
	return s.explain("store a firing", err)
}

// Firing implements [slipway.TriggerStore].
func (s *Store) Firing(ctx context.Context, id string) (slipway.Firing, error) {
	return get[firingRow, slipway.Firing](ctx, s, s.read, "firing "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Firings implements [slipway.TriggerStore].
func (s *Store) Firings(ctx context.Context, trigger string, limit int) ([]slipway.Firing, error) {
	return list[firingRow, slipway.Firing](ctx, s, s.read, "the firings", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "trigger_id", trigger), "at", "id", limit)
	})
}

// DropFirings implements [slipway.TriggerStore].
func (s *Store) DropFirings(ctx context.Context, over, seen time.Time) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*firingRow)(nil)).Where("due = 0 AND at < ?", over.UnixNano()).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*firingKeyRow)(nil)).Where("at < ?", seen.UnixNano()).Exec(ctx)
		return err
	})
	return s.explain("remove old firings", err)
}
