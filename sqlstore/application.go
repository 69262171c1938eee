package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type applicationRow struct {
	bun.BaseModel `bun:"table:applications"`
	Name          string `bun:"name,pk"`
	doc
}

// PutApplication implements [slipway.Store].
func (s *Store) PutApplication(ctx context.Context, spec slipway.Spec) error {
	d, err := encode(spec)
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := putPolicies(ctx, tx, spec); err != nil {
			return err
		}
		return upsert(ctx, tx, &applicationRow{Name: spec.Application, doc: d}, "name")
	})
	return s.explain("store an application", err)
}

// Application implements [slipway.Store].
func (s *Store) Application(ctx context.Context, name string) (slipway.Spec, error) {
	return get[applicationRow, slipway.Spec](ctx, s, s.read, "application "+quote(name), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("name = ?", name)
	})
}

// Applications implements [slipway.Store]; by name.
func (s *Store) Applications(ctx context.Context) ([]slipway.Spec, error) {
	return list[applicationRow, slipway.Spec](ctx, s, s.read, "the applications", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("name")
	})
}
