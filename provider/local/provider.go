// Package local runs machines on this Linux host: every machine is a runc container over shared read-only layers, with a
// network namespace and a cgroup of its own. Machines outlive the process; a later one finds them by their records.
package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/rootfs"
)

// Images resolves an image to its layers. NotFound if it is not stored, Corrupt if it is not what its digest names.
type Images interface {
	ReadImage(ctx context.Context, digest slipway.Digest) (slipway.Image, error)
}

// Config is what a provider needs; all of it is needed but Settings.
type Config struct {
	Dir       string // for everything it keeps; no other process may use it
	Images    Images
	Mounts    *rootfs.Mounts
	AgentPath string // the slipway-agent program
	// Settings gives machines their service configuration; nil where none is launched with any.
	Settings slipway.LaunchConfig
	Log      *slog.Logger
}

// Provider implements slipway.Provider on this host.
type Provider struct {
	Config
	records  records
	settings *settings
	runtime  *container.Runtime
	network  *network
	prober   *http.Client
	watchers watchers
	launches chan struct{} // held by a launch under way

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup // goroutines

	mu       sync.Mutex
	closed   bool
	groups   map[string]*group
	machines map[string]*machine
}

var _ slipway.Provider = (*Provider)(nil)

// New returns a provider that goes on where the last one of config.Dir left off: it takes over machines that run, finishes
// what was half made or half destroyed, and removes what no record knows. Unprepared, saying what to do, if the host lacks something.
func New(ctx context.Context, config Config) (*Provider, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	if config.AgentPath, err = filepath.Abs(config.AgentPath); err != nil {
		return nil, err
	}
	if _, err := os.Stat(config.AgentPath); err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot run machines: no slipway-agent: %w", err)
	}
	for _, sub := range []string{"groups", "machines", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	rt, err := container.NewRuntime(filepath.Join(dir, "runc"))
	if err != nil {
		return nil, err
	}
	p := &Provider{
		Config: config, records: records{dir: dir}, settings: newSettings(dir), runtime: rt,
		launches: make(chan struct{}, max(2, runtime.NumCPU())),
		groups:   map[string]*group{}, machines: map[string]*machine{},
	}
	p.prober = newProber()
	p.ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.recover(ctx); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	p.mu.Lock()
	p.run(p.inspect)
	p.mu.Unlock()
	return p, nil
}

// Close ends what this process does; machines keep running. It waits for launches under way, and returns ctx's error if that takes too long.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.stop()
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.machines {
		if m.process != nil {
			m.process.Close()
		}
	}
	if p.network == nil {
		return nil
	}
	return p.network.close()
}

// EnsureServerGroup implements slipway.Provider. An image that is missing or corrupt is refused here, before the group exists, and so is a
// configuration that cannot be read.
func (p *Provider) EnsureServerGroup(ctx context.Context, spec slipway.ServerGroupSpec) error {
	if _, ok := slipway.GroupNumber(spec.Name); !ok || len(spec.Name) > 100 {
		return slipway.Errorf(slipway.Invalid, "cannot make server group %q: want a name such as hello-prod-v001", spec.Name)
	}
	if err := validSize(spec.Size); err != nil {
		return err
	}
	if err := validService(spec.Service); err != nil {
		return err
	}
	p.mu.Lock()
	exists, err := p.hasGroup(spec)
	p.mu.Unlock()
	if exists || err != nil {
		return err
	}
	if err := p.checkImage(ctx, spec.Image); err != nil {
		return err
	}
	if _, err := p.values(ctx, spec.Cluster, spec.ConfigVersion); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if exists, err := p.hasGroup(spec); exists || err != nil { // another call was faster
		return err
	}
	record := groupRecord{ServerGroupSpec: spec, Created: time.Now()}
	if err := p.records.putGroup(record); err != nil {
		return err
	}
	return p.startGroup(record)
}

// ServerGroup implements slipway.Provider.
func (p *Provider) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[name]
	if g == nil {
		return slipway.ServerGroup{}, noGroup(name)
	}
	return p.view(g), nil
}

// ServerGroups implements slipway.Provider.
func (p *Provider) ServerGroups(context.Context) ([]slipway.ServerGroup, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	groups := make([]slipway.ServerGroup, 0, len(p.groups))
	for _, g := range p.groups {
		groups = append(groups, p.view(g))
	}
	slices.SortFunc(groups, func(a, b slipway.ServerGroup) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

// ResizeServerGroup implements slipway.Provider.
func (p *Provider) ResizeServerGroup(_ context.Context, name string, size slipway.Size) error {
	if err := validSize(size); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[name]
	switch {
	case g == nil:
		return noGroup(name)
	case g.Destroying:
		return slipway.Errorf(slipway.Conflict, "cannot resize server group %s: it is being destroyed", name)
	case g.Size == size:
		return nil
	}
	record := g.groupRecord
	record.Size = size
	if err := p.records.putGroup(record); err != nil {
		return err
	}
	g.groupRecord = record
	g.poke()
	p.watchers.notify(name)
	return nil
}

// DestroyServerGroup implements slipway.Provider.
func (p *Provider) DestroyServerGroup(ctx context.Context, name string) error {
	p.mu.Lock()
	g := p.groups[name]
	if g == nil {
		p.mu.Unlock()
		return nil
	}
	if !g.Destroying {
		record := g.groupRecord
		record.Destroying = true
		if err := p.records.putGroup(record); err != nil {
			p.mu.Unlock()
			return err
		}
		g.groupRecord = record
		g.poke()
	}
	p.mu.Unlock()
	return p.await(ctx, g.gone, "server group "+name)
}

// Launch implements slipway.Provider.
func (p *Provider) Launch(ctx context.Context, spec slipway.MachineSpec) (slipway.Instance, error) {
	if !machineForm.MatchString(spec.ID) {
		return slipway.Instance{}, slipway.Errorf(slipway.Invalid, "cannot launch machine %q: an ID has lower-case letters, digits and dashes", spec.ID)
	}
	if err := validService(spec.Service); err != nil && !spec.Stay {
		return slipway.Instance{}, err
	}
	if err := p.checkImage(ctx, spec.Image); err != nil {
		return slipway.Instance{}, err
	}
	m, err := p.addThrowAway(ctx, spec)
	if err != nil {
		return slipway.Instance{}, err
	}
	if err := p.await(ctx, m.launched, "machine "+spec.ID); err != nil {
		return slipway.Instance{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.view(), m.launchErr
}

// Instance implements slipway.Provider.
func (p *Provider) Instance(_ context.Context, id string) (slipway.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machines[id]
	if m == nil {
		return slipway.Instance{}, noMachine(id)
	}
	return m.view(), nil
}

// Instances implements slipway.Provider.
func (p *Provider) Instances(context.Context) ([]slipway.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	instances := make([]slipway.Instance, 0, len(p.machines))
	for _, m := range p.machines {
		instances = append(instances, m.view())
	}
	sortInstances(instances)
	return instances, nil
}

// Terminate implements slipway.Provider.
func (p *Provider) Terminate(ctx context.Context, id string) error {
	p.mu.Lock()
	m := p.machines[id]
	if m == nil {
		p.mu.Unlock()
		return nil
	}
	p.retire(m, notice(m))
	p.mu.Unlock()
	return p.await(ctx, m.gone, "machine "+id)
}

// Watch implements slipway.Provider.
func (p *Provider) Watch(ctx context.Context) <-chan string { return p.watchers.add(ctx, p.ctx) }

// await waits for what the provider does in the background.
func (p *Provider) await(ctx context.Context, done <-chan struct{}, what string) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return slipway.Errorf(slipway.Unavailable, "cannot wait for %s: the provider is shutting down", what)
	}
}

// hasGroup reports whether there is a group made from spec; Conflict if there is another of its name. p.mu must be held.
func (p *Provider) hasGroup(spec slipway.ServerGroupSpec) (bool, error) {
	g := p.groups[spec.Name]
	switch {
	case g == nil:
		return false, nil
	case g.Destroying:
		return false, slipway.Errorf(slipway.Conflict, "cannot make server group %s: it is being destroyed", spec.Name)
	case !sameSpec(g.ServerGroupSpec, spec):
		return false, slipway.Errorf(slipway.Conflict, "cannot make server group %s: one with this name exists and is made from something else", spec.Name)
	}
	return true, nil
}

// checkImage returns an error unless the image is stored whole; then all its layers are mounted.
func (p *Provider) checkImage(ctx context.Context, digest slipway.Digest) error {
	_, err := p.layers(ctx, digest, true)
	return err
}

// layers returns the digests of an image's layers, lowest first, and mounts them if asked to.
func (p *Provider) layers(ctx context.Context, digest slipway.Digest, mount bool) ([]slipway.Digest, error) {
	image, err := p.Images.ReadImage(ctx, digest)
	if err != nil {
		return nil, err
	}
	layers := make([]slipway.Digest, len(image.Layers))
	for i, l := range image.Layers {
		layers[i] = l.Digest
		if !mount {
			continue
		}
		if _, err := p.Mounts.Layer(ctx, l.Digest); err != nil {
			return nil, fmt.Errorf("image %s: %w", digest.Short(), err)
		}
	}
	return layers, nil
}

// hash names what is the provider's on the host.
func (p *Provider) hash() string {
	sum := sha256.Sum256([]byte(p.Dir))
	return hex.EncodeToString(sum[:])
}

// run starts a goroutine that Close waits for. p.mu must be held, so that none begins after Close.
func (p *Provider) run(f func()) {
	if !p.closed {
		p.work.Go(f)
	}
}

func validSize(s slipway.Size) error {
	if s.Min < 0 || s.Desired < s.Min || s.Max < s.Desired {
		return slipway.Errorf(slipway.Invalid, "cannot use size %d/%d/%d: want 0 <= min <= desired <= max", s.Min, s.Desired, s.Max)
	}
	return nil
}

func validService(s slipway.Service) error {
	if len(s.Command) == 0 {
		return slipway.Errorf(slipway.Invalid, "cannot start a machine: its service has no command")
	}
	return nil
}

func noGroup(name string) error {
	return slipway.Errorf(slipway.NotFound, "no server group %s", name)
}

func noMachine(id string) error { return slipway.Errorf(slipway.NotFound, "no instance %s", id) }
