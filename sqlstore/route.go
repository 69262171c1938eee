package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type routeRow struct {
	bun.BaseModel `bun:"table:routes"`
	Application   string `bun:"application,pk"`
	Environment   string `bun:"environment,pk"`
	doc
}

// PutRoute implements [slipway.Store].
func (s *Store) PutRoute(ctx context.Context, route slipway.Route) error {
	d, err := encode(route)
	if err != nil {
		return err
	}
	return s.put(ctx, "a route", &routeRow{Application: route.Cluster.Application, Environment: route.Cluster.Environment, doc: d}, "application, environment")
}

// Route implements [slipway.Store].
func (s *Store) Route(ctx context.Context, cluster slipway.Cluster) (slipway.Route, error) {
	return get[routeRow, slipway.Route](ctx, s, s.read, "a route of cluster "+quote(cluster.String()), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("application = ? AND environment = ?", cluster.Application, cluster.Environment)
	})
}

// Routes implements [slipway.Store]; by cluster.
func (s *Store) Routes(ctx context.Context) ([]slipway.Route, error) {
	return list[routeRow, slipway.Route](ctx, s, s.read, "the routes", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("application", "environment")
	})
}
