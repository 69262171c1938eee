package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type executionRow struct {
	bun.BaseModel `bun:"table:executions"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Image         string `bun:"image"`
	Started       int64  `bun:"started"`
	State         string `bun:"state"`
	doc
}

// PutExecution implements [slipway.Store].
func (s *Store) PutExecution(ctx context.Context, e slipway.Execution) error {
	row, err := newExecutionRow(e)
	if err != nil {
		return err
	}
	return s.put(ctx, "an execution", row, "id")
}

func newExecutionRow(e slipway.Execution) (*executionRow, error) {
	d, err := encode(e)
	if err != nil {
		return nil, err
	}
	return &executionRow{
		ID: e.ID, Application: e.Application, Image: string(e.Image), Started: e.Started.UnixNano(), State: string(e.State), doc: d,
	}, nil
}

// Execution implements [slipway.Store].
func (s *Store) Execution(ctx context.Context, id string) (slipway.Execution, error) {
	return get[executionRow, slipway.Execution](ctx, s, s.read, "execution "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Executions implements [slipway.Store]; all for an empty application, and without bound for a limit below 1.
func (s *Store) Executions(ctx context.Context, application string, limit int) ([]slipway.Execution, error) {
	return list[executionRow, slipway.Execution](ctx, s, s.read, "the executions", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "application", application), "started", "id", limit)
	})
}
