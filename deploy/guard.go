package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/slipway-sh/slipway"
)

// minHealthy returns how many machines of the environment must serve at any time.
func minHealthy(e slipway.Environment) int {
	if !e.Policy.MinHealthy.IsZero() {
		return e.Policy.MinHealthy.Of(e.Size.Desired)
	}
	return e.Size.Min
}

// capacity returns how many machines of each group serve the cluster at this moment: those that are up and active as the load balancer sees
// them, and that nobody has taken away meanwhile. Without a load balancer every healthy machine of its groups serves.
func capacity(ctx context.Context, router slipway.Router, provider slipway.Provider, turns *Turns, cluster slipway.Cluster, balanced bool) (map[string]int, error) {
	groups, err := provider.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	serves := map[string]bool{} // as the provider sees them
	for _, g := range groups {
		for _, i := range g.Instances {
			if g.Cluster == cluster && i.State == slipway.InstanceHealthy && i.Disabled == nil && !turns.leaves(cluster, i.ID) {
				serves[i.ID] = true
			}
		}
	}
	serving := map[string]int{}
	if balanced {
		pool, err := router.Pool(ctx, cluster.String())
		if err != nil && slipway.CodeOf(err) != slipway.NotFound {
			return nil, err
		}
		for _, t := range pool.Targets {
			if t.Up && t.Mode == slipway.Active && serves[t.Instance] {
				serving[t.Group]++
			}
		}
	}
	for _, g := range groups {
		if g.Cluster != cluster {
			continue
		}
		if !balanced {
			serving[g.Name] = number(g.Instances, func(i slipway.Instance) bool { return serves[i.ID] })
		}
		if n, ok := serving[g.Name]; ok { // one that shrinks has yet to say which machines go
			serving[g.Name] = min(n, g.Size.Desired)
		}
	}
	return serving, nil
}

// guard returns a Refused error if what serves the cluster now, without so many machines of the group (-1: all of it), would be less than
// its policy allows. It reads live state, and holds for whoever asks, unless the deployment was forced, with a reason.
func (a *Activities) guard(ctx context.Context, d slipway.Deployment, group string, machines int) error {
	serving, err := capacity(ctx, a.Router, a.Provider, a.Turns, d.Cluster, d.Environment.LoadBalancer != nil)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range serving {
		total += n
	}
	removed := serving[group]
	if machines >= 0 {
		removed = min(removed, machines)
	}
	return a.judge(ctx, d, total-removed, fmt.Sprintf("without them %d machines would serve", total-removed))
}

// guardSplit is as guard for a split of the traffic: those who get none do not serve. What has none yet is counted by its own health.
func (a *Activities) guardSplit(ctx context.Context, d slipway.Deployment, split []slipway.GroupRoute) error {
	serving, err := capacity(ctx, a.Router, a.Provider, a.Turns, d.Cluster, true)
	if err != nil {
		return err
	}
	before := 0
	for _, n := range serving {
		before += n
	}
	after := 0
	for _, g := range split {
		if g.Mode != slipway.Active {
			continue
		}
		if n, ok := serving[g.Group]; ok && g.Group == d.Source {
			after += n
			continue
		}
		group, err := a.Provider.ServerGroup(ctx, g.Group)
		if err != nil {
			return gone(err, g.Group)
		}
		after += group.Ready()
	}
	if after >= before { // it is no less than now
		return nil
	}
	return a.judge(ctx, d, after, fmt.Sprintf("then %d machines would serve", after))
}

// judge refuses a step after which only so many machines serve.
func (a *Activities) judge(ctx context.Context, d slipway.Deployment, after int, saying string) error {
	least := max(1, minHealthy(d.Environment))
	if after >= least {
		return nil
	}
	if d.Forced != "" {
		a.publish(ctx, d, slipway.GuardOverridden, fmt.Sprintf("%s although %s, and want %d: %s", d.Step, saying, least, d.Forced), false)
		return nil
	}
	return slipway.Errorf(slipway.Failed, "%s would leave too little: %s, and %d must", d.Step, saying, least)
}

// Guard lets single machines and whole groups be removed by hand only as long as what serves their cluster stays enough. It reads live
// state. Its methods are safe for concurrent use and idempotent.
type Guard struct {
	Store    slipway.Store
	Bus      slipway.Bus
	Provider slipway.Provider
	Router   slipway.Router
	Traffic  Traffic
	Log      *slog.Logger

	// What people do to machines by hand takes these too.
	Marker  slipway.Marker
	Sync    func(ctx context.Context, cluster slipway.Cluster) error // makes the load balancer follow
	Configs slipway.ConfigStore
	Sizes   slipway.SizeStore
	Turns   *Turns // shared with [Activities]
}

// Terminate stops an instance; one of a server group is replaced. Refused if too few would serve until then, unless forced with a reason,
// which is recorded. nil if there is none.
func (g *Guard) Terminate(ctx context.Context, id string, force bool, reason, by string) error {
	instance, err := g.Provider.Instance(ctx, id)
	if err != nil {
		return err
	}
	if instance.Group == "" {
		if err := g.unprotected(ctx, "terminate "+id, []slipway.Instance{instance}, force, reason, by); err != nil {
			return err
		}
		return g.Provider.Terminate(ctx, id)
	}
	stay, err := g.release(ctx, instance, force, reason, by)
	if err != nil {
		return err
	}
	defer stay()
	return g.Provider.Terminate(ctx, id) // takes as long as the machine does
}

// release decides whether an instance may be terminated, and if so lets nobody count on it until stay is called.
func (g *Guard) release(ctx context.Context, instance slipway.Instance, force bool, reason, by string) (stay func(), err error) {
	group, err := g.Provider.ServerGroup(ctx, instance.Group)
	if slipway.CodeOf(err) == slipway.NotFound {
		return func() {}, nil // it goes with its group
	}
	if err != nil {
		return nil, err
	}
	release, err := g.Turns.take(ctx, group.Cluster)
	if err != nil {
		return nil, err
	}
	defer release()
	if instance, err = g.Provider.Instance(ctx, instance.ID); err != nil { // as it is now
		return nil, err
	}
	if err := g.unprotected(ctx, "terminate "+instance.ID, []slipway.Instance{instance}, force, reason, by); err != nil {
		return nil, err
	}
	if instance.State == slipway.InstanceHealthy {
		if err := g.allow(ctx, group, 1, "terminate "+instance.ID, force, reason, by); err != nil {
			return nil, err
		}
	}
	return g.Turns.leave(group.Cluster, instance.ID), nil
}

// DestroyGroup destroys a server group. Refused if too few would serve without it, unless forced with a reason, which is recorded; a Conflict
// while a deployment of its cluster is under way. nil if there is none.
func (g *Guard) DestroyGroup(ctx context.Context, name string, force bool, reason, by string) error {
	group, err := g.Provider.ServerGroup(ctx, name)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if err := g.abandon(ctx, name, group.Cluster, force, reason, by); err != nil {
		return err
	}
	return g.Provider.DestroyServerGroup(ctx, name) // takes as long as its machines do
}

// abandon decides whether a server group may be destroyed, and if so takes its traffic away.
func (g *Guard) abandon(ctx context.Context, name string, cluster slipway.Cluster, force bool, reason, by string) error {
	release, err := g.Turns.take(ctx, cluster)
	if err != nil {
		return err
	}
	defer release()
	group, err := g.Provider.ServerGroup(ctx, name) // as it is now
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	under, err := g.underWay(ctx, cluster)
	if err != nil {
		return err
	}
	if under != "" {
		return slipway.Errorf(slipway.Conflict, "cannot destroy %s: deployment %s of its cluster is under way", name, under)
	}
	if err := g.unprotected(ctx, "destroy "+name, group.Instances, force, reason, by); err != nil {
		return err
	}
	if err := g.allow(ctx, group, -1, "destroy "+name, force, reason, by); err != nil {
		return err
	}
	route, err := g.Store.Route(ctx, cluster)
	if err == nil {
		kept := closed(cluster)
		for _, r := range route.Groups {
			if r.Group != name {
				kept.Groups = append(kept.Groups, r)
			}
		}
		if active(kept) != "" {
			kept.Address, kept.Port, kept.Sticky = route.Address, route.Port, route.Sticky
		}
		if len(kept.Groups) != len(route.Groups) {
			err = g.Traffic.SetRoute(ctx, kept)
		}
	}
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	return err
}

// underWay returns the deployment of the cluster that is under way, "" if none is; those that wait for their turn are not.
func (g *Guard) underWay(ctx context.Context, cluster slipway.Cluster) (string, error) {
	records, err := readHistory(ctx, g.Store, cluster)
	if err != nil {
		return "", err
	}
	for _, d := range records {
		if !d.State.Done() && d.State != slipway.DeploymentQueued {
			return d.ID, nil
		}
	}
	return "", nil
}

// allow returns a Refused error if too few would serve without so many machines of the group.
func (g *Guard) allow(ctx context.Context, group slipway.ServerGroup, machines int, doing string, force bool, reason, by string) error {
	if force && reason == "" {
		return slipway.Errorf(slipway.Invalid, "cannot force it without a reason: say why")
	}
	records, err := readHistory(ctx, g.Store, group.Cluster)
	if err != nil {
		return err
	}
	route, err := g.Store.Route(ctx, group.Cluster)
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	balanced := err == nil && route.Port != 0
	serving, err := capacity(ctx, g.Router, g.Provider, g.Turns, group.Cluster, balanced)
	if err != nil {
		return err
	}
	if serving[group.Name] == 0 {
		return nil // it serves nothing
	}
	total := 0
	for _, n := range serving {
		total += n
	}
	removed := serving[group.Name]
	if machines >= 0 {
		removed = min(removed, machines)
	}
	least := 1
	if made, ok := records.maker(group.Name); ok && machines >= 0 {
		// The group makes up for one machine at once; the next has to wait until it has.
		least = max(least, min(minHealthy(made.Environment), max(total, group.Size.Desired)-1))
	}
	if total-removed >= least {
		return nil
	}
	if !force {
		return slipway.Errorf(slipway.Refused, "cannot %s: %d of the %d machines that serve %s would be left, and %d must; force it, with a reason",
			doing, total-removed, total, group.Cluster, least)
	}
	return g.overridden(ctx, group.Cluster, fmt.Sprintf("%s although %d machines are left to serve: %s", doing, total-removed, reason), by)
}

// overridden records what is forced, before it is done.
func (g *Guard) overridden(ctx context.Context, cluster slipway.Cluster, message, by string) error {
	if by != "" {
		message += " (" + by + ")"
	}
	return g.tell(ctx, cluster, slipway.GuardOverridden, message)
}

// tell writes an event.
func (g *Guard) tell(ctx context.Context, cluster slipway.Cluster, kind slipway.EventKind, message string) error {
	stored, err := g.Store.AppendEvent(ctx, slipway.Event{
		Time: time.Now(), Kind: kind, Application: cluster.Application, Environment: cluster.Environment, Message: message,
	})
	if err != nil {
		return err
	}
	if err := g.Bus.Publish(ctx, stored); err != nil {
		g.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
	return nil
}
