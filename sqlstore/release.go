package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type releaseRow struct {
	bun.BaseModel `bun:"table:releases"`
	ID            string `bun:"id,pk"`
	Environment   string `bun:"environment"`
	Started       int64  `bun:"started"`
	State         string `bun:"state"`
	doc
}

// PutRelease implements [slipway.Store].
func (s *Store) PutRelease(ctx context.Context, r slipway.Release) error {
	row, err := newReleaseRow(r)
	if err != nil {
		return err
	}
	return s.put(ctx, "a release", row, "id")
}

func newReleaseRow(r slipway.Release) (*releaseRow, error) {
	d, err := encode(r)
	if err != nil {
		return nil, err
	}
	return &releaseRow{ID: r.ID, Environment: r.Environment, Started: r.Started.UnixNano(), State: string(r.State), doc: d}, nil
}

// Release implements [slipway.Store].
func (s *Store) Release(ctx context.Context, id string) (slipway.Release, error) {
	return get[releaseRow, slipway.Release](ctx, s, s.read, "release "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

// Releases implements [slipway.Store]; all for an empty environment, and without bound for a limit below 1.
func (s *Store) Releases(ctx context.Context, environment string, limit int) ([]slipway.Release, error) {
	return list[releaseRow, slipway.Release](ctx, s, s.read, "the releases", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "environment", environment), "started", "id", limit)
	})
}
