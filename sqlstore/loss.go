package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.LossStore = (*Store)(nil)

type lossRow struct {
	bun.BaseModel `bun:"table:losses"`
	Name          string `bun:"name,pk"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	doc
}

// PutLoss implements [slipway.LossStore].
func (s *Store) PutLoss(ctx context.Context, l slipway.Loss) error {
	doc, err := encode(l)
	if err != nil {
		return err
	}
	row := &lossRow{Name: l.Group, Application: l.Cluster.Application, Environment: l.Cluster.Environment, doc: doc}
	return s.put(ctx, "what a group has lost", row, "name")
}

// Losses implements [slipway.LossStore].
func (s *Store) Losses(ctx context.Context, cluster slipway.Cluster) ([]slipway.Loss, error) {
	return list[lossRow, slipway.Loss](ctx, s, s.read, "what groups have lost", func(q *bun.SelectQuery) *bun.SelectQuery {
		return is(is(q, "application", cluster.Application), "environment", cluster.Environment).Order("name")
	})
}
