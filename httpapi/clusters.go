package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/slipway-sh/slipway"
)

// Pools reads the load balancers; every [slipway.Router] does.
type Pools interface {
	Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error)
}

// recent is how many deployments are looked through for clusters that have neither server groups nor a route.
const recent = 500

// clusters puts together what the store, the provider and the load balancers know of a cluster. Nothing is cached.
type clusters struct {
	store    slipway.Store
	provider slipway.Provider
	pools    Pools
	log      *slog.Logger
}

// status returns the cluster as it is now. NotFound if there has never been anything of it.
func (c clusters) status(ctx context.Context, cluster slipway.Cluster) (slipway.ClusterStatus, error) {
	groups, err := c.provider.ServerGroups(ctx)
	if err != nil {
		return slipway.ClusterStatus{}, err
	}
	s, err := c.assemble(ctx, cluster, groups)
	if err == nil && len(s.Groups) == 0 && s.Route == nil && s.Deployment == nil {
		err = slipway.Errorf(slipway.NotFound, "cannot find cluster %s: nothing was ever deployed to it", cluster)
	}
	return s, err
}

// all returns every cluster as it is now, by name.
func (c clusters) all(ctx context.Context) ([]slipway.ClusterStatus, error) {
	groups, err := c.provider.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	routes, err := c.store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	deployments, err := c.store.Deployments(ctx, slipway.Cluster{}, recent)
	if err != nil {
		return nil, err
	}
	var names []slipway.Cluster
	for _, g := range groups {
		names = append(names, g.Cluster)
	}
	for _, r := range routes {
		names = append(names, r.Cluster)
	}
	for _, d := range deployments {
		names = append(names, d.Cluster)
	}
	slices.SortFunc(names, func(a, b slipway.Cluster) int {
		return cmp.Or(cmp.Compare(a.Application, b.Application), cmp.Compare(a.Environment, b.Environment))
	})
	var all []slipway.ClusterStatus
	for _, name := range slices.Compact(names) {
		s, err := c.assemble(ctx, name, groups)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// assemble returns the cluster's status; groups are all server groups there are.
func (c clusters) assemble(ctx context.Context, cluster slipway.Cluster, groups []slipway.ServerGroup) (slipway.ClusterStatus, error) {
	s := slipway.ClusterStatus{Cluster: cluster, Groups: []slipway.ServerGroup{}}
	for _, g := range groups {
		if g.Cluster == cluster {
			s.Groups = append(s.Groups, g)
		}
	}
	slices.SortFunc(s.Groups, func(a, b slipway.ServerGroup) int {
		na, _ := slipway.GroupNumber(a.Name)
		nb, _ := slipway.GroupNumber(b.Name)
		return cmp.Compare(nb, na)
	})

	switch route, err := c.store.Route(ctx, cluster); slipway.CodeOf(err) {
	case "":
		s.Route = &route
	case slipway.NotFound:
	default:
		return s, err
	}
	s.Serving = serving(s)

	if s.Route != nil {
		switch pool, err := c.pools.Pool(ctx, cluster.String()); slipway.CodeOf(err) {
		case "":
			s.Pool = &pool
		case slipway.NotFound:
		default: // the rest is worth showing, the more so when the load balancer is in trouble
			c.log.Warn("cannot read a load balancer", "cluster", cluster.String(), "error", err)
		}
	}

	deployments, err := c.store.Deployments(ctx, cluster, 1)
	if err != nil {
		return s, err
	}
	if len(deployments) > 0 {
		s.Deployment = &deployments[0]
	}
	return s, nil
}

// serving returns the group that the route sends most traffic to; without a route the newest.
func serving(s slipway.ClusterStatus) string {
	if s.Route == nil {
		if len(s.Groups) == 0 {
			return ""
		}
		return s.Groups[0].Name
	}
	name, most := "", -1
	for _, g := range s.Route.Groups {
		if weight := cmp.Or(g.Weight, 100); g.Mode == slipway.Active && weight > most {
			name, most = g.Group, weight
		}
	}
	return name
}

func (a *api) listClusters(ctx context.Context, _ *struct{}) (*listOutput[slipway.ClusterStatus], error) {
	return listed(a.clusters.all(ctx))
}

type clusterInput struct {
	Application string `path:"application"`
	Environment string `path:"environment"`
}

func (a *api) getCluster(ctx context.Context, in *clusterInput) (*output[slipway.ClusterStatus], error) {
	return found(a.clusters.status(ctx, slipway.Cluster{Application: in.Application, Environment: in.Environment}))
}
