package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
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

// capacity returns how many machines of each group serve the cluster, as the load balancer sees them at this moment: those that are up and
// active. Without a load balancer every healthy machine of its groups serves.
func capacity(ctx context.Context, router slipway.Router, provider slipway.Provider, cluster slipway.Cluster, balanced bool) (map[string]int, error) {
	serving := map[string]int{}
	if balanced {
		pool, err := router.Pool(ctx, cluster.String())
		if err != nil && slipway.CodeOf(err) != slipway.NotFound {
			return nil, err
		}
		for _, t := range pool.Targets {
			if t.Up && t.Mode == slipway.Active {
				serving[t.Group]++
			}
		}
		return serving, nil
	}
	groups, err := provider.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Cluster == cluster {
			serving[g.Name] += g.Healthy()
		}
	}
	return serving, nil
}

// guard returns a Refused error if what serves the cluster now, without so many machines of the group (-1: all of it), would be less than
// its policy allows. It reads live state, and holds for whoever asks, unless the deployment was forced, with a reason.
func (a *Activities) guard(ctx context.Context, d slipway.Deployment, group string, machines int) error {
	serving, err := capacity(ctx, a.Router, a.Provider, d.Cluster, d.Environment.LoadBalancer != nil)
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
	serving, err := capacity(ctx, a.Router, a.Provider, d.Cluster, true)
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

	hands sync.Mutex // held while it is decided whether one more may be taken from what serves
}

// Terminate stops an instance; one of a server group is replaced. Refused if too few would serve until then, unless forced with a reason,
// which is recorded. nil if there is none.
func (g *Guard) Terminate(ctx context.Context, id string, force bool, reason, by string) error {
	instance, err := g.Provider.Instance(ctx, id)
	if err != nil {
		return err
	}
	if err := g.unprotected(ctx, "terminate "+id, []slipway.Instance{instance}, force, reason, by); err != nil {
		return err
	}
	if instance.Group != "" {
		group, err := g.Provider.ServerGroup(ctx, instance.Group)
		if err != nil && slipway.CodeOf(err) != slipway.NotFound {
			return err
		}
		if err == nil && instance.State == slipway.InstanceHealthy {
			if err := g.allow(ctx, group, 1, "terminate "+id, force, reason, by); err != nil {
				return err
			}
		}
	}
	return g.Provider.Terminate(ctx, id)
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
	records, err := readHistory(ctx, g.Store, group.Cluster)
	if err != nil {
		return err
	}
	for _, d := range records {
		if !d.State.Done() && d.State != slipway.DeploymentQueued {
			return slipway.Errorf(slipway.Conflict, "cannot destroy %s: deployment %s of its cluster is under way", name, d.ID)
		}
	}
	if err := g.unprotected(ctx, "destroy "+name, group.Instances, force, reason, by); err != nil {
		return err
	}
	if err := g.allow(ctx, group, -1, "destroy "+name, force, reason, by); err != nil {
		return err
	}
	route, err := g.Store.Route(ctx, group.Cluster)
	if err == nil {
		kept := closed(group.Cluster)
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
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	return g.Provider.DestroyServerGroup(ctx, name)
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
	serving, err := capacity(ctx, g.Router, g.Provider, group.Cluster, balanced)
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
		least = max(least, min(minHealthy(made.Environment), total-1)) // the group makes up for one machine at once
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
