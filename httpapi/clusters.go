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

// recent is how many deployments are looked through for clusters that have neither server groups nor a route, and for the last that succeeded.
const recent = 500

// queueable is how many deployments are looked through for the one under way: those that came after it wait, or were refused or aborted.
const queueable = 50

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

// names returns every cluster there is, by name, and all server groups.
func (c clusters) names(ctx context.Context) ([]slipway.Cluster, []slipway.ServerGroup, error) {
	groups, err := c.provider.ServerGroups(ctx)
	if err != nil {
		return nil, nil, err
	}
	routes, err := c.store.Routes(ctx)
	if err != nil {
		return nil, nil, err
	}
	deployments, err := c.store.Deployments(ctx, slipway.Cluster{}, recent)
	if err != nil {
		return nil, nil, err
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
	return slices.Compact(names), groups, nil
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

	if s.Route != nil {
		switch pool, err := c.pools.Pool(ctx, cluster.String()); slipway.CodeOf(err) {
		case "":
			s.Pool = &pool
		case slipway.NotFound:
		default: // the rest is worth showing, the more so when the load balancer is in trouble
			c.log.Warn("cannot read a load balancer", "cluster", cluster.String(), "error", err)
		}
	}

	wanted := queueable
	if s.Route != nil {
		s.Serving = s.Route.Serving()
	}
	if s.Serving == "" {
		wanted = recent
	}
	deployments, err := c.store.Deployments(ctx, cluster, wanted)
	if err != nil {
		return s, err
	}
	if s.Serving == "" {
		s.Serving = settled(deployments, s.Groups)
	}
	s.Deployment, s.Queued = lineUp(deployments)
	all, err := c.store.Restrictions(ctx)
	if err != nil {
		return s, err
	}
	now := time.Now()
	for _, r := range all {
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
	page, err := cut(&in.PageInput, some, err, func(c slipway.Cluster) string { return c.Application + "\x00" + c.Environment })
	if err != nil {
		return nil, err
	}
	out := &listOutput[slipway.ClusterStatus]{Link: page.Link, Body: list[slipway.ClusterStatus]{Items: []slipway.ClusterStatus{}, Next: page.Body.Next}}
	for _, name := range page.Body.Items {
		s, err := a.clusters.assemble(ctx, name, groups)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, s)
	}
	return out, nil
}

type clusterInput struct {
	Application string `path:"application"`
	Environment string `path:"environment"`
}

func (a *api) getCluster(ctx context.Context, in *clusterInput) (*output[slipway.ClusterStatus], error) {
	return found(a.clusters.status(ctx, slipway.Cluster{Application: in.Application, Environment: in.Environment}))
}
