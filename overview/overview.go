// Package overview says how an environment is: it puts together what the records tell, what the provider sees and what the load balancers do.
// It asks nobody, and so decides the same whenever it is given the same.
package overview

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// Facts are what is known of an environment, or of one cluster of it.
type Facts struct {
	Cluster      slipway.Cluster       // Application is "" for all
	Groups       []slipway.ServerGroup // of the environment, as the provider has them now
	Records      slipway.EnvironmentRecords
	Pools        map[string]slipway.PoolStatus // by name: those of the load balancers that have a listener
	Blind        string                        // why the load balancers cannot be looked at; "" if they can
	Restrictions []slipway.Restriction         // of any cluster, whether in force or not
	Approvals    []slipway.Approval            // that wait, of any cluster
	Now          time.Time
}

// Environment returns the state of the environment. known is whether there is anything of it at all.
func Environment(f Facts) (state slipway.EnvironmentState, known bool) {
	state = slipway.EnvironmentState{Environment: f.Cluster.Environment, Condition: slipway.ConditionEmpty, Clusters: []slipway.ClusterState{}}
	groups := map[string][]slipway.ServerGroup{}
	names := map[string]bool{}
	for _, g := range f.Groups {
		groups[g.Cluster.Application] = append(groups[g.Cluster.Application], g)
		names[g.Cluster.Application] = true
	}
	open := map[string][]slipway.Deployment{}
	for _, d := range f.Records.Open {
		open[d.Cluster.Application] = append(open[d.Cluster.Application], d)
		names[d.Cluster.Application] = true
	}
	for name := range f.Records.Policies {
		names[name] = true
	}
	for name := range f.Records.Routes {
		names[name] = true
	}
	for name := range f.Records.Last {
		names[name] = true
	}
	approvals := map[string][]slipway.Approval{}
	for _, a := range f.Approvals {
		if a.Environment == f.Cluster.Environment {
			approvals[a.Application] = append(approvals[a.Application], a)
		}
	}
	mine := map[string][]slipway.Restriction{}
	for _, r := range f.Restrictions {
		switch {
		case !r.Holds(f.Now), r.Cluster.Environment != "" && r.Cluster.Environment != f.Cluster.Environment:
		case r.Cluster.Application == "":
			state.Restrictions = append(state.Restrictions, r)
		default:
			mine[r.Cluster.Application] = append(mine[r.Cluster.Application], r)
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		if f.Cluster.Application == "" || name == f.Cluster.Application {
			sorted = append(sorted, name)
		}
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		c := cluster{facts: &f, name: slipway.Cluster{Application: name, Environment: f.Cluster.Environment}, groups: groups[name], open: open[name]}
		s := c.state()
		s.Next.Approvals, s.Next.Restrictions = approvals[name], mine[name]
		state.Clusters = append(state.Clusters, s)
	}
	sum(&state)
	return state, len(state.Clusters) > 0
}

// sum fills in what is said of all clusters together.
func sum(state *slipway.EnvironmentState) {
	for _, s := range state.Clusters {
		if slices.Index(slipway.Conditions, s.Condition) > slices.Index(slipway.Conditions, state.Condition) {
			state.Condition = s.Condition
		}
		for _, g := range s.Groups {
			state.Machines += g.Machines
			state.Healthy += g.Healthy
		}
		if len(s.Drift) > 0 {
			state.Drifted++
		}
		state.UnderWay += len(s.Next.Deployments)
	}
}

// Only returns the state with only those clusters that want selects.
func Only(state slipway.EnvironmentState, want func(slipway.ClusterState) bool) slipway.EnvironmentState {
	some := slipway.EnvironmentState{
		Environment: state.Environment, Condition: slipway.ConditionEmpty, Restrictions: state.Restrictions, Clusters: []slipway.ClusterState{},
	}
	for _, s := range state.Clusters {
		if want(s) {
			some.Clusters = append(some.Clusters, s)
		}
	}
	sum(&some)
	return some
}

// cluster is one cluster of the environment.
type cluster struct {
	facts  *Facts
	name   slipway.Cluster
	groups []slipway.ServerGroup
	open   []slipway.Deployment
}

func (c *cluster) state() slipway.ClusterState {
	policy, planned := c.facts.Records.Policies[c.name.Application]
	s := slipway.ClusterState{
		Cluster: c.name, Account: cmp.Or(policy.Account, slipway.DefaultAccount), Groups: []slipway.GroupState{}, Drift: []slipway.Drift{},
	}
	slices.SortFunc(c.groups, func(a, b slipway.ServerGroup) int {
		na, _ := slipway.GroupNumber(a.Name)
		nb, _ := slipway.GroupNumber(b.Name)
		return cmp.Compare(nb, na)
	})
	route, routed := c.facts.Records.Routes[c.name.Application]
	pool, pooled := c.facts.Pools[c.name.String()]
	traffic := shares(route, pool, pooled)
	for _, g := range c.groups {
		s.Groups = append(s.Groups, slipway.GroupState{
			Name: g.Name, Image: c.image(g.Image), Size: g.Size, Machines: len(g.Instances), Healthy: g.Healthy(), Traffic: traffic[g.Name].percent,
			Mode: traffic[g.Name].mode, Replaced: g.Replaced, Created: g.Created, Trouble: g.Trouble,
		})
	}
	if routed {
		s.LoadBalancer = &slipway.Listener{Name: c.name.String(), Address: route.Address, Port: route.Port, Trouble: c.facts.Blind}
	}
	if s.Serving = route.Serving(); s.Serving == "" {
		s.Serving = c.settled()
	}
	serving := c.group(s.Serving)
	if serving != nil {
		image := c.image(serving.Image)
		s.Image = &image
	}
	if p, ok := c.facts.Records.Placed[s.Serving]; ok {
		s.Placed = &p
	}
	if last, ok := c.facts.Records.Last[c.name.Application]; ok && last.State != slipway.DeploymentSucceeded {
		s.Failed = &last
	}
	s.Next.Deployments = c.next()
	s.Condition, s.Reason = c.condition(s.Serving, serving, routed, pool, pooled)
	c.drift(&s, policy, planned, serving, route, routed, pool, pooled)
	return s
}

// condition says how the cluster is, and why.
func (c *cluster) condition(name string, serving *slipway.ServerGroup, routed bool, pool slipway.PoolStatus, pooled bool) (slipway.Condition, string) {
	switch {
	case serving == nil && name == "":
		if len(c.groups) > 0 && len(c.open) == 0 {
			return slipway.ConditionDown, "no server group gets traffic"
		}
		return slipway.ConditionEmpty, "nothing was deployed yet"
	case serving == nil:
		return slipway.ConditionDown, name + " gets the traffic, and does not exist"
	case serving.Size.Desired == 0:
		return slipway.ConditionEmpty, name + " is to have no machines"
	}
	healthy := serving.Healthy()
	why := fmt.Sprintf("%d of %d machines of %s are healthy", healthy, serving.Size.Desired, name)
	if serving.Trouble != "" {
		why += ": " + serving.Trouble
	}
	switch {
	case healthy == 0:
		return slipway.ConditionDown, why
	case routed && c.facts.Blind != "":
		return slipway.ConditionUnknown, "the load balancer cannot be looked at: " + c.facts.Blind
	case routed && !pooled:
		return slipway.ConditionDown, "the load balancer does not listen"
	case routed && !slices.ContainsFunc(pool.Targets, func(t slipway.TargetStatus) bool { return t.Up && t.Mode != slipway.Off }):
		return slipway.ConditionDown, "the load balancer has no machine that is up"
	case healthy < serving.Size.Desired:
		return slipway.ConditionDegraded, why
	}
	return slipway.ConditionHealthy, ""
}

// settled returns the group that the last deployment which succeeded has led to, of those that are there.
func (c *cluster) settled() string {
	var name string
	var since time.Time
	for _, g := range c.groups {
		if p, ok := c.facts.Records.Placed[g.Name]; ok && (name == "" || p.Since.After(since)) {
			name, since = g.Name, p.Since
		}
	}
	return name
}

func (c *cluster) group(name string) *slipway.ServerGroup {
	for i, g := range c.groups {
		if g.Name == name {
			return &c.groups[i]
		}
	}
	return nil
}

func (c *cluster) image(digest slipway.Digest) slipway.RunningImage {
	if i, ok := c.facts.Records.Images[digest]; ok {
		return i
	}
	return slipway.RunningImage{Digest: digest}
}

// next returns what is under way, and then what waits: a hotfix before all else, then first come, first served.
func (c *cluster) next() []slipway.NextDeployment {
	order := func(d slipway.Deployment) int {
		switch {
		case d.State != slipway.DeploymentQueued:
			return 0
		case d.Hotfix:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(c.open, func(a, b slipway.Deployment) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	var all []slipway.NextDeployment
	for _, d := range c.open {
		all = append(all, slipway.NextDeployment{Placement: slipway.PlacementOf(d), Step: d.Step, Weight: d.Weight, Waiting: d.Waiting, Paused: d.Paused})
	}
	return all
}

// share is a group's part of the traffic.
type share struct {
	percent int
	mode    slipway.TargetMode
}

// shares returns what the groups get: as the load balancer has it, or, where that cannot be looked at, as it was decided.
func shares(route slipway.Route, pool slipway.PoolStatus, pooled bool) map[string]share {
	weights, modes, all := map[string]int{}, map[string]slipway.TargetMode{}, 0
	add := func(group string, mode slipway.TargetMode, weight int) {
		if rank(mode) > rank(modes[group]) {
			modes[group] = mode
		}
		if mode == slipway.Active {
			weights[group] += weight
			all += weight
		}
	}
	if pooled {
		for _, t := range pool.Targets {
			if t.Up || t.Mode != slipway.Active {
				add(t.Group, t.Mode, t.Weight)
			}
		}
	} else {
		for _, g := range route.Groups {
			add(g.Group, g.Mode, cmp.Or(g.Weight, 100))
		}
	}
	result := map[string]share{}
	for group, mode := range modes {
		percent := 0
		if all > 0 {
			percent = (weights[group]*100 + all/2) / all
		}
		result[group] = share{percent, mode}
	}
	return result
}

func rank(m slipway.TargetMode) int {
	return slices.Index([]slipway.TargetMode{"", slipway.Off, slipway.Standby, slipway.Active}, m)
}
