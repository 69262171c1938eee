package sim_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/provider/sim"
)

const balancer = "hello-prod"

// street is a world with machines "a", "b" and "c" of images of those names, for a load balancer to send requests to.
type street struct {
	*sim.World
	t     *testing.T
	clock *clock
}

func newStreet(t *testing.T, behaviours map[string]sim.Behaviour) street {
	c := newClock()
	s := street{World: sim.New(sim.Config{Now: c.Now}), t: t, clock: c}
	for _, id := range []string{"a", "b", "c"} {
		s.Image(slipway.DigestOf([]byte(id)), behaviours[id])
		_, err := s.Launch(t.Context(), slipway.MachineSpec{
			ID: id, Image: slipway.DigestOf([]byte(id)), Service: slipway.Service{Command: []string{"/hello"}, Port: 80},
		})
		s.must(err)
	}
	s.pass(0)
	return s
}

func (s street) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s street) pass(d time.Duration) { s.clock.pass(d); s.Advance() }

// pool returns a pool of targets such as "a active 3", which stands for a weight of 3.
func (s street) pool(targets ...string) slipway.Pool {
	s.t.Helper()
	p := slipway.Pool{LoadBalancer: balancer, Address: "127.0.0.1", Port: 8443, Health: slipway.Health{HTTP: "/healthz"}, Targets: []slipway.Target{}}
	for _, text := range targets {
		t := slipway.Target{Weight: 1}
		if _, err := fmt.Sscan(text+" 1", &t.Instance, &t.Mode, &t.Weight); err != nil {
			s.t.Fatal(err)
		}
		i, err := s.Instance(s.t.Context(), t.Instance)
		if err != nil {
			i = slipway.Instance{Address: "10.99.99.99", Port: 80} // where nothing is
		}
		t.Group, t.Address, t.Port = t.Instance, i.Address, i.Port
		p.Targets = append(p.Targets, t)
	}
	return p
}

func (s street) set(targets ...string) {
	s.t.Helper()
	s.must(s.SetPool(s.t.Context(), s.pool(targets...)))
}

func (s street) status() slipway.PoolStatus {
	s.t.Helper()
	p, err := s.Pool(s.t.Context(), balancer)
	s.must(err)
	return p
}

// counted returns how many requests each target got.
func (s street) counted() map[string]int64 {
	n := map[string]int64{}
	for _, t := range s.status().Targets {
		n[t.Instance] = t.Requests
	}
	return n
}

func (s street) ask() error { return s.Ask(s.t.Context(), s.status(), "/", "a") }

// Where a hundred requests go, sent by clients over time and one by one.
func TestWhereRequestsGo(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets []string
		want    map[string]int64
	}{
		{"evenly", []string{"a active", "b active"}, map[string]int64{"a": 50, "b": 50}},
		{"by weight", []string{"a active 1", "b active 3"}, map[string]int64{"a": 25, "b": 75}},
		{"by weight up to 256", []string{"a active 64", "b active 256"}, map[string]int64{"a": 20, "b": 80}},
		{"not to standby", []string{"a active", "b standby"}, map[string]int64{"a": 100, "b": 0}},
		{"to standby if nothing is active", []string{"a off", "b standby"}, map[string]int64{"a": 0, "b": 100}},
		{"not to what is off", []string{"a active", "b off"}, map[string]int64{"a": 100, "b": 0}},
		{"to standby if what is active is not there", []string{"x active", "b standby 3", "c standby 1"}, map[string]int64{"x": 1, "b": 75, "c": 25}},
		{"a try at what is not there is another's request", []string{"x active", "a active"}, map[string]int64{"x": 1, "a": 100}},
	} {
		for _, how := range []string{"over time", "one by one"} {
			t.Run(c.name+" "+how, func(t *testing.T) {
				s := newStreet(t, nil)
				s.set(c.targets...)
				if how == "over time" {
					s.Traffic(balancer, 10)
					for range 100 {
						s.pass(100 * time.Millisecond)
					}
				} else {
					for range 100 {
						s.must(s.ask())
					}
				}
				if diff := cmp.Diff(c.want, s.counted()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if n := s.status().Requests; n != 100 || s.Lost(balancer) != 0 {
					t.Errorf("%d requests came and %d were lost, want 100 and none", n, s.Lost(balancer))
				}
			})
		}
	}
}

func TestWhatClientsGet(t *testing.T) {
	bad := sim.Behaviour{ErrorRate: 0.25, BreakRate: 0.05, Latency: 20 * time.Millisecond}
	for _, c := range []struct {
		name                   string
		behaviour              sim.Behaviour
		failed, broken, errors int64
	}{
		{"all is well", sim.Behaviour{}, 0, 0, 0},
		{"some fail and some break", bad, 30, 5, 29}, // a request fails once: the one that would fail twice leaves it to the next
		{"none fail yet", sim.Behaviour{ErrorRate: 1, ErrorsAfter: time.Hour}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStreet(t, map[string]sim.Behaviour{"a": c.behaviour})
			s.set("a active")
			var errors int64
			for range 100 {
				if s.ask() != nil {
					errors++
				}
			}
			s.Traffic(balancer, 10)
			s.pass(10 * time.Second)
			got := s.status().Targets[0]
			if got.Failed != 2*c.failed || got.Broken != 2*c.broken || errors != c.errors || got.Latency != slipway.Duration(c.behaviour.Latency) {
				t.Errorf("%+v, %d errors for clients; want %d failed, %d broken, %d errors", got, errors, 2*c.failed, 2*c.broken, c.errors)
			}
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		s := newStreet(t, nil)
		s.set()
		if err := s.ask(); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("asked: %v, want 503", err)
		}
		s.Traffic(balancer, 10)
		s.pass(time.Second)
		gone := s.status()
		s.must(s.RemovePool(t.Context(), balancer))
		s.pass(time.Second)
		if n := s.Lost(balancer); n != 20 {
			t.Errorf("%d requests were lost, want 20", n)
		}
		if err := s.Ask(t.Context(), gone, "/", ""); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("asked a listener that is closed: %v", err)
		}
	})
}

// A target that dies is found to be down with the first connection that it refuses, or else by a health check.
func TestDown(t *testing.T) {
	up := func(s street) string {
		var list []string
		for _, t := range s.status().Targets {
			if t.Up {
				list = append(list, t.Instance)
			}
		}
		return strings.Join(list, " ")
	}
	s := newStreet(t, map[string]sim.Behaviour{"a": {Latency: time.Second}})
	s.set("a active", "b standby", "c off")
	if got := up(s); got != "a b" {
		t.Errorf("%q are up at first, want what is not off", got)
	}
	s.Traffic(balancer, 5)
	s.pass(10 * time.Second)
	if open := s.status().Targets[0].Open; open != 5 {
		t.Errorf("%d requests are under way, want 5", open)
	}
	s.Kill("a")
	if got := s.status().Targets[0]; got.Broken != 5 || got.Failed != 5 || got.Open != 0 {
		t.Errorf("what was under way: %+v, want it broken", got)
	}
	if got := up(s); got != "a b" {
		t.Errorf("%q are up right after the death, want nothing noticed yet", got)
	}
	s.pass(time.Second)
	if got, want := s.counted(), map[string]int64{"a": 51, "b": 5, "c": 0}; !maps.Equal(got, want) || up(s) != "b" || s.Lost(balancer) != 0 {
		t.Errorf("counted %v, %q up, %d lost; want %v, b up, none lost", got, up(s), s.Lost(balancer), want)
	}
	s.Traffic(balancer, 0)
	s.Sicken("b")
	if got := up(s); got != "b" {
		t.Errorf("%q are up, want b until its health check has failed", got)
	}
	s.pass(2 * time.Second)
	if got := up(s); got != "" {
		t.Errorf("%q are up, want none", got)
	}
}

func TestUnderWay(t *testing.T) {
	s := newStreet(t, map[string]sim.Behaviour{"a": {Latency: time.Second}})
	s.set("a active")
	s.Traffic(balancer, 5)
	s.pass(10 * time.Second)
	s.set("a off", "b active")
	if open := s.status().Targets[0].Open; open != 5 {
		t.Errorf("%d requests are under way when it goes off, want 5", open)
	}
	s.pass(time.Second)
	if got := s.status().Targets[0]; got.Open != 0 || got.Failed != 0 {
		t.Errorf("a second later: %+v, want all finished", got)
	}
}

func TestCountersGrowThroughAllModes(t *testing.T) {
	s := newStreet(t, nil)
	s.set("a active", "b active")
	s.Traffic(balancer, 10)
	epoch, last := s.status().Epoch, map[string]int64{}
	for _, mode := range []string{"standby", "active", "off", "standby", "off", "active"} {
		s.pass(time.Second)
		s.set("a "+mode, "b active")
		s.set("a "+mode, "b active") // again, which changes nothing
		for id, n := range s.counted() {
			if n < last[id] {
				t.Errorf("%s: the requests of %s fell from %d to %d", mode, id, last[id], n)
			}
			last[id] = n
		}
	}
	if now := s.status().Epoch; now != epoch {
		t.Errorf("the epoch went from %s to %s though nothing restarted", epoch, now)
	}
}

// The counters of all pools restart when any listener is new, changes or goes, and when the load balancer itself restarts.
func TestEpoch(t *testing.T) {
	for name, change := range map[string]func(s street){
		"another listener": func(s street) {
			other := s.pool("c active")
			other.LoadBalancer, other.Port = "other-prod", 8444
			s.must(s.SetPool(s.t.Context(), other))
		},
		"the listener changes": func(s street) {
			other := s.pool("a active")
			other.Sticky.Cookie = "slipway"
			s.must(s.SetPool(s.t.Context(), other))
		},
		"restart": func(s street) { s.RestartBalancer() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t, nil)
			s.set("a active")
			s.must(s.ask())
			before := s.status()
			change(s)
			after := s.status()
			if before.Epoch == after.Epoch || after.Requests != 0 || after.Targets[0].Requests != 0 || before.Requests != 1 {
				t.Errorf("before %+v, after %+v; want another epoch that begins at zero", before, after)
			}
		})
	}
}

func TestListeners(t *testing.T) {
	s := newStreet(t, nil)
	s.Occupy("127.0.0.1", 9000)
	s.set("a active")
	for name, change := range map[string]func(*slipway.Pool){
		"of another pool":               func(*slipway.Pool) {},
		"of another pool, on any":       func(p *slipway.Pool) { p.Address = "0.0.0.0" },
		"of another program":            func(p *slipway.Pool) { p.Port = 9000 },
		"of another program, by itself": func(p *slipway.Pool) { p.LoadBalancer, p.Port = balancer, 9000 },
	} {
		p := s.pool("b active")
		p.LoadBalancer = "other-prod"
		change(&p)
		if err := s.SetPool(t.Context(), p); slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("a port %s: %v, want a Conflict", name, err)
		}
	}
	if got := s.status(); got.Port != 8443 || got.Targets[0].Instance != "a" {
		t.Errorf("conflicts have changed the pool: %+v", got)
	}
	moved := s.pool("a active")
	moved.Port = 8500
	s.must(s.SetPool(t.Context(), moved))
	s.must(s.ask())
	for range 2 {
		s.must(s.RemovePool(t.Context(), balancer))
	}
	if _, err := s.Pool(t.Context(), balancer); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a pool that was removed: %v, want NotFound", err)
	}
}

func TestInvalidPools(t *testing.T) {
	for name, change := range map[string]func(*slipway.Pool){
		"load balancer":    func(p *slipway.Pool) { p.LoadBalancer = "a b" },
		"address":          func(p *slipway.Pool) { p.Address = "example.com" },
		"port":             func(p *slipway.Pool) { p.Port = 70000 },
		"health path":      func(p *slipway.Pool) { p.Health.HTTP = "healthz" },
		"both stickies":    func(p *slipway.Pool) { p.Sticky = slipway.Sticky{Cookie: "a", Header: "b"} },
		"the same twice":   func(p *slipway.Pool) { p.Targets = append(p.Targets, p.Targets[0]) },
		"target's address": func(p *slipway.Pool) { p.Targets[0].Address = "nowhere" },
		"mode":             func(p *slipway.Pool) { p.Targets[0].Mode = "sideways" },
		"no weight":        func(p *slipway.Pool) { p.Targets[0].Weight = 0 },
		"weight too big":   func(p *slipway.Pool) { p.Targets[0].Weight = 257 },
	} {
		s := newStreet(t, nil)
		p := s.pool("a active")
		change(&p)
		if err := s.SetPool(t.Context(), p); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}

func TestTruth(t *testing.T) {
	s := newStreet(t, nil)
	s.set("a active", "b standby", "c off")
	see := func(active, serving map[string]int, capacity int) {
		t.Helper()
		if !maps.Equal(s.Active(balancer), active) || !maps.Equal(s.Serving(balancer), serving) || s.Capacity(balancer) != capacity {
			t.Errorf("active %v, serving %v, capacity %d; want %v, %v, %d",
				s.Active(balancer), s.Serving(balancer), s.Capacity(balancer), active, serving, capacity)
		}
	}
	see(map[string]int{"a": 1}, map[string]int{"a": 1, "b": 1}, 1)
	s.Kill("a") // which the load balancer does not know yet
	see(map[string]int{}, map[string]int{"b": 1}, 1)
	s.Kill("b")
	see(map[string]int{}, map[string]int{}, 0)
}

func TestCancelledCallsDoNothing(t *testing.T) {
	s := newStreet(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.SetPool(ctx, s.pool("a active")); err == nil {
		t.Error("a call with a context that is done succeeded")
	}
	if s.Targets(balancer) != nil {
		t.Error("it has done something")
	}
}
