package deploy

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/traffic"
)

// world is a small fake of everything a deployment touches, in memory. It notes what was changed, and fails on demand, before or
// after the change.
type world struct {
	slipway.Store // methods a deployment does not need are nil

	mu          sync.Mutex
	groups      map[string]*slipway.ServerGroup
	machines    int
	health      map[string]slipway.InstanceState // of the machines a new group gets; healthy if not listed
	route       *slipway.Route
	failed      map[string]int64 // requests by group
	deployments []slipway.Deployment
	images      map[slipway.Digest]slipway.Image
	apps        map[string]slipway.Spec
	events      []slipway.Event
	calls       []string
	signals     []chan string
	restricted  []slipway.Restriction
	samples     []slipway.Sample
	sizes       bool            // calls tell sizes and weights
	grades      []slipway.Grade // that comparisons find, one after the other; pass once they are used up

	// fault, if set, is asked at every call, and at every step of a deployment ("step: creating …").
	fault func(call string) (before, after error)
	// check, if set, looks at the world after every change.
	check func(call string)
}

func newWorld() *world {
	return &world{
		groups: map[string]*slipway.ServerGroup{}, health: map[string]slipway.InstanceState{}, failed: map[string]int64{},
		images: map[slipway.Digest]slipway.Image{}, apps: map[string]slipway.Spec{},
	}
}

// change makes a change, unless a fault is due, and notes it.
func (w *world) change(call string, f func() error) error {
	var before, after error
	if w.fault != nil {
		before, after = w.fault(call)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
	if before != nil {
		return before
	}
	if err := f(); err != nil {
		return err
	}
	if w.check != nil {
		w.check(call)
	}
	for _, c := range w.signals {
		select {
		case c <- "":
		default:
		}
	}
	return after
}

func short(name string) string {
	if i := strings.LastIndex(name, "-v"); i >= 0 {
		return strings.Replace(name[i+1:], "v00", "v", 1)
	}
	return name
}

// The provider.

func (w *world) EnsureServerGroup(_ context.Context, spec slipway.ServerGroupSpec) error {
	call := "create " + short(spec.Name)
	if w.sizes {
		call += fmt.Sprintf(" %d", spec.Size.Desired)
	}
	return w.change(call, func() error {
		if g, ok := w.groups[spec.Name]; ok {
			if g.Image != spec.Image {
				return slipway.Errorf(slipway.Conflict, "%s exists", spec.Name)
			}
			return nil
		}
		g := &slipway.ServerGroup{ServerGroupSpec: spec}
		w.groups[spec.Name] = g
		w.fill(g)
		return nil
	})
}

func (w *world) fill(g *slipway.ServerGroup) {
	state := w.health[g.Name]
	if state == "" {
		state = slipway.InstanceHealthy
	}
	for len(g.Instances) < g.Size.Desired {
		w.machines++
		g.Instances = append(g.Instances, slipway.Instance{ID: fmt.Sprintf("i-%d", w.machines), Group: g.Name, Address: "127.0.0.1", State: state})
	}
	g.Instances = g.Instances[:g.Size.Desired]
}

func (w *world) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.groups[name]
	if !ok {
		return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "no group %s", name)
	}
	c := *g
	c.Instances = slices.Clone(g.Instances)
	return c, nil
}

func (w *world) ServerGroups(ctx context.Context) ([]slipway.ServerGroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []slipway.ServerGroup
	for _, g := range w.groups {
		c := *g
		c.Instances = slices.Clone(g.Instances)
		list = append(list, c)
	}
	return list, nil
}

func (w *world) ResizeServerGroup(_ context.Context, name string, size slipway.Size) error {
	return w.change(fmt.Sprintf("resize %s %d", short(name), size.Desired), func() error {
		w.groups[name].Size = size
		w.fill(w.groups[name])
		return nil
	})
}

func (w *world) DestroyServerGroup(_ context.Context, name string) error {
	return w.change("destroy "+short(name), func() error { delete(w.groups, name); return nil })
}

func (w *world) Logs(context.Context, string, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("boom\n")), nil
}

func (w *world) Watch(ctx context.Context) <-chan string {
	c := make(chan string, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signals = append(w.signals, c)
	return c
}

// provider is the world as a provider: methods a deployment does not need are nil.
type provider struct {
	slipway.Provider
	*world
}

func (p provider) EnsureServerGroup(ctx context.Context, s slipway.ServerGroupSpec) error {
	return p.world.EnsureServerGroup(ctx, s)
}
func (p provider) ServerGroup(ctx context.Context, n string) (slipway.ServerGroup, error) {
	return p.world.ServerGroup(ctx, n)
}
func (p provider) ServerGroups(ctx context.Context) ([]slipway.ServerGroup, error) {
	return p.world.ServerGroups(ctx)
}
func (p provider) ResizeServerGroup(ctx context.Context, n string, s slipway.Size) error {
	return p.world.ResizeServerGroup(ctx, n, s)
}
func (p provider) DestroyServerGroup(ctx context.Context, n string) error {
	return p.world.DestroyServerGroup(ctx, n)
}
func (p provider) Terminate(_ context.Context, id string) error {
	return p.change("terminate "+id, func() error {
		for _, g := range p.groups {
			if i := slices.IndexFunc(g.Instances, func(i slipway.Instance) bool { return i.ID == id }); i >= 0 {
				g.Instances = slices.Delete(g.Instances, i, i+1)
				p.fill(g)
			}
		}
		return nil
	})
}
func (p provider) Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error) {
	return p.world.Logs(ctx, id, lines, follow)
}
func (p provider) Watch(ctx context.Context) <-chan string { return p.world.Watch(ctx) }

// The traffic and the router.

func (w *world) SetRoute(_ context.Context, route slipway.Route) error {
	text := "route"
	for _, g := range route.Groups {
		switch g.Mode {
		case slipway.Active:
			text += " " + short(g.Group)
			if w.sizes && len(route.Groups) > 1 && route.Groups[1].Mode == slipway.Active {
				text += fmt.Sprintf(":%d", g.Weight)
			}
		case slipway.Standby:
			text += " (" + short(g.Group) + ")"
		case slipway.Off:
			text += " [" + short(g.Group) + "]"
		}
	}
	return w.change(text, func() error { w.route = &route; return nil })
}

func (w *world) Prove(_ context.Context, _ slipway.Cluster, group string, _ time.Duration) (traffic.Proof, error) {
	return traffic.Proof{}, w.change("prove "+short(group), func() error {
		if w.route == nil || active(*w.route) != group {
			return slipway.Errorf(slipway.Failed, "traffic is not on %s", group)
		}
		return nil
	})
}

func (w *world) ProveSplit(context.Context, slipway.Cluster, time.Duration) (traffic.Proof, error) {
	return traffic.Proof{}, w.change("prove split", func() error { return nil })
}

// Measure makes checks pass, unless the path of their HTTP test is /broken.
func (w *world) Measure(_ context.Context, c slipway.Check, _ check.Subject) slipway.Measurement {
	m := slipway.Measurement{Check: check.CheckName(c), Outcome: slipway.OutcomePass}
	if c.HTTP != nil && c.HTTP.Path == "/broken" {
		m.Outcome, m.Detail = slipway.OutcomeFail, "want status 200, got 500"
	}
	return m
}

// Compare has the verdicts of the world.
func (w *world) Compare(_ context.Context, _ slipway.Analysis, d slipway.Deployment, control string, _, _ time.Time) (slipway.Verdict, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := slipway.Verdict{Grade: slipway.GradePass, Score: 100, Canary: d.Target, Control: control}
	if len(w.grades) > 0 {
		v.Grade, w.grades = w.grades[0], w.grades[1:]
	}
	return v, nil
}

func (w *world) Drained(context.Context, slipway.Cluster, string) error { return nil }

type router struct {
	slipway.Router
	*world
}

func (r router) Pool(context.Context, string) (slipway.PoolStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pool slipway.PoolStatus
	if r.route == nil {
		return pool, slipway.Errorf(slipway.NotFound, "no pool")
	}
	for _, g := range r.route.Groups {
		if r.groups[g.Group] == nil {
			continue
		}
		for n, i := range r.groups[g.Group].Instances {
			if i.State != slipway.InstanceHealthy {
				continue
			}
			target := slipway.TargetStatus{Target: slipway.Target{Instance: i.ID, Group: g.Group, Mode: g.Mode, Weight: 1}, Up: true}
			if n == 0 {
				target.Failed = r.failed[g.Group]
			}
			pool.Targets = append(pool.Targets, target)
		}
	}
	return pool, nil
}

// The store and the bus.

func (w *world) CreateDeployment(_ context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	highest := 0
	for i, other := range w.deployments {
		if other.ID == d.ID {
			if other.State == slipway.DeploymentQueued && d.State != slipway.DeploymentQueued {
				w.deployments = slices.Delete(w.deployments, i, i+1)
				break
			}
			return other, nil
		}
		if n, ok := slipway.GroupNumber(other.Target); ok {
			highest = max(highest, n)
		}
	}
	for _, other := range w.deployments {
		if n, ok := slipway.GroupNumber(other.Target); ok {
			highest = max(highest, n)
		}
		if n, ok := slipway.GroupNumber(other.Baseline); ok {
			highest = max(highest, n)
		}
	}
	if d.Target == "" && d.State != slipway.DeploymentQueued {
		d.Target = d.Cluster.GroupName(highest + 1)
		if d.Kind == slipway.KindDeploy && d.Environment.Strategy.HasBaseline() {
			d.Baseline = d.Cluster.GroupName(highest + 2)
		}
	}
	w.deployments = slices.Insert(w.deployments, 0, d)
	return d, nil
}

func (w *world) PutDeployment(_ context.Context, d slipway.Deployment) error {
	if w.fault != nil && !d.State.Done() {
		if before, after := w.fault("step: " + d.Step); before != nil || after != nil {
			return fmt.Errorf("store: %w", errorsOr(before, after))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.deployments, func(o slipway.Deployment) bool { return o.ID == d.ID })
	w.deployments[i] = d
	return nil
}

func errorsOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (w *world) Deployment(_ context.Context, id string) (slipway.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.deployments {
		if d.ID == id {
			return d, nil
		}
	}
	return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "no deployment %s", id)
}

func (w *world) Deployments(_ context.Context, c slipway.Cluster, _ int) ([]slipway.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.deployments), func(d slipway.Deployment) bool { return d.Cluster != c }), nil
}

func (w *world) Restrictions(context.Context) ([]slipway.Restriction, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.restricted), nil
}

func (w *world) PutRestriction(_ context.Context, r slipway.Restriction) (slipway.Restriction, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.restricted {
		if o.Kind == r.Kind && o.Cluster == r.Cluster && o.Image == r.Image {
			return o, nil
		}
	}
	w.restricted = append(w.restricted, r)
	return r, nil
}

func (w *world) PutSamples(_ context.Context, _ string, samples []slipway.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, samples...)
	return nil
}

func (w *world) Route(context.Context, slipway.Cluster) (slipway.Route, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.route == nil {
		return slipway.Route{}, slipway.Errorf(slipway.NotFound, "no route")
	}
	return *w.route, nil
}

func (w *world) Image(_ context.Context, d slipway.Digest) (slipway.Image, error) {
	if image, ok := w.images[d]; ok {
		return image, nil
	}
	return slipway.Image{}, slipway.Errorf(slipway.NotFound, "no image %s", d)
}

func (w *world) revoke(digest string) {
	image := w.images[slipway.Digest(digest)]
	image.Revoked = &slipway.Revocation{Reason: "broken"}
	w.images[slipway.Digest(digest)] = image
}

func (w *world) FindImage(ctx context.Context, _, ref string) (slipway.Image, error) {
	return w.Image(ctx, slipway.Digest(ref))
}

func (w *world) Application(_ context.Context, name string) (slipway.Spec, error) {
	if spec, ok := w.apps[name]; ok {
		return spec, nil
	}
	return slipway.Spec{}, slipway.Errorf(slipway.NotFound, "no application %s", name)
}

func (w *world) AppendEvent(_ context.Context, e slipway.Event) (slipway.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Seq = int64(len(w.events) + 1)
	w.events = append(w.events, e)
	return e, nil
}

func (w *world) Publish(context.Context, slipway.Event) error { return nil }

func (w *world) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// taken returns the calls since the last time.
func (w *world) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.calls, " · ")
	w.calls = nil
	return text
}

// break makes the first machine of a group what state says.
func (w *world) spoil(group string, state slipway.InstanceState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g := w.groups[group]; g != nil && len(g.Instances) > 0 {
		g.Instances[0].State = state
	}
}

// spoilAll makes every machine of a group dead.
func (w *world) spoilAll(group string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.groups[group].Instances {
		w.groups[group].Instances[i].State = slipway.InstanceDead
	}
}
