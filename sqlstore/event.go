package sqlstore

import (
	"context"
	"slices"

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

// How many events are kept, the newest, and how many more there may be before the oldest go.
const (
	keptEvents = 1_000_000
	dropEvery  = 1000
)

// AppendEvent implements [slipway.Store]. The oldest events are dropped beyond a million.
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
		if err == nil && e.Seq%dropEvery == 0 {
			err = dropEvents(ctx, tx, e.Seq-keptEvents)
		}
		return err
	})
	if err != nil {
		return slipway.Event{}, s.explain("store an event", err)
	}
	return e, nil
}

// Events implements [slipway.Store]; without bound for a limit below 1.
func (s *Store) Events(ctx context.Context, filter slipway.EventFilter, limit int) ([]slipway.Event, error) {
	order := "seq"
	if filter.Newest {
		order = "seq DESC"
	}
	events, err := list[eventRow, slipway.Event](ctx, s, s.read, "the events", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q, "application", filter.Application), "environment", filter.Environment)
		q = is(is(is(q, "execution", filter.Execution), "bake", filter.Bake), "deployment", filter.Deployment)
		q = q.Where("seq > ?", filter.After).Order(order)
		if filter.Before > 0 {
			q = q.Where("seq < ?", filter.Before)
		}
		if limit > 0 {
			q = q.Limit(limit)
		}
		return q
	})
	if filter.Newest {
		slices.Reverse(events)
	}
	return events, err
}

// dropEvents removes the events up to a seq. They have been read long ago, and what they told of is in the records.
func dropEvents(ctx context.Context, tx bun.IDB, upTo int64) error {
	_, err := tx.NewDelete().Model((*eventRow)(nil)).Where("seq <= ?", upTo).Exec(ctx)
	return err
}

// AppendEvents stores several events in one transaction, so that they come to light at once, and returns them with their Seqs.
func (s *Store) AppendEvents(ctx context.Context, events []slipway.Event) ([]slipway.Event, error) {
	stored := slices.Clone(events)
	if len(stored) == 0 {
		return stored, nil
	}
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var last int64
		if err := tx.NewRaw(`UPDATE event_seq SET seq = seq + ? WHERE id = 1 RETURNING seq`, len(stored)).Scan(ctx, &last); err != nil {
			return err
		}
		rows := make([]eventRow, len(stored))
		for i := range stored {
			e := &stored[i]
			e.Seq = last - int64(len(stored)-1-i)
			d, err := encode(*e)
			if err != nil {
				return err
			}
			rows[i] = eventRow{Seq: e.Seq, Application: e.Application, Environment: e.Environment, Execution: e.Execution, Bake: e.Bake, Deployment: e.Deployment, doc: d}
		}
		if _, err := tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return err
		}
		if last/dropEvery > (last-int64(len(stored)))/dropEvery {
			return dropEvents(ctx, tx, last-keptEvents)
		}
		return nil
	})
	if err != nil {
		return nil, s.explain("store events", err)
	}
	return stored, nil
}
