package httpapi

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

type balancersInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only this environment's."`
	PageInput
}

func (a *api) listLoadBalancers(ctx context.Context, in *balancersInput) (*listOutput[slipway.LoadBalancer], error) {
	routes, err := a.Store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	some := slices.DeleteFunc(routes, func(r slipway.Route) bool { return !matchesCluster(in.Application, in.Environment, r.Cluster) })
	slices.SortFunc(some, func(x, y slipway.Route) int { return cmp.Compare(x.Cluster.String(), y.Cluster.String()) })
	page, err := cut(a.page(ctx, &in.PageInput), some, nil, func(r slipway.Route) string { return r.Cluster.String() })
	if err != nil {
		return nil, err
	}
	wanted := map[string]slipway.Route{}
	for _, r := range page.Body.Items {
		wanted[r.Cluster.String()] = r
	}
	pools, trouble := a.poolsOf(ctx, wanted)
	all := []slipway.LoadBalancer{}
	for _, r := range page.Body.Items {
		all = append(all, a.loadBalancer(r, pools, trouble))
	}
	return &listOutput[slipway.LoadBalancer]{Link: page.Link, Body: list[slipway.LoadBalancer]{Items: all, Next: page.Body.Next}}, nil
}

type balancerInput struct {
	Name string `path:"name" doc:"APPLICATION-ENVIRONMENT, the cluster's name." example:"hello-prod"`
}

func (a *api) getLoadBalancer(ctx context.Context, in *balancerInput) (*output[slipway.LoadBalancer], error) {
	routes, err := a.Store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if r.Cluster.String() == in.Name {
			pools, trouble := a.poolsOf(ctx, map[string]slipway.Route{in.Name: r})
			return found(a.loadBalancer(r, pools, trouble), nil)
		}
	}
	return nil, slipway.Errorf(slipway.NotFound, "cannot find load balancer %q", in.Name)
}

// loadBalancer puts together what is decided and what is; trouble is why the pools could not be read.
func (a *api) loadBalancer(r slipway.Route, pools map[string]slipway.PoolStatus, trouble error) slipway.LoadBalancer {
	b := slipway.LoadBalancer{Name: r.Cluster.String(), Cluster: r.Cluster, Route: r}
	pool, ok := pools[b.Name]
	switch {
	case ok:
		b.Pool = &pool
	case trouble != nil:
		b.Trouble = slipway.MessageOf(trouble)
		a.Log.Warn("cannot read a load balancer", "name", b.Name, "error", trouble)
	default:
		b.Trouble = "it does not listen"
	}
	return b
}
