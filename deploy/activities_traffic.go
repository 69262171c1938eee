package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// pollEvery is how often the load balancer's counters are read while a group is watched.
const pollEvery = 200 * time.Millisecond

// proveWithin is how long the data plane may take to show that traffic has moved.
const proveWithin = 15 * time.Second

// Baseline is what the target was like when it got its traffic. What differs later went wrong under it.
type Baseline struct {
	Time      time.Time
	Instances []string
	Replaced  int
	Epoch     string  // of the counters
	Target    Counted // before it got traffic
	Source    Counted // while it had it
}

// ShiftTraffic verifies that all of the target is healthy now, gives it all traffic, and lets the source stand by if it had it before.
// It returns what the target is like then.
func (a *Activities) ShiftTraffic(ctx context.Context, d slipway.Deployment) (Baseline, error) {
	var base Baseline
	if err := a.step(ctx, d); err != nil {
		return base, err
	}
	if err := a.verify(ctx, d.Target); err != nil {
		return base, err
	}
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return base, err
	}
	base.Replaced = group.Replaced
	for _, instance := range group.Instances {
		base.Instances = append(base.Instances, instance.ID)
	}
	if d.Environment.LoadBalancer != nil {
		if err := a.Traffic.SetRoute(ctx, served(d, slipway.Standby)); err != nil {
			return base, err
		}
		pool, err := a.Router.Pool(ctx, d.Cluster.String())
		if err != nil {
			return base, err
		}
		base.Epoch, base.Target, base.Source = pool.Epoch, count(pool, d.Target), count(pool, d.Source)
	}
	base.Time = time.Now()
	return base, nil
}

// ProveTraffic returns the time at which the data plane showed that all traffic is on the target.
func (a *Activities) ProveTraffic(ctx context.Context, d slipway.Deployment) (time.Time, error) {
	if err := a.step(ctx, d); err != nil {
		return time.Time{}, err
	}
	proof, err := a.Traffic.Prove(ctx, d.Cluster, d.Target, proveWithin)
	if err != nil {
		return time.Time{}, err
	}
	d.Shifted = time.Now()
	if err := a.Store.PutDeployment(ctx, d); err != nil {
		return time.Time{}, err
	}
	a.publish(ctx, d, slipway.DeploymentShifted, fmt.Sprintf("all traffic is on %s: it got all of %d requests counted", d.Target, proof.Requests), true)
	return d.Shifted, nil
}

// WatchTarget returns nil at d.Deadline, or a Failed error as soon as a machine of the target is lost or, behind a load balancer, is
// down there, leaves a request without an answer, or fails more requests than [Counted.tolerates] of. It looks at least
// once, even if slipwayd was down until after the deadline.
func (a *Activities) WatchTarget(ctx context.Context, d slipway.Deployment, base Baseline) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	signals, ticks, end := a.Provider.Watch(watching), time.NewTicker(pollEvery), time.NewTimer(time.Until(d.Deadline))
	defer ticks.Stop()
	defer end.Stop()
	for over := false; ; {
		if err := a.wrong(ctx, d, base); err != nil {
			if slipway.CodeOf(err) == slipway.Failed {
				a.publish(ctx, d, slipway.DeploymentStep, gist(slipway.MessageOf(err)), false)
			}
			return err
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-signals:
			if !open {
				signals = nil
			}
		case <-ticks.C:
		case <-end.C:
			over = true
		}
	}
}

// SettleTarget verifies the target once more, takes the source out of service, where it finishes what is under way on it, and
// empties the ledger.
func (a *Activities) SettleTarget(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	if err := a.verify(ctx, d.Target); err != nil {
		return err
	}
	if d.Environment.LoadBalancer != nil {
		if err := a.Traffic.SetRoute(ctx, served(d, slipway.Off)); err != nil {
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

// RestoreRoute takes an UndoRestoreRoute back: when the source is verified to be able to serve, traffic returns to it, and that is proved.
// A source that has lost machines meanwhile is given time to replace them; until then the target keeps the traffic and the
// load balancer itself falls back on the source while no machine of the target is up.
func (a *Activities) RestoreRoute(ctx context.Context, d slipway.Deployment, undo slipway.Undo) (err error) {
	defer persist(&err)
	a.tell(ctx, d)
	now, err := a.Store.Route(ctx, d.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil // it failed before anything was shifted
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(now.Groups, func(g slipway.GroupRoute) bool { return g.Group == d.Target }) {
		// It failed before anything was shifted, or an earlier try restored the route, and the load balancer may not have heard of it.
		return a.Traffic.SetRoute(ctx, now)
	}
	source := active(*undo.Route)
	if source == "" {
		return a.Traffic.SetRoute(ctx, *undo.Route)
	}
	group, err := a.Provider.ServerGroup(ctx, source)
	if err != nil {
		return err
	}
	if _, err := check.Recovered(ctx, a.Provider, source, max(1, group.Size.Min), time.Now().Add(recovery)); err != nil {
		return err
	}
	route := *undo.Route
	if slices.ContainsFunc(d.Undo, func(u slipway.Undo) bool { return u.Kind == slipway.UndoDestroyGroup }) {
		// The target stays in the pool until what is under way on it is finished; [Activities.DestroyGroup] takes it out.
		route.Groups = append(slices.Clone(route.Groups), slipway.GroupRoute{Group: d.Target, Mode: slipway.Off, Weight: 100})
	}
	if err := a.Traffic.SetRoute(ctx, route); err != nil {
		return err
	}
	_, err = a.Traffic.Prove(ctx, d.Cluster, source, proveWithin)
	return err
}

// wrong returns a Failed error if the target is worse now than base.
func (a *Activities) wrong(ctx context.Context, d slipway.Deployment, base Baseline) error {
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Errorf(slipway.Failed, "%s is gone", d.Target)
	}
	if err != nil {
		return err
	}
	if err := a.lost(ctx, group, base); err != nil || d.Environment.LoadBalancer == nil {
		return err
	}
	pool, err := a.Router.Pool(ctx, d.Cluster.String())
	if err != nil {
		return err
	}
	for _, target := range pool.Targets {
		if target.Group == d.Target && !target.Up {
			return slipway.Errorf(slipway.Failed, "machine %s of %s is down for the load balancer", target.Instance, d.Target)
		}
	}
	now := count(pool, d.Target)
	if pool.Epoch == base.Epoch { // otherwise the counters began again
		now = now.since(base.Target)
	}
	if now.Broken > 0 {
		return slipway.Errorf(slipway.Failed, "%s left %d of %d requests without an answer", d.Target, now.Broken, now.Requests)
	}
	if !base.Source.tolerates(now) {
		return slipway.Errorf(slipway.Failed, "%s failed %d of %d requests%s", d.Target, now.Failed, now.Requests, base.Source.compared(d.Source))
	}
	return nil
}

// lost returns a Failed error, with the last lines of its log, if a machine that was there at base is not, or not healthy.
func (a *Activities) lost(ctx context.Context, group slipway.ServerGroup, base Baseline) error {
	for _, id := range base.Instances {
		i := slices.IndexFunc(group.Instances, func(i slipway.Instance) bool { return i.ID == id })
		if i >= 0 && group.Instances[i].State == slipway.InstanceHealthy {
			continue
		}
		now := "is gone"
		if i >= 0 {
			now = fmt.Sprintf("is %s", group.Instances[i].State)
			if reason := group.Instances[i].Reason; reason != "" {
				now += " (" + reason + ")"
			}
		}
		return slipway.Errorf(slipway.Failed, "machine %s of %s %s under traffic%s", id, group.Name, now, check.Tail(ctx, a.Provider, id))
	}
	if group.Replaced > base.Replaced {
		return slipway.Errorf(slipway.Failed, "a machine of %s was replaced under traffic", group.Name)
	}
	return nil
}

// served returns the route with all traffic on the target, and the source in the given mode if it had the traffic before.
func served(d slipway.Deployment, source slipway.TargetMode) slipway.Route {
	route := slipway.Route{
		Cluster: d.Cluster, Address: d.Environment.LoadBalancer.Address, Port: d.Environment.LoadBalancer.Port,
		Groups: []slipway.GroupRoute{{Group: d.Target, Mode: slipway.Active, Weight: 100}},
	}
	for _, u := range d.Undo {
		if u.Kind == slipway.UndoRestoreRoute && active(*u.Route) == d.Source && d.Source != "" {
			route.Groups = append(route.Groups, slipway.GroupRoute{Group: d.Source, Mode: source, Weight: 100})
		}
	}
	return route
}

// leave waits until nothing is under way on groups, for as long as their services say at most, and takes every group out of the
// cluster's route that gets no traffic.
func (a *Activities) leave(ctx context.Context, cluster slipway.Cluster, groups ...slipway.ServerGroup) error {
	route, err := a.Store.Route(ctx, cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, group := range groups {
		within, cancel := context.WithTimeout(ctx, group.Service.Drain.Or(defaultDrain))
		err := a.Traffic.Drained(within, cluster, group.Name)
		late := within.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !late {
			return err
		}
	}
	off := func(g slipway.GroupRoute) bool { return g.Mode == slipway.Off }
	if !slices.ContainsFunc(route.Groups, off) {
		return nil
	}
	route.Groups = slices.DeleteFunc(route.Groups, off)
	return a.Traffic.SetRoute(ctx, route)
}

// defaultDrain is how long requests under way are left to finish when the service does not say.
const defaultDrain = 10 * time.Second

// closed returns the route of a cluster that has no listener.
func closed(c slipway.Cluster) slipway.Route {
	return slipway.Route{Cluster: c, Groups: []slipway.GroupRoute{}}
}
