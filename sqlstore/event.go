package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type eventRow struct {
	bun.BaseModel `bun:"table:events"`
	Seq           int64  `bun:"seq,pk"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	Execution     string `bun:"execution"`
	Bake          string `bun:"bake"`
	Deployment    string `bun:"deployment"`
	doc
}

// AppendEvent implements [slipway.Store].
func (s *Store) AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error) {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := tx.NewRaw(`UPDATE event_seq SET seq = seq + 1 WHERE id = 1 RETURNING seq`).Scan(ctx, &e.Seq); err != nil {
			return err
		}
		d, err := encode(e)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&eventRow{
			Seq: e.Seq, Application: e.Application, Environment: e.Environment,
			Execution: e.Execution, Bake: e.Bake, Deployment: e.Deployment, doc: d,
		}).Exec(ctx)
		return err
	})
	if err != nil {
		return slipway.Event{}, s.explain("store an event", err)
	}
	return e, nil
}

// Events implements [slipway.Store]; without bound for a limit below 1.
func (s *Store) Events(ctx context.Context, filter slipway.EventFilter, limit int) ([]slipway.Event, error) {
	return list[eventRow, slipway.Event](ctx, s, "the events", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q, "application", filter.Application), "environment", filter.Environment)
		q = is(is(is(q, "execution", filter.Execution), "bake", filter.Bake), "deployment", filter.Deployment)
		q = q.Where("seq > ?", filter.After).Order("seq")
		if limit > 0 {
			q = q.Limit(limit)
		}
		return q
	})
}
