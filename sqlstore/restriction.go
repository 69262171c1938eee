package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type restrictionRow struct {
	bun.BaseModel `bun:"table:restrictions"`
	ID            string `bun:"id,pk"`
	Kind          string `bun:"kind"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	Image         string `bun:"image"`
	Since         int64  `bun:"since"`
	doc
}

// PutRestriction implements [slipway.Store]. Another is in force if it is when r begins.
func (s *Store) PutRestriction(ctx context.Context, r slipway.Restriction) (slipway.Restriction, error) {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		alike, err := list[restrictionRow, slipway.Restriction](ctx, s, tx, "the restrictions", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("kind = ? AND application = ? AND environment = ? AND image = ? AND id <> ?",
				string(r.Kind), r.Cluster.Application, r.Cluster.Environment, string(r.Image), r.ID).Order("since", "id")
		})
		if err != nil {
			return err
		}
		for _, other := range alike {
			if other.Holds(r.Since) {
				r = other
				return nil
			}
		}
		d, err := encode(r)
		if err != nil {
			return err
		}
		return upsert(ctx, tx, &restrictionRow{
			ID: r.ID, Kind: string(r.Kind), Application: r.Cluster.Application, Environment: r.Cluster.Environment,
			Image: string(r.Image), Since: r.Since.UnixNano(), doc: d,
		}, "id")
	})
	if err != nil {
		return slipway.Restriction{}, s.explain("store a restriction", err)
	}
	return r, nil
}

// DeleteRestriction implements [slipway.Store].
func (s *Store) DeleteRestriction(ctx context.Context, id string) (slipway.Restriction, error) {
	var r slipway.Restriction
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		r, err = get[restrictionRow, slipway.Restriction](ctx, s, tx, "restriction "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("id = ?", id)
		})
		if err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*restrictionRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return slipway.Restriction{}, s.explain("remove a restriction", err)
	}
	return r, nil
}

// Restrictions implements [slipway.Store].
func (s *Store) Restrictions(ctx context.Context) ([]slipway.Restriction, error) {
	return list[restrictionRow, slipway.Restriction](ctx, s, s.read, "the restrictions", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("since", "id")
	})
}
