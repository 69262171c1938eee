package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// Pools reads the load balancers; every [slipway.Router] does.
type Pools interface {
	Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error)
}

// recent is how many deployments are looked through for the last that succeeded.
const recent = 500

// clusters puts together what the store, the provider and the load balancers know of a cluster. Nothing is cached.
type clusters struct {
	store    slipway.Store
	records  slipway.ClusterRecords
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
	all, err := c.assemble(ctx, []slipway.Cluster{cluster}, groups)
	if err != nil {
		return slipway.ClusterStatus{}, err
	}
	s := all[0]
	if len(s.Groups) == 0 && s.Route == nil && s.Deployment == nil {
		err = slipway.Errorf(slipway.NotFound, "cannot find cluster %s: nothing was ever deployed to it", cluster)
	}
	return s, err
}

// names returns every cluster there is, by name, and all server groups.
func (c clusters) names(ctx context.Context) ([]slipway.Cluster, []slipway.ServerGroup, error) {
	groups, err := c.provider.ServerGroups(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, err := c.records.ClusterNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		names = append(names, g.Cluster)
	}
	slices.SortFunc(names, func(a, b slipway.Cluster) int {
		return cmp.Or(cmp.Compare(a.Application, b.Application), cmp.Compare(a.Environment, b.Environment))
	})
	return slices.Compact(names), groups, nil
}

// assemble returns the clusters' status, by as few questions however many they are; groups are all server groups there are.
func (c clusters) assemble(ctx context.Context, wanted []slipway.Cluster, groups []slipway.ServerGroup) ([]slipway.ClusterStatus, error) {
	routes, err := c.records.ClusterRoutes(ctx, wanted)
	if err != nil {
		return nil, err
	}
	deployments, err := c.records.LatestDeployments(ctx, wanted)
	if err != nil {
		return nil, err
	}
	restrictions, err := c.store.Restrictions(ctx)
	if err != nil {
		return nil, err
	}
	of := map[slipway.Cluster][]slipway.ServerGroup{}
	for _, g := range groups {
		of[g.Cluster] = append(of[g.Cluster], g)
	}
	all := make([]slipway.ClusterStatus, len(wanted))
	for i, cluster := range wanted {
		s := slipway.ClusterStatus{Cluster: cluster, Groups: append([]slipway.ServerGroup{}, of[cluster]...)}
		if route, ok := routes[cluster]; ok {
			s.Route = &route
		}
		if all[i], err = c.complete(ctx, s, deployments[cluster], restrictions); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// complete adds to a status with its groups and its route all else: deployments are those that are not over and the last that is.
func (c clusters) complete(ctx context.Context, s slipway.ClusterStatus, deployments []slipway.Deployment, restrictions []slipway.Restriction) (slipway.ClusterStatus, error) {
	cluster := s.Cluster
	slices.SortFunc(s.Groups, func(a, b slipway.ServerGroup) int {
		na, _ := slipway.GroupNumber(a.Name)
		nb, _ := slipway.GroupNumber(b.Name)
		return cmp.Compare(nb, na)
	})

	if s.Route != nil {
		switch pool, err := c.pools.Pool(ctx, cluster.String()); slipway.CodeOf(err) {
		case "":
			s.Pool = &pool
		case slipway.NotFound:
		default: // the rest is worth showing, the more so when the load balancer is in trouble
			c.log.Warn("cannot read a load balancer", "cluster", cluster.String(), "error", err)
		}
	}

	if s.Route != nil {
		s.Serving = s.Route.Serving()
	}
	if s.Serving == "" && len(s.Groups) > 0 {
		past, err := c.store.Deployments(ctx, cluster, recent)
		if err != nil {
			return s, err
		}
		s.Serving = settled(past, s.Groups)
	}
	s.Deployment, s.Queued = lineUp(deployments)
	now := time.Now()
	for _, r := range restrictions {
		if r.Covers(cluster) && r.Holds(now) {
			s.Restrictions = append(s.Restrictions, r)
		}
	}
	return s, nil
}

// lineUp returns the deployment that is under way, else the last that was, and those that wait for their turn, in their order: a hotfix
// before all else, then first come, first served. deployments are newest first.
func lineUp(deployments []slipway.Deployment) (*slipway.Deployment, []string) {
	var queue []slipway.Deployment
	var current *slipway.Deployment
	for i, d := range deployments {
		switch {
		case d.State == slipway.DeploymentQueued:
			queue = append(queue, d)
		case current == nil, !d.State.Done() && current.State.Done():
			current = &deployments[i]
		}
	}
	slices.SortStableFunc(queue, func(a, b slipway.Deployment) int {
		switch {
		case a.Hotfix != b.Hotfix && a.Hotfix:
			return -1
		case a.Hotfix != b.Hotfix:
			return 1
		}
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	var ids []string
	for _, d := range queue {
		ids = append(ids, d.ID)
	}
	if current == nil && len(queue) > 0 { // its turn is about to come
		current = &queue[0]
	}
	return current, ids
}

// settled returns the target of the last deployment that succeeded, if it still is there: what serves a cluster without traffic.
func settled(deployments []slipway.Deployment, groups []slipway.ServerGroup) string {
	last := slices.IndexFunc(deployments, func(d slipway.Deployment) bool { return d.State == slipway.DeploymentSucceeded })
	if last < 0 || !slices.ContainsFunc(groups, func(g slipway.ServerGroup) bool { return g.Name == deployments[last].Target }) {
		return ""
	}
	return deployments[last].Target
}

type clustersInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only this environment's."`
	PageInput
}

func (a *api) listClusters(ctx context.Context, in *clustersInput) (*listOutput[slipway.ClusterStatus], error) {
	names, groups, err := a.clusters.names(ctx)
	var some []slipway.Cluster
	for _, c := range names {
		if matchesCluster(in.Application, in.Environment, c) {
			some = append(some, c)
		}
	}
	page, err := cut(a.page(ctx, &in.PageInput), some, err, func(c slipway.Cluster) string { return c.Application + "\x00" + c.Environment })
	if err != nil {
		return nil, err
	}
	out := &listOutput[slipway.ClusterStatus]{Link: page.Link, Body: list[slipway.ClusterStatus]{Items: []slipway.ClusterStatus{}, Next: page.Body.Next}}
	all, err := a.clusters.assemble(ctx, page.Body.Items, groups)
	out.Body.Items = append(out.Body.Items, all...)
	return out, err
}

type clusterInput struct {
	Application string `path:"application"`
	Environment string `path:"environment"`
}

func (a *api) getCluster(ctx context.Context, in *clusterInput) (*output[slipway.ClusterStatus], error) {
	return found(a.clusters.status(ctx, slipway.Cluster{Application: in.Application, Environment: in.Environment}))
}
