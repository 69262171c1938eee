package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// tolerance is by how many percent the load balancer's shares may differ from what was decided: it divides whole weights among machines.
const tolerance = 3

// drift adds what is not as it was decided. While a deployment is under way only what no deployment intends is drift.
func (c *cluster) drift(s *slipway.ClusterState, policy slipway.Environment, planned bool, serving *slipway.ServerGroup, route slipway.Route, routed bool, pool slipway.PoolStatus, pooled bool) {
	add := func(kind slipway.DriftKind, group, format string, args ...any) {
		s.Drift = append(s.Drift, slipway.Drift{Kind: kind, Group: group, Message: fmt.Sprintf(format, args...)})
	}
	for _, g := range c.groups {
		if len(g.Instances) == 0 && g.Size.Desired == 0 {
			continue // kept for a rollback
		}
		image := c.image(g.Image)
		switch {
		case image.Revoked != nil:
			add(slipway.DriftRevoked, g.Name, "image %s is revoked: %s", named(image), image.Revoked.Reason)
		case image.State == slipway.ImageFailed:
			add(slipway.DriftFailed, g.Name, "the tests of image %s failed", named(image))
		}
		otherImage, otherConfig, tainted, where := 0, 0, 0, ""
		for _, i := range g.Instances {
			if i.Image != g.Image {
				otherImage++
			}
			if i.ConfigVersion != g.ConfigVersion {
				otherConfig++
			}
			if i.Taint != nil {
				if tainted++; where == "" {
					where = i.ID + " wrote to " + i.Taint.Path
				}
			}
		}
		if otherImage > 0 {
			add(slipway.DriftImage, g.Name, "%d of its %d machines are of another image than the server group", otherImage, len(g.Instances))
		}
		if otherConfig > 0 {
			add(slipway.DriftConfig, g.Name, "%d of its %d machines have another version of the service configuration than the server group, which has %d", otherConfig, len(g.Instances), g.ConfigVersion)
		}
		if tainted > 0 {
			add(slipway.DriftTainted, g.Name, "%d of its %d machines are not what was baked any more: %s", tainted, len(g.Instances), where)
		}
	}
	if slices.ContainsFunc(c.open, func(d slipway.Deployment) bool { return d.State != slipway.DeploymentQueued }) || serving == nil {
		return
	}
	if s.Placed != nil && s.Placed.Image != serving.Image {
		add(slipway.DriftImage, serving.Name, "it is of image %s, and deployment %s put %s there", serving.Image.Short(), s.Placed.Deployment, s.Placed.Image.Short())
	}
	if routed {
		c.balancer(add, serving.Name, route, pool, pooled)
	}
	if !planned {
		if c.facts.Records.Known[c.name.Application] {
			add(slipway.DriftRemoved, serving.Name, "the newest slipway.yaml of %s has no environment %s", c.name.Application, c.name.Environment)
		}
		return
	}
	if want := defaulted(policy.Size); want != serving.Size {
		add(slipway.DriftSize, serving.Name, "slipway.yaml wants %s, and it has %s", sizeText(want), sizeText(serving.Size))
	}
	if keys := differing(policy.Config, serving.Config); len(keys) > 0 {
		add(slipway.DriftConfig, serving.Name, "slipway.yaml has other values of %s than run", strings.Join(keys, ", "))
	}
	if policy.Limits != serving.Limits {
		add(slipway.DriftLimits, serving.Name, "slipway.yaml has other limits of CPU, memory or processes than run")
	}
}

// balancer compares what the load balancer does with what was decided.
func (c *cluster) balancer(add func(slipway.DriftKind, string, string, ...any), serving string, route slipway.Route, pool slipway.PoolStatus, pooled bool) {
	switch {
	case c.facts.Blind != "":
		return // nothing is known
	case !pooled:
		add(slipway.DriftLoadBalancer, serving, "it should listen on port %d, and does not", route.Port)
		return
	case pool.Port != route.Port:
		add(slipway.DriftLoadBalancer, serving, "it listens on port %d, and should on %d", pool.Port, route.Port)
	}
	decided, real := shares(route, slipway.PoolStatus{}, false), shares(route, pool, true)
	for _, group := range sortedKeys(decided, real) {
		want, has := decided[group], real[group]
		if off := want.percent - has.percent; off > tolerance || off < -tolerance {
			add(slipway.DriftLoadBalancer, group, "it gets %d %% of the traffic, and should get %d %%", has.percent, want.percent)
		}
	}
}

func sortedKeys(maps ...map[string]share) []string {
	var all []string
	for _, m := range maps {
		for name := range m {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// differing returns the keys of want that have lacks, or has another value of. have may have more: what is configured for the service beside
// slipway.yaml.
func differing(want, have map[string]string) []string {
	var keys []string
	for key, value := range want {
		if got, ok := have[key]; !ok || got != value {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func defaulted(s slipway.Size) slipway.Size {
	if s == (slipway.Size{}) {
		return slipway.Size{Min: 1, Desired: 1, Max: 1}
	}
	return s
}

func sizeText(s slipway.Size) string {
	if s.Min == s.Desired && s.Desired == s.Max {
		return fmt.Sprintf("%d machines", s.Desired)
	}
	return fmt.Sprintf("%d to %d machines, %d now", s.Min, s.Max, s.Desired)
}

func named(i slipway.RunningImage) string { return cmp.Or(i.Version, i.Digest.Short()) }
