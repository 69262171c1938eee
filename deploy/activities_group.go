package deploy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// recovery is how long a group that serves again may take until enough of its machines are healthy.
const recovery = 30 * time.Second

// CreateTarget makes the target group of that size, or adopts what an earlier try left of it.
func (a *Activities) CreateTarget(ctx context.Context, d slipway.Deployment, size slipway.Size) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	image, err := a.Store.Image(ctx, d.Image)
	if err != nil {
		return err
	}
	return a.Provider.EnsureServerGroup(ctx, slipway.ServerGroupSpec{
		Name: d.Target, Cluster: d.Cluster, Image: d.Image, Service: image.Service,
		Config: d.Environment.Config, ConfigVersion: d.ConfigVersion, Size: size, Limits: d.Environment.Limits,
	})
}

// GrowTarget gives the target that size, which is bigger than it was.
func (a *Activities) GrowTarget(ctx context.Context, d slipway.Deployment, size slipway.Size) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	return a.Provider.ResizeServerGroup(ctx, d.Target, size)
}

// CreateBaseline makes a group of so many machines that is like the source in all else, or gives the one there is as many.
func (a *Activities) CreateBaseline(ctx context.Context, d slipway.Deployment, machines int) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	source, err := a.Provider.ServerGroup(ctx, d.Source)
	if err != nil {
		return err
	}
	spec := source.ServerGroupSpec
	spec.Name, spec.Size = d.Baseline, slipway.Size{Min: 0, Desired: machines, Max: max(machines, source.Size.Max)}
	if err := a.Provider.EnsureServerGroup(ctx, spec); err != nil {
		return err
	}
	return a.Provider.ResizeServerGroup(ctx, d.Baseline, spec.Size)
}

// ShrinkSource takes machines from the source until it has so many. It verifies in the same step that the target is healthy, and that what
// serves without them is enough.
func (a *Activities) ShrinkSource(ctx context.Context, d slipway.Deployment, machines int) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	release, err := a.Turns.take(ctx, d.Cluster)
	if err != nil {
		return err
	}
	defer release()
	source, err := a.Provider.ServerGroup(ctx, d.Source)
	if err != nil {
		return err
	}
	surplus := source.Size.Desired - machines
	if surplus <= 0 {
		return nil // an earlier try did it
	}
	if d.Weight > 0 { // before that the target need not be there
		if err := a.verify(ctx, d.Target); err != nil {
			return err
		}
	}
	if err := a.guard(ctx, d, d.Source, surplus); err != nil {
		return err
	}
	return a.Provider.ResizeServerGroup(ctx, d.Source, slipway.Size{Min: min(source.Size.Min, machines), Desired: machines, Max: max(source.Size.Max, 1)})
}

// ReplaceFailed terminates the target's machines that are not healthy, so that the provider replaces them, and returns what the target is like then.
func (a *Activities) ReplaceFailed(ctx context.Context, d slipway.Deployment) (Baseline, error) {
	a.tell(ctx, d)
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if slipway.CodeOf(err) == slipway.NotFound {
		return Baseline{}, nil
	}
	if err != nil {
		return Baseline{}, err
	}
	for _, instance := range group.Instances {
		if instance.State != slipway.InstanceHealthy && instance.State != slipway.InstanceStopping {
			if err := a.Provider.Terminate(ctx, instance.ID); err != nil {
				return Baseline{}, err
			}
		}
	}
	return a.baseline(ctx, d)
}

// RunCommand runs a command in one machine of the target. It fails unless the command ends as it is expected to.
func (a *Activities) RunCommand(ctx context.Context, d slipway.Deployment, command slipway.CommandTest) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	group, err := a.Provider.ServerGroup(ctx, d.Target)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(group.Instances, func(i slipway.Instance) bool { return i.State == slipway.InstanceHealthy })
	if i < 0 {
		return slipway.Errorf(slipway.Failed, "no machine of %s is healthy", d.Target)
	}
	result := check.Runner{Provider: a.Provider}.Run(ctx, group.Instances[i], group.Service, slipway.Test{Command: &command})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !result.Passed {
		return slipway.Errorf(slipway.Failed, "%s failed in machine %s: %s", result.Name, group.Instances[i].ID, result.Detail)
	}
	return nil
}

// Retirement says what becomes of the cluster's other groups.
type Retirement struct {
	Keep    []string
	Resize  []string // of Keep: workers, which are only disabled if they do not run
	Destroy []Retiree
}

// Retiree is a group that is to be destroyed.
type Retiree struct {
	Name  string
	Drain time.Duration
}

// PlanRetirement decides which of the cluster's other groups are kept: those that a rollback would go to first.
func (a *Activities) PlanRetirement(ctx context.Context, d slipway.Deployment, keep int) (Retirement, error) {
	var plan Retirement
	records, err := readHistory(ctx, a.Store, d.Cluster)
	if err != nil {
		return plan, err
	}
	others, err := a.others(ctx, d, records)
	if err != nil {
		return plan, err
	}
	for i, group := range others {
		if i >= keep {
			plan.Destroy = append(plan.Destroy, Retiree{group.Name, group.Service.Drain.Or(defaultDrain)})
			continue
		}
		plan.Keep = append(plan.Keep, group.Name)
		if made, ok := records.maker(group.Name); (!ok || made.Environment.LoadBalancer == nil) && group.Size != (slipway.Size{}) {
			plan.Resize = append(plan.Resize, group.Name) // out of the route is disabled enough for others, for their machines to be there at once
		}
	}
	return plan, nil
}

// RetireGroup destroys another group, once the target is verified once more and serves enough without it.
func (a *Activities) RetireGroup(ctx context.Context, d slipway.Deployment, group string) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	if err := a.withdraw(ctx, d.Cluster, group); err != nil {
		return err
	}
	held, err := a.released(ctx, d, group)
	if err != nil || held {
		return err
	}
	return a.Provider.DestroyServerGroup(ctx, group) // takes as long as its machines do
}

// released verifies that the target serves enough without a group, and reports whether the group is held back all the same.
func (a *Activities) released(ctx context.Context, d slipway.Deployment, group string) (held bool, err error) {
	release, err := a.Turns.take(ctx, d.Cluster)
	if err != nil {
		return false, err
	}
	defer release()
	if err := a.spare(ctx, d, group); err != nil {
		return false, err
	}
	return a.heldBack(ctx, d, group)
}

// KeepGroups takes the groups that are kept out of the route, and stops workers.
func (a *Activities) KeepGroups(ctx context.Context, d slipway.Deployment, plan Retirement) error {
	if err := a.step(ctx, d); err != nil {
		return err
	}
	release, err := a.Turns.take(ctx, d.Cluster)
	if err != nil {
		return err
	}
	defer release()
	for _, group := range plan.Resize {
		if err := a.spare(ctx, d, group); err != nil {
			return err
		}
		if err := a.Provider.ResizeServerGroup(ctx, group, slipway.Size{}); err != nil {
			return err
		}
	}
	for _, group := range plan.Keep {
		if err := a.withdraw(ctx, d.Cluster, group); err != nil {
			return err
		}
	}
	return nil
}

// heldBack reports whether a group stays, out of traffic, because a machine of it is protected, and says so. The next deployment looks again.
func (a *Activities) heldBack(ctx context.Context, d slipway.Deployment, name string) (bool, error) {
	group, err := a.Provider.ServerGroup(ctx, name)
	if slipway.CodeOf(err) == slipway.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(group.Instances, func(i slipway.Instance) bool { return i.Protected != nil })
	if i < 0 {
		return false, nil
	}
	a.publish(ctx, d, slipway.GroupKept, fmt.Sprintf("%s is kept: %s", name, protection(group.Instances[i])), false)
	return true, nil
}

// spare returns an error unless the target alone is enough.
func (a *Activities) spare(ctx context.Context, d slipway.Deployment, group string) error {
	if err := a.verify(ctx, d.Target); err != nil {
		return err
	}
	return a.guard(ctx, d, group, -1)
}

// RestoreSize takes an UndoResizeGroup back.
func (a *Activities) RestoreSize(ctx context.Context, d slipway.Deployment, undo slipway.Undo) error {
	a.tell(ctx, d)
	err := a.Provider.ResizeServerGroup(ctx, undo.Group, undo.Size)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil // somebody removed it
	}
	persist(&err)
	return err
}

// DestroyGroup takes an UndoDestroyGroup back. Refused while the group has traffic.
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
		return a.withdraw(ctx, d.Cluster, undo.Group)
	}
	if err != nil {
		return err
	}
	if group.Cluster != d.Cluster || group.Image != undo.Image {
		return nil // another's of the same name, for which ours was never made
	}
	if err := a.withdraw(ctx, d.Cluster, undo.Group); err != nil {
		return err
	}
	if held, err := a.heldBack(ctx, d, undo.Group); err != nil || held {
		return err // it gets no traffic, and whoever protects a machine of it wants to look into it
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
	if healthy := group.Healthy(); healthy == 0 || healthy+aside(group) < group.Size.Desired {
		return slipway.Errorf(slipway.Failed, "only %d of %d machines of %s are healthy now", healthy, group.Size.Desired, name)
	}
	return nil
}

// aside counts the machines that are unhealthy and stay so: a person has taken them out of traffic, to look into them.
func aside(group slipway.ServerGroup) int {
	return number(group.Instances, func(i slipway.Instance) bool { return i.Disabled != nil && i.State == slipway.InstanceUnhealthy })
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

// lost returns a Failed error, with the last lines of its log, if a machine that was there at base is not, or not healthy.
func (a *Activities) lost(ctx context.Context, group slipway.ServerGroup, base Baseline) error {
	for _, id := range base.Instances {
		i := slices.IndexFunc(group.Instances, func(i slipway.Instance) bool { return i.ID == id })
		if i >= 0 && (group.Instances[i].State == slipway.InstanceHealthy || group.Instances[i].Disabled != nil) {
			continue // one that is disabled is not under traffic
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
