package deploy

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// Disable takes an instance out of traffic: it gets no new requests, finishes those under way, and runs on. Refused if too few would serve
// without it, unless forced with a reason. One that is disabled is returned as it is. It returns when the load balancer has taken it.
func (g *Guard) Disable(ctx context.Context, id string, force bool, reason, by string) (slipway.Instance, error) {
	instance, group, err := g.grouped(ctx, id, "disable")
	if err != nil {
		return instance, err
	}
	release, err := g.Turns.take(ctx, group.Cluster)
	if err != nil {
		return instance, err
	}
	defer release()
	if instance, group, err = g.grouped(ctx, id, "disable"); err != nil { // as it is now
		return instance, err
	}
	if instance.Disabled != nil {
		return instance, g.Sync(ctx, group.Cluster) // an earlier try may have come no further
	}
	if reason == "" {
		return instance, slipway.Errorf(slipway.Invalid, "cannot disable %s without a reason: say why, for whoever asks later", id).At("reason")
	}
	route, err := g.Store.Route(ctx, group.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound || err == nil && route.Port == 0 {
		return instance, slipway.Errorf(slipway.Refused, "cannot disable %s: %s is behind no load balancer, so there is no traffic to take it out of", id, group.Cluster)
	}
	if err != nil {
		return instance, err
	}
	if err := g.enough(ctx, group, instance, force, reason, by); err != nil {
		return instance, err
	}
	instance, err = g.mark(ctx, group.Cluster, id, slipway.MarkDisabled, &slipway.InstanceMark{Since: time.Now().UTC(), By: by, Reason: reason})
	if err != nil {
		return instance, err
	}
	return instance, g.tell(ctx, group.Cluster, slipway.InstanceDisabled, fmt.Sprintf("%s of %s is taken out of traffic by %s: %s", id, group.Name, by, reason))
}

// Enable gives an instance back to traffic; one that is unhealthy by then is replaced. One that is not disabled is returned as it is.
func (g *Guard) Enable(ctx context.Context, id, reason, by string) (slipway.Instance, error) {
	instance, group, err := g.grouped(ctx, id, "enable")
	if err != nil {
		return instance, err
	}
	if instance.Disabled == nil {
		return instance, g.Sync(ctx, group.Cluster) // an earlier try may have come no further
	}
	if instance, err = g.mark(ctx, group.Cluster, id, slipway.MarkDisabled, nil); err != nil {
		return instance, err
	}
	return instance, g.tell(ctx, group.Cluster, slipway.InstanceEnabled, fmt.Sprintf("%s of %s may get traffic again%s", id, group.Name, told(by, reason)))
}

// Protect keeps an instance from being removed; one that is protected is returned as it is.
func (g *Guard) Protect(ctx context.Context, id, reason, by string) (slipway.Instance, error) {
	instance, group, err := g.grouped(ctx, id, "protect")
	if err != nil || instance.Protected != nil {
		return instance, err
	}
	if instance, err = g.Marker.MarkInstance(ctx, id, slipway.MarkProtected, &slipway.InstanceMark{Since: time.Now().UTC(), By: by, Reason: reason}); err != nil {
		return instance, err
	}
	return instance, g.tell(ctx, group.Cluster, slipway.InstanceProtected, fmt.Sprintf("%s of %s is protected%s", id, group.Name, told(by, reason)))
}

// Unprotect ends that; one that is not protected is returned as it is.
func (g *Guard) Unprotect(ctx context.Context, id, reason, by string) (slipway.Instance, error) {
	instance, group, err := g.grouped(ctx, id, "unprotect")
	if err != nil || instance.Protected == nil {
		return instance, err
	}
	if instance, err = g.Marker.MarkInstance(ctx, id, slipway.MarkProtected, nil); err != nil {
		return instance, err
	}
	return instance, g.tell(ctx, group.Cluster, slipway.InstanceUnprotected, fmt.Sprintf("%s of %s is not protected any more%s", id, group.Name, told(by, reason)))
}

// Resize gives what serves a cluster another size, now, and for the deployments to come as long as slipway.yaml says of it what it says now.
// Refused, unless forced with a reason, outside of the bounds of slipway.yaml, if it has any, or if too few would serve; a Conflict while a
// deployment is under way.
func (g *Guard) Resize(ctx context.Context, req slipway.ResizeRequest) (slipway.ServerGroup, error) {
	cluster := req.Cluster
	release, err := g.Turns.take(ctx, cluster)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	defer release()
	cannot := func(code slipway.Code, format string, args ...any) error {
		return slipway.Errorf(code, "cannot resize %s in %s: %s", cluster.Application, cluster.Environment, fmt.Sprintf(format, args...))
	}
	if req.Force && req.Reason == "" {
		return slipway.ServerGroup{}, slipway.Errorf(slipway.Invalid, "cannot force it without a reason: say why").At("reason")
	}
	now, err := Serving(ctx, g.Store, cluster)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	if now == "" {
		return slipway.ServerGroup{}, cannot(slipway.NotFound, "nothing serves there")
	}
	group, err := g.Provider.ServerGroup(ctx, now)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	under, err := g.underWay(ctx, cluster)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	if under != "" {
		return slipway.ServerGroup{}, cannot(slipway.Conflict, "deployment %s is under way, and has its own idea of it", under)
	}
	records, err := readHistory(ctx, g.Store, cluster)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	made, _ := records.maker(now)
	made.Cluster = cluster // if its record is gone
	declared, err := Declared(ctx, g.Store, made)
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	size := wanted(req, group.Size, declared)
	if req.Desired < 1 || size.Min > size.Desired || size.Desired > size.Max || size.Min < 0 {
		return slipway.ServerGroup{}, cannot(slipway.Invalid, "want 1 <= min <= desired <= max, not %d, %d, %d", size.Min, size.Desired, size.Max)
	}
	if kept := number(group.Instances, func(i slipway.Instance) bool { return i.Protected != nil }); kept > size.Desired {
		return slipway.ServerGroup{}, cannot(slipway.Refused, "%d machines of %s are protected; unprotect some", kept, now)
	}
	if bounded := declared.Min != declared.Max; bounded && (size.Desired < declared.Min || size.Desired > declared.Max) && !req.Force {
		return slipway.ServerGroup{}, cannot(slipway.Refused, "slipway.yaml wants %d to %d machines; change it, or force it, with a reason", declared.Min, declared.Max)
	}
	if err := g.spareable(ctx, group, made, size, req); err != nil {
		return slipway.ServerGroup{}, err
	}
	if size == declared {
		err = g.Sizes.DeleteSize(ctx, cluster)
	} else {
		err = g.Sizes.PutSize(ctx, slipway.Resizing{Cluster: cluster, Size: size, Declared: declared, By: req.By, Reason: req.Reason, At: time.Now().UTC()})
	}
	if err != nil {
		return slipway.ServerGroup{}, err
	}
	message := fmt.Sprintf("%s goes from %d to %d machines%s", now, group.Size.Desired, size.Desired, told(req.By, req.Reason))
	if err := g.tell(ctx, cluster, slipway.GroupResized, message); err != nil {
		return slipway.ServerGroup{}, err
	}
	if err := g.Provider.ResizeServerGroup(ctx, now, size); err != nil {
		return slipway.ServerGroup{}, err
	}
	return g.Provider.ServerGroup(ctx, now)
}

// wanted returns the size that is asked for. Bounds that are not given stay as they are, but for two: a cluster of a fixed size has one again,
// and back at what slipway.yaml says it is all as slipway.yaml says.
func wanted(req slipway.ResizeRequest, now, declared slipway.Size) slipway.Size {
	if req.Min == 0 && req.Max == 0 {
		switch {
		case req.Desired == declared.Desired:
			return declared
		case declared.Min == declared.Max:
			return slipway.Size{Min: req.Desired, Desired: req.Desired, Max: req.Desired}
		}
	}
	size := slipway.Size{Min: cmp.Or(req.Min, min(now.Min, req.Desired)), Desired: req.Desired, Max: cmp.Or(req.Max, max(now.Max, req.Desired))}
	if req.Min == 0 && req.Desired >= declared.Min {
		size.Min = max(size.Min, min(declared.Min, req.Desired)) // growing again gives it back
	}
	return size
}

// spareable returns a Refused error if a group that shrinks leaves too little to serve.
func (g *Guard) spareable(ctx context.Context, group slipway.ServerGroup, made slipway.Deployment, size slipway.Size, req slipway.ResizeRequest) error {
	if size.Desired >= group.Size.Desired {
		return nil
	}
	serving, err := g.serving(ctx, group.Cluster)
	if err != nil {
		return err
	}
	idle := number(group.Instances, func(i slipway.Instance) bool { // those that go first
		return i.Protected == nil && (i.State == slipway.InstanceStarting || i.State == slipway.InstanceHealthy && i.Disabled != nil)
	})
	after := total(serving) - min(serving[group.Name], max(0, group.Size.Desired-size.Desired-idle))
	least := max(1, min(minHealthy(made.Environment), size.Desired))
	if after >= least {
		return nil
	}
	if !req.Force {
		return slipway.Errorf(slipway.Refused, "cannot resize %s: %s would be left to serve %s, and %d must; force it, with a reason", group.Name, counted(after), group.Cluster, least)
	}
	return g.overridden(ctx, group.Cluster, fmt.Sprintf("resize %s although %s left to serve: %s", group.Name, left(after), req.Reason), req.By)
}

// How long a machine that a person has started may stay.
const (
	defaultStay = time.Hour
	maxStay     = 7 * 24 * time.Hour
)

// Start launches one machine of an image, outside of any server group and of all traffic, which is removed when its time is over. With an
// environment it gets that one's configuration.
func (g *Guard) Start(ctx context.Context, req slipway.StartRequest) (slipway.Instance, error) {
	stay := req.For.Or(defaultStay)
	if stay <= 0 || stay > maxStay {
		return slipway.Instance{}, slipway.Errorf(slipway.Invalid, "cannot start a machine for %s: want at most %s", stay, maxStay).At("for")
	}
	image, err := g.Store.FindImage(ctx, req.Application, req.Image)
	if err != nil {
		return slipway.Instance{}, err
	}
	if image.IsBase() {
		return slipway.Instance{}, slipway.Errorf(slipway.Refused, "cannot start a machine of %s image %s: it runs nothing, it is a base that other images start from", image.Application, image.Digest.Short())
	}
	if err := image.NotRevoked("start a machine of " + req.Application); err != nil {
		return slipway.Instance{}, err
	}
	id := slipway.RequestedID(ctx, "i-")
	if id != "" { // an earlier try of the same request may have started it
		if i, err := g.Provider.Instance(ctx, id); slipway.CodeOf(err) != slipway.NotFound {
			return i, err
		}
	} else {
		var random [5]byte
		_, _ = rand.Read(random[:]) // never fails
		id = "i-" + hex.EncodeToString(random[:])
	}
	spec := slipway.MachineSpec{
		ID: id, Owner: "started" + told(req.By, req.Reason), Image: image.Digest, Service: image.Service, Expires: time.Now().Add(stay).UTC(),
	}
	if req.Environment != "" {
		spec.Cluster = slipway.Cluster{Application: req.Application, Environment: req.Environment}
		environment, err := environmentOf(ctx, g.Store, slipway.DeployRequest{Cluster: spec.Cluster})
		if err != nil {
			return slipway.Instance{}, err
		}
		spec.Config, spec.Limits = environment.Config, environment.Limits
		d := slipway.Deployment{Cluster: spec.Cluster}
		if err := Configured(ctx, g.Configs, &d, req.Config); err != nil {
			return slipway.Instance{}, err
		}
		spec.ConfigVersion = d.ConfigVersion
	}
	message := fmt.Sprintf("%s of image %s is started until %s%s", spec.ID, image.Digest.Short(), spec.Expires.Format(time.DateTime), told(req.By, req.Reason))
	if err := g.tell(ctx, slipway.Cluster{Application: req.Application, Environment: req.Environment}, slipway.InstanceStarted, message); err != nil {
		return slipway.Instance{}, err
	}
	return g.Provider.Launch(ctx, spec)
}

// grouped returns an instance and its server group. Refused if it has none.
func (g *Guard) grouped(ctx context.Context, id, verb string) (slipway.Instance, slipway.ServerGroup, error) {
	instance, err := g.Provider.Instance(ctx, id)
	if err != nil {
		return instance, slipway.ServerGroup{}, err
	}
	if instance.Group == "" {
		return instance, slipway.ServerGroup{}, slipway.Errorf(slipway.Refused, "cannot %s %s: it is a throw-away machine, of no server group", verb, id)
	}
	group, err := g.Provider.ServerGroup(ctx, instance.Group)
	return instance, group, err
}

// mark sets a mark that has to do with traffic, and returns when the load balancer follows.
func (g *Guard) mark(ctx context.Context, cluster slipway.Cluster, id string, kind slipway.MarkKind, m *slipway.InstanceMark) (slipway.Instance, error) {
	instance, err := g.Marker.MarkInstance(ctx, id, kind, m)
	if err != nil {
		return instance, err
	}
	return instance, g.Sync(ctx, cluster)
}

// enough returns a Refused error if too few would serve without the instance, for which no other is launched. A group of a fixed size may do
// without one machine; what its policy says of it holds exactly.
func (g *Guard) enough(ctx context.Context, group slipway.ServerGroup, instance slipway.Instance, force bool, reason, by string) error {
	serving, err := g.serving(ctx, group.Cluster)
	if err != nil || serving[group.Name] == 0 || instance.State != slipway.InstanceHealthy {
		return err
	}
	records, err := readHistory(ctx, g.Store, group.Cluster)
	if err != nil {
		return err
	}
	least := min(group.Size.Min, group.Size.Desired-1)
	if made, ok := records.maker(group.Name); ok && !made.Environment.Policy.MinHealthy.IsZero() {
		least = minHealthy(made.Environment)
	}
	least = max(1, least)
	all := total(serving)
	if all-1 >= least {
		return nil
	}
	if !force {
		return slipway.Errorf(slipway.Refused, "cannot disable %s: %d of the %d machines that serve %s would be left, and %d must; force it, or resize first",
			instance.ID, all-1, all, group.Cluster, least)
	}
	return g.overridden(ctx, group.Cluster, fmt.Sprintf("disable %s although %s left to serve: %s", instance.ID, left(all-1), reason), by)
}

// serving returns how many machines of each group serve the cluster.
func (g *Guard) serving(ctx context.Context, cluster slipway.Cluster) (map[string]int, error) {
	route, err := g.Store.Route(ctx, cluster)
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return nil, err
	}
	return capacity(ctx, g.Router, g.Provider, g.Turns, cluster, err == nil && route.Port != 0)
}

// unprotected returns a Refused error if one of the instances is protected, unless it is forced.
func (g *Guard) unprotected(ctx context.Context, doing string, instances []slipway.Instance, force bool, reason, by string) error {
	i := slices.IndexFunc(instances, func(i slipway.Instance) bool { return i.Protected != nil })
	if i < 0 {
		return nil
	}
	if !force {
		return slipway.Errorf(slipway.Refused, "cannot %s: %s; slipway unprotect %s, or force it, with a reason", doing, protection(instances[i]), instances[i].ID)
	}
	if reason == "" {
		return slipway.Errorf(slipway.Invalid, "cannot force it without a reason: say why")
	}
	var cluster slipway.Cluster
	if group, err := g.Provider.ServerGroup(ctx, instances[i].Group); err == nil {
		cluster = group.Cluster
	}
	return g.overridden(ctx, cluster, fmt.Sprintf("%s although %s: %s", doing, protection(instances[i]), reason), by)
}

// protection says by whom an instance is protected.
func protection(i slipway.Instance) string {
	text := i.ID + " is protected by " + cmp.Or(i.Protected.By, "somebody")
	if i.Protected.Reason != "" {
		text += " (" + i.Protected.Reason + ")"
	}
	return text
}

// told says who has done something, and why.
func told(by, reason string) string {
	text := ""
	if by != "" {
		text = " by " + by
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// left says how many machines are left: "1 machine is", "2 machines are".
func left(n int) string {
	if n == 1 {
		return counted(n) + " is"
	}
	return counted(n) + " are"
}

func total(serving map[string]int) int {
	n := 0
	for _, m := range serving {
		n += m
	}
	return n
}

func number[T any](all []T, is func(T) bool) int {
	n := 0
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}
