package deploy

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

// maxHistory is how many deployments of a cluster are looked back on.
const maxHistory = 1000

// history is the deployments of one cluster, newest first. Where a cluster stands and where it came from is read from these
// records and never guessed from the names of groups.
type history []slipway.Deployment

func readHistory(ctx context.Context, store slipway.Store, cluster slipway.Cluster) (history, error) {
	return store.Deployments(ctx, cluster, maxHistory)
}

// maker returns the deployment that made the group.
func (h history) maker(group string) (slipway.Deployment, bool) {
	for _, d := range h {
		if d.Target == group && (d.Kind == slipway.KindDeploy || d.Clone != "") {
			return d, true
		}
	}
	return slipway.Deployment{}, false
}

// lineage returns the groups that rolling back again and again from the group leads to: the source of the deployment that
// made it, the source of that one's, and so on. A clone has the lineage of its original, so that what was rolled back is in nobody's.
func (h history) lineage(group string) []string {
	var line []string
	for range h { // bounds the walk even if the records go round
		d, ok := h.maker(group)
		switch {
		case !ok:
			return line
		case d.Clone != "":
			group = d.Clone
		case d.Source == "":
			return line
		default:
			group = d.Source
			line = append(line, group)
		}
	}
	return line
}

// last returns the target of the last deployment that succeeded and had its target serve.
func (h history) last() string {
	for _, d := range h {
		if d.State == slipway.DeploymentSucceeded && took(d) {
			return d.Target
		}
	}
	return ""
}

// took reports whether the deployment, if it succeeds, has its target take over.
func took(d slipway.Deployment) bool {
	return d.Target != "" && (d.Kind == slipway.KindRollback || d.Environment.Strategy.Name() != slipway.StrategyNone)
}

// Serving returns the group that serves the cluster, "" if none does.
func Serving(ctx context.Context, store slipway.Store, cluster slipway.Cluster) (string, error) {
	group, _, err := serving(ctx, store, cluster)
	return group, err
}

// serving returns the group that serves the cluster, "" if none does, and the route as it was decided last, nil if there is none.
// Behind a load balancer the group that serves is the one with the traffic, without one the target of the last deployment
// that succeeded.
func serving(ctx context.Context, store slipway.Store, cluster slipway.Cluster) (string, *slipway.Route, error) {
	var decided *slipway.Route
	route, err := store.Route(ctx, cluster)
	switch {
	case err == nil:
		if group := active(route); group != "" {
			return group, &route, nil
		}
		decided = &route
	case slipway.CodeOf(err) != slipway.NotFound:
		return "", nil, err
	}
	h, err := readHistory(ctx, store, cluster)
	return h.last(), decided, err
}

// active returns the group with the traffic, the one with most of it if there are several, "" if none has it.
func active(route slipway.Route) string {
	name, most := "", 0
	for _, g := range route.Groups {
		if weight := cmp.Or(g.Weight, 100); g.Mode == slipway.Active && weight > most {
			name, most = g.Group, weight
		}
	}
	return name
}

// serves reports whether the route gives the group traffic.
func serves(route slipway.Route, group string) bool {
	return slices.ContainsFunc(route.Groups, func(g slipway.GroupRoute) bool { return g.Group == group && g.Mode == slipway.Active })
}
