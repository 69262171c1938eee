package sim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// pool is a load balancer with everything behind it. World.mu guards it.
type pool struct {
	slipway.Pool
	targets  []*target
	epoch    int
	requests int64
	whole    float64 // requests that have not come whole yet
}

// target is one instance behind a load balancer.
type target struct {
	slipway.Target
	machine *machine // what answers at its address; nil if nothing ever did
	down    bool     // as the load balancer has noticed

	counts
	share         float64   // requests it is due
	failing       float64   // failures it is due
	breaking      float64   // broken requests it is due
	rate          float64   // requests a second that it got last
	until         time.Time // when it got the last ones
	latency       time.Duration
	failed, broke bool // its last request did so
}

type counts struct{ Requests, Failed, Broken int64 }

var wordForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// SetPool implements slipway.Router. A new or changed listener reloads the load balancer, as HAProxy does: all counters, of other pools
// too, restart from zero.
func (w *World) SetPool(ctx context.Context, p slipway.Pool) error {
	return w.change(ctx, "SetPool", p.LoadBalancer, func(Fault) error {
		p, err := checkPool(p)
		if err != nil {
			return err
		}
		address := endpoint(p.Address, p.Port)
		if slices.Contains(w.taken, address) {
			return slipway.Errorf(slipway.Conflict, "cannot listen on %s: address already in use", address)
		}
		for _, other := range w.pools {
			if other.LoadBalancer != p.LoadBalancer && overlap(other.Pool, p) {
				return slipway.Errorf(slipway.Conflict, "cannot listen on %s: address already in use by the load balancer %s", address, other.LoadBalancer)
			}
		}
		now := w.poolOf(p.LoadBalancer)
		reload := now == nil || listener(now.Pool) != listener(p)
		if now == nil {
			now = &pool{}
			w.pools = append(w.pools, now)
		}
		now.Pool = p
		w.converge(now)
		if reload {
			w.reload()
		}
		return nil
	})
}

// Pool implements slipway.Router.
func (w *World) Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error) {
	if err := w.look(ctx, "Pool "+loadBalancer); err != nil {
		return slipway.PoolStatus{}, err
	}
	defer w.mu.Unlock()
	p := w.poolOf(loadBalancer)
	if p == nil {
		return slipway.PoolStatus{}, slipway.Errorf(slipway.NotFound, "cannot find the load balancer %s: it has no listener", loadBalancer)
	}
	return w.status(p), nil
}

// RemovePool implements slipway.Router.
func (w *World) RemovePool(ctx context.Context, loadBalancer string) error {
	return w.change(ctx, "RemovePool", loadBalancer, func(Fault) error {
		p := w.poolOf(loadBalancer)
		if p == nil {
			return nil
		}
		w.pools = slices.DeleteFunc(w.pools, func(other *pool) bool { return other == p })
		w.reload()
		return nil
	})
}

// converge makes the pool's targets what the pool says. One that stays keeps its counters. mu must be held.
func (w *World) converge(p *pool) {
	before := p.targets
	p.targets = make([]*target, len(p.Targets))
	for i, want := range p.Targets {
		t := &target{}
		if j := slices.IndexFunc(before, func(b *target) bool { return b.Instance == want.Instance }); j >= 0 {
			t = before[j]
		}
		comes := t.Mode == "" || t.Mode == slipway.Off
		t.Target, t.machine = want, w.addresses[endpoint(want.Address, want.Port)]
		if comes && t.Mode != slipway.Off {
			t.down = false // until it is found to be so
			if !t.well() {
				w.markDown(p, t)
			}
		}
		p.targets[i] = t
	}
}

// notice has every load balancer find out, at its next health checks, that the machine does not pass them. mu must be held.
func (w *World) notice(m *machine) {
	for _, p := range w.pools {
		for _, t := range p.targets {
			if t.machine == m && !t.down {
				w.markDown(p, t)
			}
		}
	}
}

func (w *World) markDown(p *pool, t *target) {
	w.after(patience(p.Health), func() string {
		if t.well() || t.down || t.Mode == slipway.Off {
			return ""
		}
		t.down = true
		return t.Instance + " is found to be down"
	})
}

// reload restarts all counters, and takes every target for up until it is found to be down. mu must be held.
func (w *World) reload() {
	w.reloads++
	for _, p := range w.pools {
		p.epoch, p.requests, p.whole = w.reloads, 0, 0
		for _, t := range p.targets {
			t.counts = counts{}
			if t.down = false; !t.well() && t.Mode != slipway.Off {
				w.markDown(p, t)
			}
		}
	}
}

// status is the pool as the load balancer tells of it. mu must be held.
func (w *World) status(p *pool) slipway.PoolStatus {
	status := slipway.PoolStatus{
		LoadBalancer: p.LoadBalancer, Address: p.Address, Port: p.Port, Requests: p.requests, Epoch: strconv.Itoa(p.epoch),
		Targets: make([]slipway.TargetStatus, len(p.targets)),
	}
	for i, t := range p.targets {
		status.Targets[i] = slipway.TargetStatus{
			Target: t.Target, Up: t.Mode != slipway.Off && !t.down, Open: w.open(t), Requests: t.Requests, Failed: t.Failed, Broken: t.Broken,
		}
		if t.Requests > 0 && proxiesHTTP(p.Pool) {
			status.Targets[i].Latency = slipway.Duration(t.latency)
		}
	}
	return status
}

func (w *World) poolOf(loadBalancer string) *pool {
	for _, p := range w.pools {
		if p.LoadBalancer == loadBalancer {
			return p
		}
	}
	return nil
}

// well reports whether the target passes a health check.
func (t *target) well() bool { return t.machine != nil && t.machine.serving && !t.machine.sick }

// listener is what only a reload can change.
func listener(p slipway.Pool) string {
	return fmt.Sprint(endpoint(p.Address, p.Port), p.Health.HTTP, p.Health.Timeout, proxiesHTTP(p), p.Sticky)
}

func proxiesHTTP(p slipway.Pool) bool { return p.HTTP || p.Health.HTTP != "" }

// overlap reports whether two pools cannot both listen where they say.
func overlap(a, b slipway.Pool) bool {
	return a.Port == b.Port && (a.Address == b.Address || anywhere(a.Address) || anywhere(b.Address))
}

func anywhere(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsUnspecified()
}

func endpoint(address string, port int) string { return net.JoinHostPort(address, strconv.Itoa(port)) }

// checkPool returns p as the load balancer takes it, or why it cannot.
func checkPool(p slipway.Pool) (slipway.Pool, error) {
	bad := func(format string, args ...any) (slipway.Pool, error) {
		return p, slipway.Errorf(slipway.Invalid, "cannot set the pool "+strconv.Quote(p.LoadBalancer)+": "+format, args...)
	}
	if _, err := netip.ParseAddr(p.Address); err != nil || p.Port < 1 || p.Port > 65535 {
		return bad("it cannot listen on %q port %d", p.Address, p.Port)
	}
	if h := p.Health.HTTP; h != "" && (h[0] != '/' || strings.ContainsFunc(h, func(c rune) bool { return c <= ' ' || c == 0x7f })) {
		return bad("%q is no HTTP path", h)
	}
	if !wordForm.MatchString(p.LoadBalancer) {
		return bad("its name wants letters, digits, dots, dashes and underscores")
	}
	if s := p.Sticky; s.Cookie != "" && s.Header != "" || s != (slipway.Sticky{}) && !wordForm.MatchString(s.Cookie+s.Header) {
		return bad("it cannot be sticky by %+v", s)
	}
	p.Targets = slices.Clone(p.Targets)
	seen := map[string]bool{}
	for i := range p.Targets {
		t := &p.Targets[i]
		if !wordForm.MatchString(t.Instance) || seen[t.Instance] {
			return bad("it has a target %q, or has it twice", t.Instance)
		}
		seen[t.Instance] = true
		if _, err := netip.ParseAddr(t.Address); err != nil || t.Port < 1 || t.Port > 65535 {
			return bad("the target %s is at %q port %d", t.Instance, t.Address, t.Port)
		}
		if t.Mode != slipway.Active && t.Mode != slipway.Standby && t.Mode != slipway.Off {
			return bad("the target %s is to be %q", t.Instance, t.Mode)
		}
		if t.Weight == 0 && t.Mode != slipway.Active {
			t.Weight = 1
		}
		if t.Weight < 1 || t.Weight > 256 {
			return bad("the target %s has the weight %d", t.Instance, t.Weight)
		}
	}
	return p, nil
}
