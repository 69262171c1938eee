package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type bakeRow struct {
	bun.BaseModel `bun:"table:bakes"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Started       int64  `bun:"started"`
	State         string `bun:"state"`
	doc
}

// PutBake implements [slipway.Store].
func (s *Store) PutBake(ctx context.Context, bake slipway.Bake) error {
	row, err := newBakeRow(bake)
	if err != nil {
		return err
	}
	return s.put(ctx, "a bake", row, "id")
}

func newBakeRow(b slipway.Bake) (*bakeRow, error) {
	d, err := encode(b)
	if err != nil {
		return nil, err
	}
	return &bakeRow{ID: b.ID, Application: b.Application, Started: b.Started.UnixNano(), State: string(b.State), doc: d}, nil
}

// Bake implements [slipway.Store].
func (s *Store) Bake(ctx context.Context, id string) (slipway.Bake, error) {
	return get[bakeRow, slipway.Bake](ctx, s, s.read, "bake "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Bakes implements [slipway.Store]; all for an empty application, and without bound for a limit below 1.
func (s *Store) Bakes(ctx context.Context, application string, limit int) ([]slipway.Bake, error) {
	return list[bakeRow, slipway.Bake](ctx, s, s.read, "the bakes", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "application", application), "started", "id", limit)
	})
}
