package deploy

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// proveWithin is how long the data plane may take to show that traffic has moved.
const proveWithin = 15 * time.Second

// defaultDrain is how long requests under way are left to finish when the service does not say.
const defaultDrain = 10 * time.Second

// Baseline is what the target was like when it got its traffic. What differs later went wrong under it.
type Baseline struct {
	Time      time.Time
	Instances []string
	Replaced  int
	Pool      slipway.PoolStatus // its counters
	Source    Counted            // what the source had done until then
}

// ShiftTraffic verifies that all that is to have traffic is healthy now, and has the load balancer follow the split. It returns what
// the target is like then.
func (a *Activities) ShiftTraffic(ctx context.Context, d slipway.Deployment, split []slipway.GroupRoute) (Baseline, error) {
	if err := a.step(ctx, d); err != nil {
		return Baseline{}, err
	}
	release, err := a.Turns.take(ctx, d.Cluster)
	if err != nil {
		return Baseline{}, err
	}
	defer release()
	for _, g := range split {
		// Of the source at least what the guard wants is there: it is what serves now.
		if g.Mode == slipway.Active && g.Group != d.Source {
			if err := a.verify(ctx, g.Group); err != nil {
				return Baseline{}, err
			}
		}
	}
	if d.Environment.LoadBalancer != nil {
		if err := a.guardSplit(ctx, d, split); err != nil {
			return Baseline{}, err
		}
		if d.Weight < 100 { // it may grow, and what is added to it has yet to be checked
			if err := a.confine(ctx, d, split); err != nil {
				return Baseline{}, err
			}
		}
		if err := a.Traffic.SetRoute(ctx, routed(d, split)); err != nil {
			return Baseline{}, err
		}
	}
	return a.baseline(ctx, d)
}

// confine has only those machines of the target get traffic that are there, healthy and checked, now.
func (a *Activities) confine(ctx context.Context, d slipway.Deployment, split []slipway.GroupRoute) error {
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return gone(err, d.Target)
	}
	for i := range split {
		if split[i].Group != d.Target {
			continue
		}
		split[i].Machines = nil
		for _, instance := range group.Instances {
			if instance.State == slipway.InstanceHealthy {
				split[i].Machines = append(split[i].Machines, instance.ID)
			}
		}
	}
	return nil
}

// baseline returns what the target is like now.
func (a *Activities) baseline(ctx context.Context, d slipway.Deployment) (Baseline, error) {
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return Baseline{}, err
	}
	base := Baseline{Time: a.now(), Replaced: group.Replaced}
	for _, instance := range group.Instances {
		if instance.State == slipway.InstanceHealthy {
			base.Instances = append(base.Instances, instance.ID)
		}
	}
	if d.Environment.LoadBalancer == nil {
		return base, nil
	}
	base.Pool, err = a.Router.Pool(ctx, d.Cluster.String())
	if slipway.CodeOf(err) == slipway.NotFound {
		return base, nil
	}
	base.Source = count(base.Pool, d.Source)
	return base, err
}

// SettleTarget verifies the target once more, takes the source out of service, where it finishes what is under way on it, and
// empties the ledger.
func (a *Activities) SettleTarget(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	release, err := a.Turns.take(ctx, d.Cluster)
	if err != nil {
		return err
	}
	defer release()
	if err := a.spare(ctx, d, d.Source); err != nil {
		return err
	}
	if d.Environment.LoadBalancer != nil {
		split := []slipway.GroupRoute{{Group: d.Target, Mode: slipway.Active, Weight: 100}}
		for _, u := range d.Undo {
			if u.Kind == slipway.UndoRestoreRoute && d.Source != "" && serves(*u.Route, d.Source) {
				split = append(split, slipway.GroupRoute{Group: d.Source, Mode: slipway.Off, Weight: 100})
			}
		}
		if err := a.Traffic.SetRoute(ctx, routed(d, split)); err != nil {
			return err
		}
	} else if route, err := a.Store.Route(ctx, d.Cluster); err == nil && len(route.Groups) > 0 { // it had a load balancer until now
		if err := a.Traffic.SetRoute(ctx, closed(d.Cluster)); err != nil {
			return err
		}
	}
	d.Undo = []slipway.Undo{}
	return a.Store.PutDeployment(ctx, d)
}

// Restoration says what giving the traffic back takes.
type Restoration struct {
	Group string // that is to serve; "" if nothing did
	Need  int    // of its machines must be healthy first; 0: nothing is waited for
	Split bool   // several groups had traffic
}

// PlanRestoration looks at what giving the traffic back takes.
func (a *Activities) PlanRestoration(ctx context.Context, d slipway.Deployment, undo slipway.Undo) (plan Restoration, err error) {
	defer persist(&err)
	a.tell(ctx, d)
	now, err := a.Store.Route(ctx, d.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return plan, nil // it failed before anything was shifted
	}
	if err != nil || !a.moved(now, d) {
		return plan, err
	}
	actives := 0
	for _, g := range undo.Route.Groups {
		if g.Mode == slipway.Active {
			actives++
		}
	}
	plan.Group, plan.Split = active(*undo.Route), actives > 1
	if plan.Group == "" {
		return plan, nil
	}
	group, err := a.Provider.ServerGroup(ctx, plan.Group)
	if slipway.CodeOf(err) == slipway.NotFound { // the target keeps it, which is better than nobody
		return plan, slipway.Errorf(slipway.Failed, "%s, which is to have the traffic back, is gone", plan.Group)
	}
	plan.Need = max(1, group.Size.Min)
	return plan, err
}

// RestoreRoute takes an UndoRestoreRoute back.
func (a *Activities) RestoreRoute(ctx context.Context, d slipway.Deployment, undo slipway.Undo) (err error) {
	defer persist(&err)
	a.tell(ctx, d)
	now, err := a.Store.Route(ctx, d.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if !a.moved(now, d) {
		// It failed before anything was shifted, or an earlier try restored the route, and the load balancer may not have heard of it.
		return a.Traffic.SetRoute(ctx, now)
	}
	route := *undo.Route
	for _, g := range now.Groups {
		// What was made by this deployment stays in the pool until what is under way on it is finished; DestroyGroup takes it out.
		made := slices.ContainsFunc(d.Undo, func(u slipway.Undo) bool { return u.Kind == slipway.UndoDestroyGroup && u.Group == g.Group })
		if made && active(route) != "" {
			route.Groups = append(slices.Clone(route.Groups), slipway.GroupRoute{Group: g.Group, Mode: slipway.Off, Weight: 100})
		}
	}
	return a.Traffic.SetRoute(ctx, route)
}

// moved reports whether the route is one that the deployment decided, and not the one it found.
func (a *Activities) moved(now slipway.Route, d slipway.Deployment) bool {
	return slices.ContainsFunc(now.Groups, func(g slipway.GroupRoute) bool {
		return g.Mode != slipway.Off && (g.Group == d.Target || g.Group == d.Baseline && d.Baseline != "")
	})
}

// routed returns the route with the split behind the deployment's load balancer.
func routed(d slipway.Deployment, split []slipway.GroupRoute) slipway.Route {
	b := d.Environment.LoadBalancer
	return slipway.Route{Cluster: d.Cluster, Address: b.Address, Port: b.Port, Sticky: b.Sticky, Groups: split}
}

// withdraw takes a group out of the cluster's route that gets no traffic.
func (a *Activities) withdraw(ctx context.Context, cluster slipway.Cluster, group string) error {
	route, err := a.Store.Route(ctx, cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	off := func(g slipway.GroupRoute) bool { return g.Mode == slipway.Off && g.Group == group }
	if !slices.ContainsFunc(route.Groups, off) {
		return nil
	}
	route.Groups = slices.DeleteFunc(route.Groups, off)
	return a.Traffic.SetRoute(ctx, route)
}

// closed returns the route of a cluster that has no listener.
func closed(c slipway.Cluster) slipway.Route {
	return slipway.Route{Cluster: c, Groups: []slipway.GroupRoute{}}
}
