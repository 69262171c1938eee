package sim

import (
	"slices"

	"github.com/slipway-sh/slipway"
)

// What follows tells what is so, and may differ from what the load balancer has noticed. It is of the time that the world has come to,
// lets no time pass, and has no faults.

// Serving returns, by server group, how many machines of a load balancer's pool would answer a request: active and standby ones.
func (w *World) Serving(loadBalancer string) map[string]int {
	return w.count(loadBalancer, slipway.Active, slipway.Standby)
}

// Active is as Serving, of active targets alone.
func (w *World) Active(loadBalancer string) map[string]int {
	return w.count(loadBalancer, slipway.Active)
}

// Capacity returns how many machines of a load balancer's pool share its requests: the active targets that would answer one, or, if none
// does, the standby ones.
func (w *World) Capacity(loadBalancer string) int {
	n := sum(w.Active(loadBalancer))
	if n == 0 {
		n = sum(w.count(loadBalancer, slipway.Standby))
	}
	return n
}

// Lost returns how many of the clients' requests nobody served.
func (w *World) Lost(loadBalancer string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(w.clientsOf(loadBalancer).lost + 1e-9)
}

// Targets returns the targets of a load balancer; nil if it has no listener.
func (w *World) Targets(loadBalancer string) []slipway.TargetStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.poolOf(loadBalancer)
	if p == nil {
		return nil
	}
	return w.status(p).Targets
}

// Groups returns the names of all server groups of a cluster, in order.
func (w *World) Groups(cluster slipway.Cluster) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name, g := range w.groups {
		if g.Cluster == cluster {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Group returns a server group, and whether it is there.
func (w *World) Group(name string) (slipway.ServerGroup, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.groups[name]
	if g == nil {
		return slipway.ServerGroup{}, false
	}
	return g.view(), true
}

// Late returns how many changes that were asked for have not been made yet.
func (w *World) Late() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, late := range w.late {
		n += len(late)
	}
	return n
}

func (w *World) count(loadBalancer string, modes ...slipway.TargetMode) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	p := w.poolOf(loadBalancer)
	if p == nil {
		return n
	}
	for _, t := range p.targets {
		if t.serves() && slices.Contains(modes, t.Mode) {
			n[t.Group]++
		}
	}
	return n
}

func sum(by map[string]int) (n int) {
	for _, k := range by {
		n += k
	}
	return n
}
