package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

// oneByOne asks a store that knows no more of clusters than it must.
type oneByOne struct{ slipway.Store }

// ClusterNames implements [slipway.ClusterRecords]; in no order, and some more than once.
func (s oneByOne) ClusterNames(ctx context.Context) ([]slipway.Cluster, error) {
	routes, err := s.Routes(ctx)
	if err != nil {
		return nil, err
	}
	deployments, err := s.Deployments(ctx, slipway.Cluster{}, 0)
	if err != nil {
		return nil, err
	}
	var names []slipway.Cluster
	for _, r := range routes {
		names = append(names, r.Cluster)
	}
	for _, d := range deployments {
		names = append(names, d.Cluster)
	}
	return names, nil
}

// ClusterRoutes implements [slipway.ClusterRecords].
func (s oneByOne) ClusterRoutes(ctx context.Context, clusters []slipway.Cluster) (map[slipway.Cluster]slipway.Route, error) {
	routes := map[slipway.Cluster]slipway.Route{}
	for _, c := range clusters {
		switch route, err := s.Route(ctx, c); slipway.CodeOf(err) {
		case "":
			routes[c] = route
		case slipway.NotFound:
		default:
			return nil, err
		}
	}
	return routes, nil
}

// LatestDeployments implements [slipway.ClusterRecords]; with those that came before.
func (s oneByOne) LatestDeployments(ctx context.Context, clusters []slipway.Cluster) (_ map[slipway.Cluster][]slipway.Deployment, err error) {
	all := map[slipway.Cluster][]slipway.Deployment{}
	for _, c := range clusters {
		if all[c], err = s.Deployments(ctx, c, 0); err != nil {
			return nil, err
		}
	}
	return all, nil
}
