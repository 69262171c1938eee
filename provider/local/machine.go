package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/container"
)

// machine is one machine, from before it is made until nothing of it is left. Provider.mu guards it.
//
//	starting ──▶ healthy ──▶ unhealthy
//	    │           │            │
//	    ├───────────┴────────────┼──▶ dead         its first process ended by itself
//	    └───────────┴────────────┴──▶ stopping     retired; a dead one stays dead
type machine struct {
	machineRecord
	state   slipway.InstanceState
	reason  string
	address string

	ctx       context.Context // ends when the machine is to be stopped or is dead
	stop      context.CancelFunc
	launched  chan struct{} // closed when it runs, or will not
	launchErr error         // why it will not
	process   *container.Process
	died      chan struct{} // closed when process has ended
	removing  bool
	gone      chan struct{} // closed when nothing is left of it
}

var machineForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?$`)

const (
	// remains is how long a dead or unhealthy machine of a group stays: who sends it requests has been told, and until then
	// finds connections refused rather than unanswered.
	remains = time.Second
	// advance is how long before SIGTERM the provider says that a machine is stopping, for the load balancer to take it out.
	advance = 300 * time.Millisecond
	// mercy is what the agent gets on top of the drain time to kill the service and keep its last output.
	mercy = 2 * time.Second

	defaultDrain  = 10 * time.Second
	defaultMemory = 512 // MiB
	defaultPIDs   = 1024
)

// addThrowAway returns the machine of a spec's ID, launching it if there is none.
func (p *Provider) addThrowAway(ctx context.Context, spec slipway.MachineSpec) (*machine, error) {
	record := machineRecord{
		ID: spec.ID, Owner: spec.Owner, Image: spec.Image, Service: spec.Service, Config: spec.Config, Limits: spec.Limits,
		Cluster: spec.Cluster, ConfigVersion: spec.ConfigVersion, Created: time.Now(), Expires: spec.Expires, Stay: spec.Stay,
	}
	for {
		p.mu.Lock()
		m := p.machines[spec.ID]
		if m == nil {
			m = p.add(record)
			p.run(func() { p.launch(m) })
			p.mu.Unlock()
			return m, nil
		}
		retired := m.Retired
		same := m.Group == "" && m.Image == spec.Image && reflect.DeepEqual(m.Service.Command, spec.Service.Command)
		p.mu.Unlock()
		switch {
		case !same:
			return nil, slipway.Errorf(slipway.Conflict, "cannot launch machine %s: one with this ID exists and is made from something else", spec.ID)
		case !retired:
			return m, nil
		}
		// What an earlier process left half made is on its way out.
		if err := p.await(ctx, m.gone, "machine "+spec.ID); err != nil {
			return nil, err
		}
	}
}

// add makes the machine known. p.mu must be held.
func (p *Provider) add(record machineRecord) *machine {
	m := &machine{
		machineRecord: record, state: slipway.InstanceStarting,
		launched: make(chan struct{}), died: make(chan struct{}), gone: make(chan struct{}),
	}
	m.ctx, m.stop = context.WithCancel(p.ctx)
	p.machines[m.ID] = m
	p.watchers.notify(m.Group)
	if !m.Expires.IsZero() {
		p.run(func() {
			timer := time.NewTimer(time.Until(m.Expires))
			defer timer.Stop()
			select {
			case <-timer.C:
				p.mu.Lock()
				defer p.mu.Unlock()
				p.retire(m, 0)
			case <-m.gone:
			case <-p.ctx.Done():
			}
		})
	}
	return m
}

// launch makes the machine and begins to watch it.
func (p *Provider) launch(m *machine) {
	defer close(m.launched)
	process, err := p.make(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.watch(m, process)
		return
	}
	close(m.died)
	if errors.Is(err, os.ErrProcessDone) { // it was launched well, and its service has ended since
		m.stop()
		p.setState(m, slipway.InstanceDead, p.epitaph(m.ID))
		return
	}
	m.launchErr = err
	if m.Retired || p.ctx.Err() != nil {
		return // it is removed anyway, or the next process finds out what there is
	}
	if slipway.CodeOf(err) == slipway.Internal {
		p.Log.Error("cannot launch a machine", "machine", m.ID, "group", m.Group, "error", err)
	}
	p.setState(m, slipway.InstanceDead, "cannot be launched: "+slipway.MessageOf(err))
	if m.Group == "" {
		p.retire(m, 0)
	}
}

// make does what takes time: everything on the host that a machine consists of.
func (p *Provider) make(m *machine) (*container.Process, error) {
	select {
	case p.launches <- struct{}{}:
		defer func() { <-p.launches }()
	case <-m.ctx.Done():
		return nil, slipway.Errorf(slipway.Conflict, "cannot launch machine %s: it was stopped before it began", m.ID)
	}
	// A launch that has begun is finished: half a machine is more work than a whole one.
	ctx := context.WithoutCancel(m.ctx)
	place, err := p.network.take(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.place(m, place); err != nil {
		return nil, err
	}
	layers, err := p.layers(ctx, m.Image, false)
	if err != nil {
		return nil, err
	}
	dir := p.records.machineDir(m.ID)
	at := func(name string) string { return filepath.Join(dir, name) }
	var spec *specs.Spec
	var both errgroup.Group
	both.Go(func() error { return p.Mounts.Overlay(ctx, at("root"), layers, at("upper"), at("work")) })
	both.Go(func() (err error) { spec, err = p.prepare(m, dir); return err })
	if err := both.Wait(); err != nil {
		return nil, err
	}
	return p.runtime.Start(ctx, m.ID, dir, spec)
}

// place gives the machine its place on the network and records it, before anything of it is made.
func (p *Provider) place(m *machine, place int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The place is given back when the machine is removed, and not before: by then another one could have it.
	m.Place, m.address = place, p.network.address(place).String()
	if err := os.MkdirAll(p.records.machineDir(m.ID), 0o700); err != nil {
		return err
	}
	return p.records.putMachine(m.machineRecord)
}

// prepare writes what the machine is given by the host, and returns the container's configuration.
func (p *Provider) prepare(m *machine, dir string) (*specs.Spec, error) {
	values, err := p.values(context.WithoutCancel(m.ctx), m.Cluster, m.ConfigVersion)
	if err != nil {
		return nil, err
	}
	told, err := p.settings.put(m.ID, m.told(values))
	if err != nil {
		return nil, err
	}
	hosts := "127.0.0.1\tlocalhost\n" + m.address + "\t" + m.ID + "\n"
	mounts := []specs.Mount{container.Bind(p.AgentPath, agent.Path, true), container.Bind(filepath.Join(told, settingsName), agent.ConfigPath, true)}
	if slices.ContainsFunc(values, func(v slipway.LaunchValue) bool { return v.Deliver == slipway.DeliverFile }) {
		mounts = append(mounts, container.Bind(filepath.Join(told, secretsName), agent.SecretsPath, false))
	}
	for _, f := range []struct {
		name, target string
		content      []byte
	}{
		{"resolv.conf", "/etc/resolv.conf", resolvers(resolverFiles)},
		{"hosts", "/etc/hosts", []byte(hosts)},
		{"hostname", "/etc/hostname", []byte(m.ID + "\n")},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.content, 0o644); err != nil {
			return nil, err
		}
		mounts = append(mounts, container.Bind(path, f.target, true))
	}
	state := filepath.Join(dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	memory, pids := m.Limits.Memory, m.Limits.PIDs
	if memory == 0 {
		memory = defaultMemory
	}
	if pids == 0 {
		pids = defaultPIDs
	}
	return container.Spec(container.Options{
		Root: filepath.Join(dir, "root"), Args: []string{agent.Path}, Hostname: m.ID,
		NetworkNamespace: p.network.namespace(m.Place), Mounts: append(mounts, container.Bind(state, agent.StatePath, false), filesMount),
		CPU: m.Limits.CPU, Memory: int64(memory) << 20, PIDs: int64(pids),
	}), nil
}

// watch begins to look after a machine that runs. p.mu must be held.
func (p *Provider) watch(m *machine, process *container.Process) {
	m.process = process
	p.run(func() {
		// Wait has no context: closing the process ends it.
		defer context.AfterFunc(p.ctx, func() { process.Close() })()
		if process.Wait() != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		close(m.died)
		m.stop()
		if !m.Retired {
			p.setState(m, slipway.InstanceDead, p.epitaph(m.ID))
		}
	})
	p.run(func() { p.probe(m) })
}

// retire has the machine stopped and removed, after a time in which it is left alone. p.mu must be held.
func (p *Provider) retire(m *machine, after time.Duration) {
	if m.removing {
		return
	}
	m.removing, m.Retired = true, true
	if m.Place != 0 {
		if err := p.records.putMachine(m.machineRecord); err != nil {
			p.Log.Warn("cannot record that a machine is retired", "machine", m.ID, "error", err)
		}
	}
	if m.state == slipway.InstanceStarting || m.state == slipway.InstanceHealthy {
		p.setState(m, slipway.InstanceStopping, "")
	}
	p.run(func() { p.remove(m, after) })
}

// remove takes the machine away, and tries until it is gone.
func (p *Provider) remove(m *machine, after time.Duration) {
	if !p.wait(after, nil) {
		return
	}
	m.stop()
	if !p.wait(time.Hour, m.launched) {
		return
	}
	p.mu.Lock()
	process := m.process
	if m.state != slipway.InstanceDead {
		p.setState(m, slipway.InstanceStopping, m.reason)
	}
	p.mu.Unlock()
	if process != nil {
		if !p.end(m, process) {
			return
		}
		defer process.Close()
	}
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := p.clean(p.ctx, m.ID, m.Place)
		if err == nil {
			break
		}
		if p.ctx.Err() != nil {
			return
		}
		p.Log.Warn("cannot remove a machine yet", "machine", m.ID, "error", err)
		p.wait(pause, nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.machines, m.ID)
	p.watchers.notify(m.Group)
	if g := p.groups[m.Group]; g != nil {
		g.poke()
	}
	close(m.gone)
}

// end stops the machine's service gracefully, and then ungracefully. When it returns, whoever waits for the end knows of it; it
// returns false if the provider is closed meanwhile.
func (p *Provider) end(m *machine, process *container.Process) bool {
	signal, pause := syscall.SIGTERM, 20*time.Millisecond
	for deadline := time.Now().Add(m.drain() + mercy); !process.Ended(); pause = min(2*pause, time.Second) {
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		// More than once: a first process that does not listen yet loses signals.
		if err := process.Signal(signal); err != nil {
			p.Log.Warn("cannot signal a machine", "machine", m.ID, "signal", signal, "error", err)
		}
		if !p.wait(pause, m.died) {
			return false
		}
	}
	return p.wait(time.Hour, m.died)
}

// clean removes everything the host has of a machine, however far it had come. The record goes last.
func (p *Provider) clean(ctx context.Context, id string, place int) error {
	dir := p.records.machineDir(id)
	if err := p.runtime.Delete(ctx, id); err != nil {
		return err
	}
	if err := p.Mounts.Unmount(filepath.Join(dir, "root")); err != nil {
		return err
	}
	if place != 0 {
		if err := p.network.release(place); err != nil {
			return err
		}
	}
	if err := p.settings.drop(id); err != nil {
		return err
	}
	if err := p.keepLogs(id); err != nil {
		p.Log.Warn("cannot keep a machine's log", "machine", id, "error", err)
	}
	return os.RemoveAll(dir)
}

// setState is the only place where a machine's state changes. p.mu must be held.
func (p *Provider) setState(m *machine, state slipway.InstanceState, reason string) {
	if m.state == state && m.reason == reason {
		return
	}
	m.state, m.reason = state, reason
	p.Log.Info("machine", "machine", m.ID, "group", m.Group, "state", state, "reason", reason)
	p.watchers.notify(m.Group)
	if g := p.groups[m.Group]; g != nil {
		g.poke()
	}
}

// wait waits for a channel or a time. It returns false if the provider is closed meanwhile.
func (p *Provider) wait(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-p.ctx.Done():
		return false
	}
	return true
}

func (m *machine) view() slipway.Instance {
	return slipway.Instance{
		ID: m.ID, Group: m.Group, Image: m.Image, Address: m.address, Port: m.Service.Port,
		State: m.state, Reason: m.reason, Started: m.Created, ConfigVersion: m.ConfigVersion, Expires: m.Expires, Owner: m.Owner,
		Taint: m.Taint, Disabled: m.Disabled, Protected: m.Protected,
	}
}

func (m *machine) drain() time.Duration { return m.Service.Drain.Or(defaultDrain) }

// base is what is beneath the service configuration in the service's environment: defaults, what was baked, and what slipway.yaml says.
func (m *machine) base() map[string]string {
	env := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if m.Service.Port != 0 {
		env["PORT"] = strconv.Itoa(m.Service.Port)
	}
	maps.Copy(env, m.Service.Env)
	maps.Copy(env, m.Config)
	return env
}

// facts are what is so, whatever anybody says, in the service's environment.
func (m *machine) facts() map[string]string {
	env := map[string]string{"SLIPWAY_INSTANCE": m.ID, "SLIPWAY_IMAGE": string(m.Image)}
	if m.Group != "" {
		env["SLIPWAY_GROUP"] = m.Group
	}
	if m.Cluster != (slipway.Cluster{}) {
		env["SLIPWAY_APPLICATION"], env["SLIPWAY_ENVIRONMENT"] = m.Cluster.Application, m.Cluster.Environment
	}
	if m.ConfigVersion != 0 {
		env["SLIPWAY_CONFIG_VERSION"] = strconv.Itoa(m.ConfigVersion)
	}
	return env
}

// notice returns how long a machine is left alone once it is said to be stopping.
func notice(m *machine) time.Duration {
	if m.Group != "" && m.state == slipway.InstanceHealthy {
		return advance
	}
	return 0
}

// epitaph says how a machine's service ended, for people. It reads what the machine wrote.
func (p *Provider) epitaph(id string) string {
	var exit agent.Exit
	b, err := readState(filepath.Join(p.records.machineDir(id), "state"), agent.ExitName, 4096)
	switch {
	case err != nil || json.Unmarshal(b, &exit) != nil:
		return "its machine was killed, by its memory limit or from outside"
	case exit.Reason != "":
		return fmt.Sprintf("%.300q", exit.Reason)
	case exit.Code > 128 && exit.Code < 128+65:
		return fmt.Sprintf("its service was ended by signal %d (%s)", exit.Code-128, syscall.Signal(exit.Code-128))
	}
	return fmt.Sprintf("its service exited with status %d", exit.Code)
}

func newMachineID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return "i-" + hex.EncodeToString(b[:])
}

func sortInstances(instances []slipway.Instance) {
	slices.SortFunc(instances, func(a, b slipway.Instance) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}
