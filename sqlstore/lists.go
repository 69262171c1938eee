package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Lists = (*Store)(nil)

// ListBakes implements [slipway.Lists].
func (s *Store) ListBakes(ctx context.Context, filter slipway.BakeFilter, after slipway.Mark, limit int) ([]slipway.Bake, error) {
	return list[bakeRow, slipway.Bake](ctx, s, s.read, "the bakes", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = oneOf(is(q, "application", filter.Application), "state", filter.States)
		return newest(beyond(q, "started", "id", after), "started", "id", limit)
	})
}

// ListDeployments implements [slipway.Lists].
func (s *Store) ListDeployments(ctx context.Context, filter slipway.DeploymentFilter, after slipway.Mark, limit int) ([]slipway.Deployment, error) {
	return list[deploymentRow, slipway.Deployment](ctx, s, s.read, "the deployments", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q, "application", filter.Cluster.Application), "environment", filter.Cluster.Environment)
		q = is(is(q, "kind", string(filter.Kind)), "image", string(filter.Image))
		q = oneOf(is(is(q, "execution", filter.Execution), "asked_by", filter.By), "state", filter.States)
		return newest(beyond(q, "started", "id", after), "started", "id", limit)
	})
}

// ListExecutions implements [slipway.Lists].
func (s *Store) ListExecutions(ctx context.Context, filter slipway.ExecutionFilter, after slipway.Mark, limit int) ([]slipway.Execution, error) {
	return list[executionRow, slipway.Execution](ctx, s, s.read, "the executions", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = oneOf(is(is(q, "application", filter.Application), "image", string(filter.Image)), "state", filter.States)
		return newest(beyond(q, "started", "id", after), "started", "id", limit)
	})
}

// ListImages implements [slipway.Lists].
func (s *Store) ListImages(ctx context.Context, filter slipway.ImageFilter, after slipway.Mark, limit int) ([]slipway.Image, error) {
	return list[imageRow, slipway.Image](ctx, s, s.read, "the images", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = oneOf(is(q, "application", filter.Application), "state", filter.States)
		if filter.Revoked {
			q = q.Where("digest IN (SELECT digest FROM revocations)")
		}
		return newest(beyond(q, "created", "digest", after), "created", "digest", limit)
	})
}

// ListReleases implements [slipway.Lists].
func (s *Store) ListReleases(ctx context.Context, filter slipway.ReleaseFilter, after slipway.Mark, limit int) ([]slipway.Release, error) {
	return list[releaseRow, slipway.Release](ctx, s, s.read, "the releases", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = oneOf(is(q, "environment", filter.Environment), "state", filter.States)
		return newest(beyond(q, "started", "id", after), "started", "id", limit)
	})
}

// beyond narrows q to the rows that come after a mark, in the order of newest.
func beyond(q *bun.SelectQuery, column, key string, after slipway.Mark) *bun.SelectQuery {
	if after.IsZero() {
		return q
	}
	at := after.Time.UnixNano()
	// The first condition is what an index can answer.
	return q.Where("? <= ?", bun.Ident(column), at).Where("(? < ? OR ? < ?)", bun.Ident(column), at, bun.Ident(key), after.ID)
}

// oneOf narrows q to rows whose column has one of the values, unless there are none.
func oneOf[T ~string](q *bun.SelectQuery, column string, values []T) *bun.SelectQuery {
	if len(values) == 0 {
		return q
	}
	return q.Where("? IN (?)", bun.Ident(column), bun.In(values))
}

// fillBatch is how many rows are filled in one transaction.
const fillBatch = 500

// fill gives rows that an earlier slipwayd has written the columns that lists are narrowed by.
func (s *Store) fill(ctx context.Context) error {
	if err := fill(ctx, s, "bakes", func(b slipway.Bake) (any, error) { return newBakeRow(b) }); err != nil {
		return err
	}
	if err := fill(ctx, s, "executions", func(e slipway.Execution) (any, error) { return newExecutionRow(e) }); err != nil {
		return err
	}
	if err := fill(ctx, s, "releases", func(r slipway.Release) (any, error) { return newReleaseRow(r) }); err != nil {
		return err
	}
	if err := fill(ctx, s, "deployments", func(d slipway.Deployment) (any, error) { return newDeploymentRow(d) }); err != nil {
		return err
	}
	images, err := list[imageRow, slipway.Image](ctx, s, s.read, "the images", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("brief = ''") })
	if err != nil {
		return err
	}
	for _, i := range images {
		if err := s.explain("bring the images up to date", s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return putImage(ctx, tx, i) })); err != nil {
			return err
		}
	}
	specs, err := list[applicationRow, slipway.Spec](ctx, s, s.read, "the applications", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("name NOT IN (SELECT application FROM environments)")
	})
	if err != nil {
		return err
	}
	for _, spec := range specs {
		if len(spec.Environments) > 0 {
			if err := s.PutApplication(ctx, spec); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill[T any](ctx context.Context, s *Store, table string, row func(T) (any, error)) error {
	if some, err := s.read.NewSelect().Table(table).Where("state = ''").Exists(ctx); err != nil || !some {
		return s.explain("read the "+table, err)
	}
	for after := ""; ; {
		filled := 0
		err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			var rows []struct{ ID, Doc string }
			err := tx.NewSelect().Table(table).Column("id", "doc").Where("state = '' AND id > ?", after).Order("id").Limit(fillBatch).Scan(ctx, &rows)
			if err != nil {
				return err
			}
			for _, r := range rows {
				var record T
				if err := json.Unmarshal([]byte(r.Doc), &record); err != nil {
					return err
				}
				full, err := row(record)
				if err != nil {
					return err
				}
				if err := upsert(ctx, tx, full, "id"); err != nil {
					return err
				}
				after = r.ID
			}
			filled = len(rows)
			return nil
		})
		if err != nil || filled < fillBatch {
			return s.explain("bring the "+table+" up to date", err)
		}
	}
}
