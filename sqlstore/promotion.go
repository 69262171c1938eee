package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.PromotionStore = (*Store)(nil)

type promotionRow struct {
	bun.BaseModel `bun:"table:promotions"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"` // that it comes to
	Started       int64  `bun:"started"`
	doc
}

// PutPromotion implements [slipway.PromotionStore].
func (s *Store) PutPromotion(ctx context.Context, p slipway.Promotion) error {
	d, err := encode(p)
	if err != nil {
		return err
	}
	return s.put(ctx, "a promotion", &promotionRow{ID: p.ID, Application: p.Application, Environment: p.To, Started: p.Started.UnixNano(), doc: d}, "id")
}

// Promotion implements [slipway.PromotionStore].
func (s *Store) Promotion(ctx context.Context, id string) (slipway.Promotion, error) {
	return get[promotionRow, slipway.Promotion](ctx, s, s.read, "promotion "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Promotions implements [slipway.PromotionStore].
func (s *Store) Promotions(ctx context.Context, filter slipway.PromotionFilter, limit int) ([]slipway.Promotion, error) {
	return list[promotionRow, slipway.Promotion](ctx, s, s.read, "the promotions", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q, "application", filter.To.Application), "environment", filter.To.Environment)
		return newest(beyond(q, "started", "id", filter.After), "started", "id", limit)
	})
}
