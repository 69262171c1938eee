package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// group is a server group. One goroutine compares what it should be with what there is, from scratch, whenever something has
// changed. Provider.mu guards it.
type group struct {
	groupRecord
	wake chan struct{}
	gone chan struct{} // closed when it is destroyed

	quick   int       // instances in a row that were lost soon after they were launched
	next    time.Time // no instance is launched before
	trouble string    // what became of the last one that was lost
}

const (
	// An instance lost earlier than soon is not the bad luck of one machine.
	soon = 10 * time.Second
	// After that many in a row, launches wait longer and longer.
	tries    = 3
	maxPause = 30 * time.Second
)

// startGroup begins to keep a recorded group. p.mu must be held.
func (p *Provider) startGroup(record groupRecord) error {
	if p.closed {
		return slipway.Errorf(slipway.Unavailable, "cannot make server group %s: the provider is shutting down", record.Name)
	}
	g := &group{groupRecord: record, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	p.groups[g.Name] = g
	p.run(func() { p.keep(g) })
	p.watchers.notify(g.Name)
	return nil
}

// poke has the group looked at again. It never waits.
func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (p *Provider) keep(g *group) {
	for {
		again, done := p.reconcile(g)
		if done || !p.wait(again, g.wake) {
			return
		}
	}
}

// reconcile makes the group what it should be. It returns when to look again at the latest, and whether the group is gone.
func (p *Provider) reconcile(g *group) (again time.Duration, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, true
	}
	again = time.Hour
	all, live := 0, []*machine(nil)
	for _, m := range p.machines {
		if m.Group != g.Name {
			continue
		}
		all++
		switch {
		case m.Retired:
		case g.Destroying:
			p.retire(m, 0)
		case m.state == slipway.InstanceUnhealthy && m.Disabled != nil:
			live = append(live, m) // somebody looks into it
		case m.state == slipway.InstanceDead || m.state == slipway.InstanceUnhealthy:
			p.lose(g, m)
		default:
			live = append(live, m)
		}
	}
	if g.Destroying {
		if all > 0 {
			return again, false
		}
		if err := os.Remove(p.records.groupPath(g.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.Log.Warn("cannot forget a server group yet", "group", g.Name, "error", err)
			return time.Second, false
		}
		delete(p.groups, g.Name)
		p.watchers.notify(g.Name)
		close(g.gone)
		return 0, true
	}
	if surplus := len(live) - g.Size.Desired; surplus > 0 {
		removable := slices.DeleteFunc(live, func(m *machine) bool { return m.Protected != nil })
		slices.SortFunc(removable, leastUseful)
		for _, m := range removable[:min(surplus, len(removable))] {
			p.retire(m, notice(m))
		}
		return again, false
	}
	if pause := time.Until(g.next); pause > 0 {
		return pause, false
	}
	for range g.Size.Desired - len(live) {
		m := p.add(machineRecord{
			ID: newMachineID(), Group: g.Name, Cluster: g.Cluster, Image: g.Image, Service: g.Service, Config: g.Config,
			ConfigVersion: g.ConfigVersion, Limits: g.Limits, Created: time.Now(),
		})
		p.run(func() { p.launch(m) })
	}
	return again, false
}

// lose counts an instance that is no use any more, and retires it. p.mu must be held.
func (p *Provider) lose(g *group, m *machine) {
	if m.launchErr == nil {
		g.Replaced++
		if err := p.records.putGroup(g.groupRecord); err != nil {
			p.Log.Warn("cannot record that an instance was replaced", "group", g.Name, "error", err)
		}
	}
	if time.Since(m.Created) < soon {
		g.quick++
	} else {
		g.quick = 0
	}
	g.trouble = fmt.Sprintf("instance %s was lost: %s", m.ID, m.reason)
	if over := g.quick - tries; over >= 0 {
		pause := min(time.Second<<min(over, 10), maxPause)
		g.next = time.Now().Add(pause)
		g.trouble = fmt.Sprintf("%d instances in a row were lost within %s of their launch, the last one %s: %s; the next is launched after %s", g.quick, soon, m.ID, m.reason, pause)
	}
	p.retire(m, remains)
}

// view is the group as others see it. p.mu must be held.
func (p *Provider) view(g *group) slipway.ServerGroup {
	view := slipway.ServerGroup{ServerGroupSpec: g.ServerGroupSpec, Created: g.Created, Replaced: g.Replaced, Instances: []slipway.Instance{}}
	for _, m := range p.machines {
		if m.Group == g.Name {
			view.Instances = append(view.Instances, m.view())
		}
	}
	sortInstances(view.Instances)
	if view.Healthy() < g.Size.Desired {
		view.Trouble = g.trouble
	}
	return view
}

// leastUseful orders the instances to let go first: those that are disabled, those that serve nothing yet, then the youngest.
func leastUseful(a, b *machine) int {
	if disabled := a.Disabled != nil; disabled != (b.Disabled != nil) {
		if disabled {
			return -1
		}
		return 1
	}
	if healthy := b.state == slipway.InstanceHealthy; healthy != (a.state == slipway.InstanceHealthy) {
		if healthy {
			return -1
		}
		return 1
	}
	return b.Created.Compare(a.Created)
}

// sameSpec reports whether two groups are made from the same, whatever their size.
func sameSpec(a, b slipway.ServerGroupSpec) bool {
	a.Size, b.Size = slipway.Size{}, slipway.Size{}
	ja, aerr := json.Marshal(a)
	jb, berr := json.Marshal(b)
	return aerr == nil && berr == nil && string(ja) == string(jb)
}
