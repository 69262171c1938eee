package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/overview"
)

// AllPools reads all load balancers at once; a [Pools] that can does.
type AllPools interface {
	// Pools returns every pool, by the load balancer's name.
	Pools(ctx context.Context) (map[string]slipway.PoolStatus, error)
}

type environmentsInput struct {
	Application string `query:"application" doc:"Only those of this application."`
	PageInput
}

func (a *api) listEnvironments(ctx context.Context, in *environmentsInput) (*listOutput[slipway.EnvironmentInfo], error) {
	all, err := a.Records.EnvironmentNames(ctx)
	some := slices.DeleteFunc(all, func(e slipway.EnvironmentInfo) bool {
		return in.Application != "" && !slices.ContainsFunc(e.Applications, func(m slipway.EnvironmentMember) bool { return m.Application == in.Application })
	})
	for i := range some {
		some[i] = a.members(ctx, some[i])
	}
	return sorted(a.page(ctx, &in.PageInput), some, err, func(e slipway.EnvironmentInfo) string { return e.Name })
}

type environmentInput struct {
	Environment string `path:"environment"`
}

func (a *api) getEnvironment(ctx context.Context, in *environmentInput) (*output[slipway.EnvironmentInfo], error) {
	all, err := a.Records.EnvironmentNames(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Name == in.Environment {
			return found(a.members(ctx, e), nil)
		}
	}
	return nil, noEnvironment(in.Environment)
}

// members leaves out of an environment the applications that the caller may not see.
func (a *api) members(ctx context.Context, e slipway.EnvironmentInfo) slipway.EnvironmentInfo {
	seen := a.sees(ctx)
	e.Applications = slices.DeleteFunc(slices.Clone(e.Applications), func(m slipway.EnvironmentMember) bool {
		return !seen(slipway.Scope{Application: m.Application, Environment: e.Name})
	})
	return e
}

func noEnvironment(name string) error {
	return slipway.Errorf(slipway.NotFound, "cannot find environment %q: no slipway.yaml that was baked names it, and nothing was deployed to it", name)
}

type stateInput struct {
	Environment string   `path:"environment"`
	Condition   []string `query:"condition" enum:"empty,healthy,degraded,unknown,down" doc:"Only clusters in one of these conditions."`
	Drifted     bool     `query:"drifted" doc:"Only clusters that are not as it was decided."`
	IfNoneMatch string   `header:"If-None-Match" hidden:"true"`
}

// snapshot is a state with its JSON.
type snapshot struct {
	state slipway.EnvironmentState
	json  []byte
	tag   string
}

func (a *api) environmentState(ctx context.Context, in *stateInput) (*huma.StreamResponse, error) {
	s, err := a.states.get(ctx, in.Environment, func(ctx context.Context) (snapshot, error) {
		state, err := a.regard(ctx, slipway.Cluster{Environment: in.Environment})
		if err != nil {
			return snapshot{}, err
		}
		return encoded(state)
	})
	seen := a.sees(ctx)
	if err == nil && (in.Drifted || len(in.Condition) > 0 || !seen(slipway.Scope{Application: slipway.Everywhere, Environment: in.Environment})) {
		s, err = encoded(overview.Only(s.state, func(c slipway.ClusterState) bool {
			return seen(slipway.Scope(c.Cluster)) && (!in.Drifted || len(c.Drift) > 0) && (len(in.Condition) == 0 || slices.Contains(in.Condition, string(c.Condition)))
		}))
	}
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("ETag", s.tag)
		c.SetHeader("Cache-Control", "private, no-cache")
		if matches(in.IfNoneMatch, s.tag) {
			c.SetStatus(http.StatusNotModified)
			return
		}
		c.SetHeader("Content-Type", "application/json")
		c.SetHeader("Content-Length", strconv.Itoa(len(s.json)))
		_, _ = c.BodyWriter().Write(s.json) // the client may be gone
	}}, nil
}

func encoded(state slipway.EnvironmentState) (snapshot, error) {
	text, err := json.Marshal(state)
	return snapshot{state, text, tagOf(text)}, err
}

func (a *api) clusterState(ctx context.Context, in *clusterInput) (*output[slipway.ClusterState], error) {
	cluster := slipway.Cluster{Application: in.Application, Environment: in.Environment}
	state, err := a.regard(ctx, cluster)
	if err != nil {
		return nil, err
	}
	s := state.Clusters[0]
	s.Next.Restrictions = append(slices.Clone(state.Restrictions), s.Next.Restrictions...)
	return found(s, nil)
}

// regard puts together what is known of an environment, or of one cluster: a bounded number of questions, however much there is. NotFound if
// there is nothing.
func (a *api) regard(ctx context.Context, cluster slipway.Cluster) (slipway.EnvironmentState, error) {
	all, err := a.Provider.ServerGroups(ctx)
	if err != nil {
		return slipway.EnvironmentState{}, err
	}
	facts := overview.Facts{Cluster: cluster, Now: time.Now()}
	var names []string
	var images []slipway.Digest
	seen := map[slipway.Digest]bool{}
	for _, g := range all {
		if !matchesCluster(cluster.Application, cluster.Environment, g.Cluster) {
			continue
		}
		facts.Groups = append(facts.Groups, g)
		names = append(names, g.Name)
		if !seen[g.Image] {
			seen[g.Image] = true
			images = append(images, g.Image)
		}
	}
	if facts.Records, err = a.Records.EnvironmentRecords(ctx, cluster, names, images); err != nil {
		return slipway.EnvironmentState{}, err
	}
	if facts.Restrictions, err = a.Store.Restrictions(ctx); err != nil {
		return slipway.EnvironmentState{}, err
	}
	if a.Approvals != nil {
		filter := slipway.ApprovalFilter{Application: cluster.Application, Environment: cluster.Environment, Pending: true}
		if facts.Approvals, err = a.Approvals.ListApprovals(ctx, filter, 0); err != nil {
			return slipway.EnvironmentState{}, err
		}
	}
	if facts.Pools, err = a.poolsOf(ctx, facts.Records.Routes); err != nil {
		facts.Blind = slipway.MessageOf(err) // the rest is worth showing, the more so when the load balancer is in trouble
		a.Log.Warn("cannot read the load balancers", "environment", cluster.Environment, "error", err)
	}
	state, known := overview.Environment(facts)
	switch {
	case known:
		return state, nil
	case cluster.Application != "":
		return state, slipway.Errorf(slipway.NotFound, "cannot find cluster %s: no slipway.yaml that was baked names it, and nothing was deployed to it", cluster)
	}
	return state, noEnvironment(cluster.Environment)
}

// poolsOf returns the pools of the routes, by the load balancers' names; without those that have no listener.
func (a *api) poolsOf(ctx context.Context, routes map[string]slipway.Route) (map[string]slipway.PoolStatus, error) {
	if at, ok := a.Pools.(AllPools); ok && len(routes) > 1 {
		return at.Pools(ctx)
	}
	pools := map[string]slipway.PoolStatus{}
	for _, r := range routes {
		switch pool, err := a.Pools.Pool(ctx, r.Cluster.String()); slipway.CodeOf(err) {
		case "":
			pools[r.Cluster.String()] = pool
		case slipway.NotFound:
		default:
			return nil, err
		}
	}
	return pools, nil
}

// whole answers 200 with a T that is encoded already, and sees to its tag itself.
func whole[T, I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{
		status: http.StatusOK, errors: []int{http.StatusNotFound}, types: []string{"application/json"}, item: reflect.TypeFor[T](), tells: true,
	})
}
