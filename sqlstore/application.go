package sqlstore

import (
	"context"
	"fmt"

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

// Applications implements [slipway.Store]; by name. What the specs refer to is shared: nobody may change it.
func (s *Store) Applications(ctx context.Context) ([]slipway.Spec, error) {
	var rows []applicationRow
	if err := s.read.NewSelect().Model(&rows).Order("name").Scan(ctx); err != nil {
		return nil, s.explain("read the applications", err)
	}
	specs := make([]slipway.Spec, len(rows))
	for i, r := range rows {
		var err error
		if specs[i], err = s.memos.specs.decode(r.Doc); err != nil {
			return nil, fmt.Errorf("cannot decode the applications: %w", err)
		}
	}
	return specs, nil
}
