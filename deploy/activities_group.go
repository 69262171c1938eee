package deploy

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// recovery is how long a group that serves again may take until enough of its machines are healthy.
const recovery = 30 * time.Second

// CreateTarget makes the target group, or adopts what an earlier try left of it.
func (a *Activities) CreateTarget(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	image, err := a.Store.Image(ctx, d.Image)
	if err != nil {
		return err
	}
	return a.Provider.EnsureServerGroup(ctx, slipway.ServerGroupSpec{
		Name: d.Target, Cluster: d.Cluster, Image: d.Image, Service: image.Service,
		Config: d.Environment.Config, Size: d.Environment.Size, Limits: d.Environment.Limits,
	})
}

// StartTarget brings a kept group of workers back to its size.
func (a *Activities) StartTarget(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	return a.Provider.ResizeServerGroup(ctx, d.Target, d.Environment.Size)
}

// AwaitHealthy returns when all of the target is healthy: Failed as soon as a machine of a new group is lost, DeadlinePast at d.Deadline.
func (a *Activities) AwaitHealthy(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	if d.Kind == slipway.KindRollback && d.Clone == "" { // what its machines went through in an earlier life does not matter
		_, err := check.Recovered(ctx, a.Provider, d.Target, d.Environment.Size.Desired, d.Deadline)
		return err
	}
	_, err := check.Group(ctx, a.Provider, d.Target, d.Deadline)
	return err
}

// SmokeCheck runs every check on every machine of the target, machine by machine side by side.
func (a *Activities) SmokeCheck(ctx context.Context, d slipway.Deployment) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return err
	}
	runner := check.Runner{Provider: a.Provider}
	var g errgroup.Group
	for _, instance := range group.Instances {
		g.Go(func() error {
			for result := range runner.All(ctx, instance, group.Service, d.Environment.Checks) {
				if !result.Passed {
					return slipway.Errorf(slipway.Failed, "check %s failed on machine %s of %s: %s", result.Name, instance.ID, group.Name, result.Detail)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// RetireOthers keeps that many of the cluster's other groups, disabled, and destroys the rest. Those that a rollback would go to are kept
// first. The target is verified before every single one.
func (a *Activities) RetireOthers(ctx context.Context, d slipway.Deployment, keep int) error {
	records, err := readHistory(ctx, a.Store, d.Cluster)
	if err != nil {
		return err
	}
	others, err := a.others(ctx, d, records)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		return a.leave(ctx, d.Cluster)
	}
	keep = min(keep, len(others))
	d.Step = retirement(others[:keep], others[keep:])
	if err := a.step(ctx, d); err != nil {
		return err
	}
	if err := a.leave(ctx, d.Cluster, others[keep:]...); err != nil {
		return err
	}
	for _, group := range others[:keep] {
		if made, ok := records.maker(group.Name); ok && made.Environment.LoadBalancer != nil || group.Size == (slipway.Size{}) {
			continue // out of the route is disabled enough, for its machines to be there at once
		}
		if err := a.verify(ctx, d.Target); err != nil {
			return err
		}
		if err := a.Provider.ResizeServerGroup(ctx, group.Name, slipway.Size{}); err != nil {
			return err
		}
	}
	for _, group := range others[keep:] {
		if err := a.verify(ctx, d.Target); err != nil {
			return err
		}
		if err := a.Provider.DestroyServerGroup(ctx, group.Name); err != nil {
			return err
		}
	}
	return nil
}

// DisableGroup takes an UndoDisableGroup back.
func (a *Activities) DisableGroup(ctx context.Context, d slipway.Deployment, undo slipway.Undo) error {
	a.tell(ctx, d)
	err := a.Provider.ResizeServerGroup(ctx, undo.Group, slipway.Size{})
	persist(&err)
	return err
}

// DestroyGroup takes an UndoDestroyGroup back. Refused while the group is in the cluster's route.
func (a *Activities) DestroyGroup(ctx context.Context, d slipway.Deployment, undo slipway.Undo) (err error) {
	defer persist(&err)
	a.tell(ctx, d)
	route, err := a.Store.Route(ctx, d.Cluster)
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return err
	}
	if slices.ContainsFunc(route.Groups, func(g slipway.GroupRoute) bool { return g.Group == undo.Group && g.Mode != slipway.Off }) {
		return slipway.Errorf(slipway.Refused, "%s still is in the route", undo.Group)
	}
	group, err := a.Provider.ServerGroup(ctx, undo.Group)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if group.Cluster != d.Cluster || group.Image != d.Image {
		return nil // another's of the same name, for which ours was never made
	}
	if err := a.leave(ctx, d.Cluster, group); err != nil {
		return err
	}
	return a.Provider.DestroyServerGroup(ctx, undo.Group)
}

// verify returns nil if all of the group is healthy now, else a Failed error. It reads live state.
func (a *Activities) verify(ctx context.Context, name string) error {
	group, err := a.Provider.ServerGroup(ctx, name)
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Errorf(slipway.Failed, "%s is gone", name)
	}
	if err != nil {
		return err
	}
	if healthy := group.Healthy(); healthy == 0 || healthy < group.Size.Desired {
		return slipway.Errorf(slipway.Failed, "only %d of %d machines of %s are healthy now", healthy, group.Size.Desired, name)
	}
	return nil
}

// others returns the cluster's groups but the target, in the order in which they are worth keeping: the one that was left, those
// that a rollback leads to, then the newest.
func (a *Activities) others(ctx context.Context, d slipway.Deployment, records history) ([]slipway.ServerGroup, error) {
	groups, err := a.Provider.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	groups = slices.DeleteFunc(groups, func(g slipway.ServerGroup) bool { return g.Cluster != d.Cluster || g.Name == d.Target })
	worth := append([]string{d.Source}, records.lineage(d.Target)...)
	rank := func(g slipway.ServerGroup) int {
		if i := slices.Index(worth, g.Name); i >= 0 {
			return i
		}
		return len(worth)
	}
	slices.SortFunc(groups, func(a, b slipway.ServerGroup) int {
		na, _ := slipway.GroupNumber(a.Name)
		nb, _ := slipway.GroupNumber(b.Name)
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(nb, na))
	})
	return groups, nil
}

func retirement(kept, destroyed []slipway.ServerGroup) string {
	var parts []string
	if len(kept) > 0 {
		parts = append(parts, "keeping "+names(kept)+" disabled")
	}
	if len(destroyed) > 0 {
		parts = append(parts, "destroying "+names(destroyed))
	}
	return strings.Join(parts, ", ")
}

func names(groups []slipway.ServerGroup) string {
	var list []string
	for _, g := range groups {
		list = append(list, g.Name)
	}
	return strings.Join(list, ", ")
}
