package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type sizeRow struct {
	bun.BaseModel `bun:"table:sizes"`
	Application   string `bun:"application,pk"`
	Environment   string `bun:"environment,pk"`
	doc
}

var _ slipway.SizeStore = (*Store)(nil)

// PutSize implements [slipway.SizeStore].
func (s *Store) PutSize(ctx context.Context, r slipway.Resizing) error {
	d, err := encode(r)
	if err != nil {
		return err
	}
	row := &sizeRow{Application: r.Cluster.Application, Environment: r.Cluster.Environment, doc: d}
	return s.put(ctx, "a size", row, "application, environment")
}

// Size implements [slipway.SizeStore].
func (s *Store) Size(ctx context.Context, cluster slipway.Cluster) (slipway.Resizing, error) {
	what := "a size that was set by hand of " + quote(cluster.Application) + " in " + quote(cluster.Environment)
	return get[sizeRow, slipway.Resizing](ctx, s, s.read, what, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("application = ? AND environment = ?", cluster.Application, cluster.Environment)
	})
}

// DeleteSize implements [slipway.SizeStore].
func (s *Store) DeleteSize(ctx context.Context, cluster slipway.Cluster) error {
	_, err := s.write.NewDelete().Model((*sizeRow)(nil)).
		Where("application = ? AND environment = ?", cluster.Application, cluster.Environment).Exec(ctx)
	return s.explain("forget a size", err)
}
