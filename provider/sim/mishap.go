package sim

import (
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// MishapKind says what happens by itself.
type MishapKind string

// The kinds.
const (
	Death          MishapKind = "death"           // a machine ends
	Sickness       MishapKind = "sickness"        // a machine fails its health check from now on
	Vanishing      MishapKind = "vanishing"       // somebody removes a server group by hand, machines and all
	BalancerReload MishapKind = "balancer reload" // the load balancer's counters restart from zero
)

// Mishaps lists every kind.
var Mishaps = []MishapKind{Death, Sickness, Vanishing, BalancerReload}

// Mishap is something that happens to a server group, or to all load balancers, by itself.
type Mishap struct {
	Kind    MishapKind
	Group   string
	Machine int           // of the group's machines that do not end yet, in the order in which they were launched, counted from 0 and round and round
	After   time.Duration // from now
}

// String says what happens, for people.
func (m Mishap) String() string {
	switch m.Kind {
	case Death, Sickness:
		return fmt.Sprintf("%s of machine %d of %s after %s", m.Kind, m.Machine, m.Group, m.After)
	case Vanishing:
		return fmt.Sprintf("%s of %s after %s", m.Kind, m.Group, m.After)
	}
	return fmt.Sprintf("%s after %s", m.Kind, m.After)
}

// Plan has a mishap happen. If the group, or a machine of it, is not there by then, nothing does.
func (w *World) Plan(m Mishap) {
	w.mu.Lock()
	if m.After > 0 {
		w.after(m.After, func() string { return w.suffer(m) })
		w.mu.Unlock()
		return
	}
	change := w.suffer(m)
	w.mu.Unlock()
	w.observe(change)
}

// Kill ends a machine; nothing happens if there is none of that ID.
func (w *World) Kill(id string) { w.hurt(id, Death) }

// Sicken lets a machine fail its health check from now on; nothing happens if there is none of that ID.
func (w *World) Sicken(id string) { w.hurt(id, Sickness) }

// Vanish removes a server group as somebody would by hand: its machines end at once.
func (w *World) Vanish(group string) { w.Plan(Mishap{Kind: Vanishing, Group: group}) }

// RestartBalancer lets the counters of all load balancers restart from zero, as another process does.
func (w *World) RestartBalancer() { w.Plan(Mishap{Kind: BalancerReload}) }

// Room sets for how many machines there is room in all: those beyond fail to launch until there is. 0 is any number.
func (w *World) Room(machines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room = machines
}

// Occupy lets some other program listen on an address, for a load balancer to find it in use.
func (w *World) Occupy(address string, port int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = append(w.taken, endpoint(address, port))
}

func (w *World) hurt(id string, kind MishapKind) {
	w.mu.Lock()
	change := w.harm(w.machines[id], kind)
	w.mu.Unlock()
	w.observe(change)
}

// suffer lets a mishap happen, and returns what that was. mu must be held.
func (w *World) suffer(m Mishap) string {
	if m.Kind == BalancerReload {
		w.reload()
		return "the load balancer reloads"
	}
	g := w.groups[m.Group]
	if g == nil {
		return ""
	}
	if m.Kind == Vanishing {
		for _, one := range g.machines {
			w.die(one, "")
		}
		w.forget(g)
		return m.Group + " vanishes"
	}
	var live []*machine
	for _, one := range g.machines {
		if !one.retired && one.state != slipway.InstanceDead {
			live = append(live, one)
		}
	}
	if len(live) == 0 {
		return ""
	}
	return w.harm(live[m.Machine%len(live)], m.Kind)
}

// harm lets something happen to a machine. mu must be held.
func (w *World) harm(m *machine, kind MishapKind) string {
	switch {
	case m == nil || m.state == slipway.InstanceDead:
		return ""
	case kind == Death:
		w.die(m, killed)
		w.settle(m)
	case kind == Sickness:
		w.sicken(m)
	}
	return m.id + ": " + string(kind)
}
