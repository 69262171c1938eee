package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.ClusterRecords = (*Store)(nil)

// clustersAtOnce is of how many clusters one query asks. SQLite takes 500 parts of a query.
const clustersAtOnce = 100

// ClusterNames implements [slipway.ClusterRecords].
func (s *Store) ClusterNames(ctx context.Context) ([]slipway.Cluster, error) {
	var rows []struct{ Application, Environment string }
	err := s.read.NewRaw(`SELECT application, environment FROM clusters UNION SELECT application, environment FROM routes
		UNION SELECT application, environment FROM deployments WHERE target = '' ORDER BY application, environment`).Scan(ctx, &rows) // those that never began
	if err != nil {
		return nil, s.explain("read the clusters", err)
	}
	names := make([]slipway.Cluster, len(rows))
	for i, r := range rows {
		names[i] = slipway.Cluster{Application: r.Application, Environment: r.Environment}
	}
	return names, nil
}

// ClusterRoutes implements [slipway.ClusterRecords].
func (s *Store) ClusterRoutes(ctx context.Context, clusters []slipway.Cluster) (map[slipway.Cluster]slipway.Route, error) {
	routes := map[slipway.Cluster]slipway.Route{}
	for some := range slices.Chunk(clusters, clustersAtOnce) {
		var docs []string
		err := s.read.NewSelect().Table("routes").Column("doc").WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, c := range some {
				q = q.WhereOr("application = ? AND environment = ?", c.Application, c.Environment)
			}
			return q
		}).Scan(ctx, &docs)
		if err != nil {
			return nil, s.explain("read the routes", err)
		}
		for _, text := range docs {
			route, err := s.memos.routes.decode(text)
			if err != nil {
				return nil, fmt.Errorf("cannot decode a route: %w", err)
			}
			routes[route.Cluster] = route
		}
	}
	return routes, nil
}

// LatestDeployments implements [slipway.ClusterRecords].
func (s *Store) LatestDeployments(ctx context.Context, clusters []slipway.Cluster) (map[slipway.Cluster][]slipway.Deployment, error) {
	latest := make(map[slipway.Cluster][]slipway.Deployment, len(clusters))
	if len(clusters) == 0 {
		return latest, nil
	}
	for _, c := range clusters {
		latest[c] = []slipway.Deployment{}
	}
	open, err := list[deploymentRow, slipway.Deployment](ctx, s, s.read, "the deployments", func(q *bun.SelectQuery) *bun.SelectQuery {
		return oneOf(q, "state", openStates)
	})
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(clusters, clustersAtOnce) {
		over, err := s.lastOver(ctx, some)
		if err != nil {
			return nil, s.explain("read the deployments", err)
		}
		open = append(open, over...)
	}
	for _, d := range open {
		if list, wanted := latest[d.Cluster]; wanted {
			latest[d.Cluster] = append(list, d)
		}
	}
	for _, list := range latest {
		slices.SortFunc(list, func(a, b slipway.Deployment) int {
			return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.ID, a.ID))
		})
	}
	return latest, nil
}

// lastOver reads the last deployment that is over of each of the clusters: one look into an index for each, in one query.
func (s *Store) lastOver(ctx context.Context, clusters []slipway.Cluster) ([]slipway.Deployment, error) {
	wanted := make([][]string, len(clusters))
	for i, c := range clusters {
		wanted[i] = []string{c.Application, c.Environment}
	}
	var docs []string
	err := s.read.NewRaw(`SELECT doc FROM (SELECT (?) AS doc FROM (VALUES ?) AS wanted) AS last WHERE doc IS NOT NULL`,
		s.lastDeployment("doc", "wanted.column1", "wanted.column2"), bun.In(wanted)).Scan(ctx, &docs)
	if err != nil {
		return nil, err
	}
	all := make([]slipway.Deployment, len(docs))
	for i, text := range docs {
		if err := json.Unmarshal([]byte(text), &all[i]); err != nil {
			return nil, fmt.Errorf("cannot decode a deployment: %w", err)
		}
	}
	return all, nil
}

// lastDeployment selects a column of the last deployment that is over, of the cluster that two columns around it name.
func (s *Store) lastDeployment(column, application, environment string) *bun.SelectQuery {
	return s.read.NewSelect().Table("deployments").Column(column).
		Where("deployments.application = ? AND deployments.environment = ?", bun.Safe(application), bun.Safe(environment)).
		Where("deployments.state NOT IN (?)", bun.In(openStates)).
		OrderExpr("deployments.started DESC, deployments.id DESC").Limit(1)
}
