package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type executionRow struct {
	bun.BaseModel `bun:"table:executions"`
	ID            string `bun:"id,pk"`
	doc
}

// PutExecution implements [slipway.Store].
func (s *Store) PutExecution(ctx context.Context, e slipway.Execution) error {
	d, err := encode(e)
	if err != nil {
		return err
	}
	return s.put(ctx, "an execution", &executionRow{ID: e.ID, doc: d}, "id")
}

// Execution implements [slipway.Store].
func (s *Store) Execution(ctx context.Context, id string) (slipway.Execution, error) {
	return get[executionRow, slipway.Execution](ctx, s, s.read, "execution "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}
