package ship_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/traffic"
)

// machines is a provider in memory whose machines are healthy at once; some of their images are broken.
type machines struct {
	slipway.Provider // methods that are not needed are nil

	mu       sync.Mutex
	groups   map[string]slipway.ServerGroup
	throw    map[string]slipway.Instance
	launched int
	broken   map[slipway.Digest]bool
	exec     func(command []string) (slipway.ExecResult, error)
}

func (m *machines) EnsureServerGroup(_ context.Context, spec slipway.ServerGroupSpec) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := slipway.ServerGroup{ServerGroupSpec: spec}
	for i := range spec.Size.Desired {
		g.Instances = append(g.Instances, slipway.Instance{ID: fmt.Sprintf("i-%s-%d", spec.Name, i), Group: spec.Name, State: m.state(spec.Image)})
	}
	m.groups[spec.Name] = g
	return nil
}

func (m *machines) state(image slipway.Digest) slipway.InstanceState {
	if m.broken[image] {
		return slipway.InstanceDead
	}
	return slipway.InstanceHealthy
}

func (m *machines) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g, ok := m.groups[name]; ok {
		return g, nil
	}
	return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "no group %s", name)
}

func (m *machines) ServerGroups(context.Context) ([]slipway.ServerGroup, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.groups)), nil
}

func (m *machines) DestroyServerGroup(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.groups, name)
	return nil
}

func (m *machines) Launch(_ context.Context, spec slipway.MachineSpec) (slipway.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.throw[spec.ID]; !ok {
		m.launched++
	}
	m.throw[spec.ID] = slipway.Instance{ID: spec.ID, Image: spec.Image, State: m.state(spec.Image), Reason: "exit status 1"}
	return m.throw[spec.ID], nil
}

func (m *machines) Instance(_ context.Context, id string) (slipway.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, ok := m.throw[id]; ok {
		return i, nil
	}
	return slipway.Instance{}, slipway.Errorf(slipway.NotFound, "no instance %s", id)
}

func (m *machines) Terminate(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.throw, id)
	return nil
}

func (m *machines) Exec(_ context.Context, _ string, e slipway.Exec) (slipway.ExecResult, error) {
	return m.exec(e.Command)
}

func (m *machines) Logs(context.Context, string, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("the last line\n")), nil
}

func (m *machines) Watch(context.Context) <-chan string { return make(chan string) }

// ways is traffic and router in one: what the store says is what the data plane does.
type ways struct {
	slipway.Router
	store    slipway.Store
	machines *machines
}

func (w *ways) SetRoute(ctx context.Context, route slipway.Route) error {
	return w.store.PutRoute(ctx, route)
}
func (w *ways) Prove(context.Context, slipway.Cluster, string, time.Duration) (traffic.Proof, error) {
	return traffic.Proof{}, nil
}
func (w *ways) ProveSplit(context.Context, slipway.Cluster, time.Duration) (traffic.Proof, error) {
	return traffic.Proof{}, nil
}
func (w *ways) Drained(context.Context, slipway.Cluster, string) error { return nil }

func (w *ways) Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error) {
	pool := slipway.PoolStatus{LoadBalancer: loadBalancer, Epoch: "1"}
	routes, err := w.store.Routes(ctx)
	for _, route := range routes {
		if route.Cluster.String() != loadBalancer {
			continue
		}
		for _, g := range route.Groups {
			group, err := w.machines.ServerGroup(ctx, g.Group)
			if err != nil {
				continue
			}
			for _, i := range group.Instances {
				pool.Targets = append(pool.Targets, slipway.TargetStatus{Target: slipway.Target{Instance: i.ID, Group: g.Group, Mode: g.Mode, Weight: 1}, Up: true})
			}
		}
	}
	return pool, err
}

// blobs keeps blobs in memory.
type blobs struct {
	mu   sync.Mutex
	data map[slipway.Digest]string
}

func (b *blobs) Missing(_ context.Context, digests []slipway.Digest) ([]slipway.Digest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(digests), func(d slipway.Digest) bool { _, ok := b.data[d]; return ok }), nil
}

func (b *blobs) PutBlob(_ context.Context, want slipway.Digest, _ int64, r io.Reader) error {
	content, err := io.ReadAll(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data[want] = string(content)
	return err
}

func (b *blobs) OpenBlob(_ context.Context, d slipway.Digest) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if content, ok := b.data[d]; ok {
		return io.NopCloser(strings.NewReader(content)), nil
	}
	return nil, slipway.Errorf(slipway.NotFound, "no blob %s", d)
}

// baker makes layers of nothing. It waits at a step until it may go on, if gate is set.
type baker struct {
	mu    sync.Mutex
	built []string
	gate  chan struct{}
	fail  error
	drift string // what layers are made of beside their names
}

func (b *baker) Key(job bake.Job) slipway.Digest {
	content, _ := json.Marshal([]any{job.Request.Spec.Image, job.Request.NoCache})
	return slipway.DigestOf(content)
}

func (b *baker) Plan(_ context.Context, job bake.Job, previous *bake.Job, _ []slipway.LayerBake) (slipway.BakePlan, error) {
	var plan slipway.BakePlan
	for _, step := range bake.Steps(job.Request.Spec) {
		plan.Layers = append(plan.Layers, slipway.LayerPlan{Step: step.Name, Cached: previous != nil})
	}
	return plan, nil
}

func (b *baker) Build(ctx context.Context, job bake.Job) ([]slipway.LayerBake, error) {
	var layers []slipway.LayerBake
	for i, step := range bake.Steps(job.Request.Spec) {
		if i < len(job.Done) {
			layers = append(layers, job.Done[i])
			continue
		}
		job.Watch.Started(step)
		if b.gate != nil {
			select {
			case <-b.gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		fmt.Fprintf(job.Watch.Output(step), "making %s\n", step.Name)
		b.mu.Lock()
		b.built = append(b.built, step.Name)
		content, fail := step.Name+b.drift, b.fail
		b.mu.Unlock()
		if fail != nil {
			return nil, fail
		}
		layer := slipway.LayerBake{LayerInfo: slipway.LayerInfo{Digest: slipway.DigestOf([]byte(content)), Step: step.Name}, Index: step.Index}
		job.Watch.Finished(step, layer)
		layers = append(layers, layer)
	}
	return layers, nil
}

func (b *baker) Image(_ context.Context, req *slipway.BakeRequest, layers []slipway.LayerInfo) (slipway.Image, error) {
	return slipway.Image{
		Digest: b.digest(req), Application: req.Spec.Application, Version: req.Version, From: req.Spec.Image.From,
		Layers: layers, Service: req.Spec.Image.Service, Created: time.Now(),
	}, nil
}

// digest is that of the image: tests are no part of it.
func (b *baker) digest(req *slipway.BakeRequest) slipway.Digest {
	spec := req.Spec.Image
	spec.Tests = nil
	content, _ := json.Marshal(spec)
	return slipway.DigestOf(content)
}

func (b *baker) Kept(string) bool                      { return false }
func (b *baker) Discard(context.Context, string) error { return nil }

// attester remembers what it signed.
type attester struct {
	mu     sync.Mutex
	signed []slipway.Digest
	fail   error
}

func (a *attester) Attest(_ context.Context, image slipway.Image, _ slipway.Bake, _ *slipway.BakeRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.signed = append(a.signed, image.Digest)
	return nil
}

// VerifyImage trusts every image, as all that a yard has were signed, some before its time.
func (a *attester) VerifyImage(_ context.Context, image slipway.Digest) (slipway.Verification, error) {
	return slipway.Verification{Image: image}, nil
}

// bases finds an image by its digest, and the newest of the application that from names among those that were waited for.
type bases struct{}

func (bases) Resolve(_ context.Context, _, from string, _ *slipway.Base, _ bool, after []slipway.Bake) (slipway.Base, []slipway.LayerInfo, error) {
	name, which, _ := strings.Cut(strings.TrimPrefix(from, "image:"), "@")
	if d := slipway.Digest(which); d.Validate() == nil {
		return slipway.Base{From: from, Application: name, Digest: d}, nil, nil
	}
	for _, b := range after {
		if b.Application == name {
			return slipway.Base{From: from, Application: name, Digest: b.Image}, nil, nil
		}
	}
	return slipway.Base{}, nil, slipway.Errorf(slipway.Invalid, "no image of %s", name)
}

// secrets remembers what was dropped.
type secrets struct {
	slipway.SecretStore // methods that are not needed are nil

	mu      sync.Mutex
	dropped []string
}

func (s *secrets) DropSecrets(_ context.Context, handle string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = append(s.dropped, handle)
	return nil
}

func (m *machines) ResizeServerGroup(_ context.Context, name string, size slipway.Size) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.groups[name]
	if !ok {
		return slipway.Errorf(slipway.NotFound, "no group %s", name)
	}
	g.Size, g.Instances = size, nil
	for i := range size.Desired {
		g.Instances = append(g.Instances, slipway.Instance{ID: fmt.Sprintf("i-%s-%d", name, i), Group: name, State: m.state(g.Image)})
	}
	m.groups[name] = g
	return nil
}
