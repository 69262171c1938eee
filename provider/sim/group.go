package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// group is a server group. It is kept at its size by the rules of provider/local. World.mu guards it.
type group struct {
	slipway.ServerGroupSpec
	created  time.Time
	machines []*machine // in the order in which they were launched
	replaced int
	failures int // machines that ended before they were healthy, as their behaviour has it
	short    int // machines that there is no room for

	quick   int       // instances in a row that were lost soon after they were launched
	next    time.Time // no instance is launched before
	waiting bool      // until then
	trouble string
}

const (
	// An instance lost earlier than soon is not the bad luck of one machine.
	soon = 10 * time.Second
	// After that many in a row, launches wait longer and longer.
	tries    = 3
	maxPause = 30 * time.Second
)

// keep makes the group what it should be. mu must be held.
func (w *World) keep(g *group) {
	var live []*machine
	for _, m := range slices.Clone(g.machines) {
		switch {
		case m.retired:
		case m.state == slipway.InstanceUnhealthy && m.disabled != nil:
			live = append(live, m) // somebody looks into it
		case m.state == slipway.InstanceDead || m.state == slipway.InstanceUnhealthy:
			w.lose(g, m)
		default:
			live = append(live, m)
		}
	}
	if surplus := len(live) - g.Size.Desired; surplus > 0 {
		live = slices.DeleteFunc(live, func(m *machine) bool { return m.protected != nil })
		slices.Reverse(live) // of two of one age the one that was launched later goes first
		slices.SortStableFunc(live, leastUseful)
		for _, m := range live[:min(surplus, len(live))] {
			w.retire(m, notice(m))
		}
		return
	}
	if w.now.Before(g.next) {
		w.wait(g)
		return
	}
	for range g.Size.Desired - len(live) {
		w.add(g)
	}
}

// wait has the group looked at again when it may launch again. mu must be held.
func (w *World) wait(g *group) {
	if g.waiting {
		return
	}
	g.waiting = true
	w.after(g.next.Sub(w.now), func() string {
		g.waiting = false
		if w.groups[g.Name] == g {
			w.keep(g)
		}
		return ""
	})
}

// add launches a machine of the group. mu must be held.
func (w *World) add(g *group) {
	m := &machine{group: g.Name, image: g.Image, service: g.Service, config: g.Config, configVersion: g.ConfigVersion}
	// An image that is there when the group is made is not taken away from it.
	m.behaviour, _ = w.behaviour(g.Image, g.Config)
	m.unlaunched = g.short > 0 || w.full()
	g.short = max(0, g.short-1)
	w.begin(m)
	g.machines = append(g.machines, m)
}

// lose counts an instance that is no use any more, and retires it. mu must be held.
func (w *World) lose(g *group, m *machine) {
	if !m.unlaunched {
		g.replaced++
	}
	if w.now.Sub(m.created) < soon {
		g.quick++
	} else {
		g.quick = 0
	}
	g.trouble = fmt.Sprintf("instance %s was lost: %s", m.id, m.reason)
	if over := g.quick - tries; over >= 0 {
		pause := min(time.Second<<min(over, 10), maxPause)
		g.next = w.now.Add(pause)
		g.trouble = fmt.Sprintf("%d instances in a row were lost within %s of their launch, the last one %s: %s; the next is launched after %s", g.quick, soon, m.id, m.reason, pause)
	}
	w.retire(m, remains)
}

// forget removes the group with all that is left of it. mu must be held.
func (w *World) forget(g *group) {
	delete(w.groups, g.Name)
	for _, m := range g.machines {
		w.finish(m)
	}
	w.touch(g.Name)
}

func (g *group) drop(m *machine) {
	if i := slices.Index(g.machines, m); i >= 0 {
		g.machines = slices.Delete(g.machines, i, i+1)
	}
}

// view is the group as others see it.
func (g *group) view() slipway.ServerGroup {
	view := slipway.ServerGroup{ServerGroupSpec: copied(g.ServerGroupSpec), Created: g.created, Replaced: g.replaced, Instances: make([]slipway.Instance, len(g.machines))}
	for i, m := range g.machines {
		view.Instances[i] = m.view()
	}
	if view.Healthy() < g.Size.Desired {
		view.Trouble = g.trouble
	}
	return view
}

// leastUseful orders the instances to let go first: those that are disabled, those that serve nothing yet, then the youngest.
func leastUseful(a, b *machine) int {
	if disabled := a.disabled != nil; disabled != (b.disabled != nil) {
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
	return b.created.Compare(a.created)
}

// notice returns how long a machine is left alone once it is said to be stopping.
func notice(m *machine) time.Duration {
	if m.group != "" && m.state == slipway.InstanceHealthy {
		return advance
	}
	return 0
}

// copied shares nothing that can be changed with spec.
func copied(spec slipway.ServerGroupSpec) slipway.ServerGroupSpec {
	spec.Config = maps.Clone(spec.Config)
	spec.Service.Env = maps.Clone(spec.Service.Env)
	spec.Service.Command = slices.Clone(spec.Service.Command)
	return spec
}

// sameSpec reports whether two groups are made from the same, whatever their size.
func sameSpec(a, b slipway.ServerGroupSpec) bool {
	a.Size, b.Size = slipway.Size{}, slipway.Size{}
	ja, aerr := json.Marshal(a)
	jb, berr := json.Marshal(b)
	return aerr == nil && berr == nil && string(ja) == string(jb)
}
