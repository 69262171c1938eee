package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/provider/sim"
)

// farm is a world in which server groups of one image are made.
type farm struct {
	*sim.World
	clock *clock
	began time.Time
	seen  []string // every change, with the second at which it was
}

var image = slipway.DigestOf([]byte("image"))

const one, two = "hello-prod-v001", "hello-prod-v002"

func newFarm(b sim.Behaviour) *farm {
	c := newClock()
	f := &farm{World: sim.New(sim.Config{Now: c.Now}), clock: c, began: c.Now()}
	f.Image(image, b)
	f.Observe = func(change string) { f.seen = append(f.seen, fmt.Sprintf("%v %s", f.Time().Sub(f.began), change)) }
	return f
}

func (f *farm) pass(d time.Duration) { f.clock.pass(d); f.Advance() }

func spec(name string, desired int) slipway.ServerGroupSpec {
	return slipway.ServerGroupSpec{
		Name: name, Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: image,
		Service: slipway.Service{Command: []string{"/hello"}, Port: 80}, Size: slipway.Size{Min: 0, Desired: desired, Max: desired},
	}
}

func (f *farm) size(desired int) slipway.Size {
	return slipway.Size{Min: 0, Desired: desired, Max: max(9, desired)}
}

func healthy(w *sim.World, name string) int {
	g, _ := w.Group(name)
	return g.Healthy()
}

// The world goes through what happens in order, each thing at its time, however late it is asked.
func TestLives(t *testing.T) {
	for _, c := range []struct {
		name      string
		behaviour sim.Behaviour
		then      func(f *farm) // at 5 s
		want      string
	}{
		{"launch", sim.Behaviour{Launch: 2 * time.Second}, nil, "0s EnsureServerGroup hello-prod-v001 · 2s i-00001 becomes healthy"},
		{"never healthy", sim.Behaviour{NeverHealthy: true}, nil, "0s EnsureServerGroup hello-prod-v001"},
		{"a boot fails", sim.Behaviour{Launch: time.Second, BootFailures: 1}, nil,
			"0s EnsureServerGroup hello-prod-v001 · 1s i-00001 ends before it is healthy · 2s i-00001 is gone · 2s i-00002 becomes healthy"},
		{"boots fail, with longer and longer pauses", sim.Behaviour{Launch: time.Second, BootFailures: 5}, nil,
			"0s EnsureServerGroup hello-prod-v001 · 1s i-00001 ends before it is healthy · 2s i-00001 is gone · 2s i-00002 ends before it is healthy · " +
				"3s i-00002 is gone · 3s i-00003 ends before it is healthy · 4s i-00003 is gone · 5s i-00004 ends before it is healthy · 6s i-00004 is gone · " +
				"8s i-00005 ends before it is healthy · 9s i-00005 is gone · 13s i-00006 becomes healthy"},
		{"crash", sim.Behaviour{CrashAfter: 20 * time.Second}, nil,
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 20s i-00001 ends · 20s i-00002 becomes healthy · 21s i-00001 is gone"},
		{"sickness", sim.Behaviour{SickAfter: 20 * time.Second, Stop: time.Second}, nil,
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 20s i-00001: sickness · 22s i-00001 is found to be unhealthy · " +
				"22s i-00002 becomes healthy · 23s i-00001 stops · 24s i-00001 is gone"},
		{"surplus", sim.Behaviour{Stop: time.Second}, func(f *farm) { _ = f.ResizeServerGroup(context.Background(), one, f.size(0)) },
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 5s ResizeServerGroup hello-prod-v001 · 5.3s i-00001 stops · 6.3s i-00001 is gone"},
		{"destroyed", sim.Behaviour{Stop: time.Second}, func(f *farm) { _ = f.DestroyServerGroup(context.Background(), one) },
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 5s DestroyServerGroup hello-prod-v001"},
		{"removed by hand", sim.Behaviour{}, func(f *farm) { f.Vanish(one) },
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 5s hello-prod-v001 vanishes"},
		{"planned", sim.Behaviour{}, func(f *farm) { f.Plan(sim.Mishap{Kind: sim.Death, Group: one, Machine: 7, After: 2 * time.Second}) },
			"0s EnsureServerGroup hello-prod-v001 · 0s i-00001 becomes healthy · 7s i-00001: death · 7s i-00002 becomes healthy · 8s i-00001 is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(c.behaviour)
			if err := f.EnsureServerGroup(t.Context(), spec(one, 1)); err != nil {
				t.Fatal(err)
			}
			if c.then != nil {
				f.pass(5 * time.Second)
				c.then(f)
			}
			f.pass(25 * time.Second)
			if got := strings.Join(f.seen, " · "); got != c.want {
				t.Errorf("got\n  %s\nwant\n  %s", got, c.want)
			}
		})
	}
}

func TestRoom(t *testing.T) {
	f := newFarm(sim.Behaviour{})
	f.Room(3)
	if err := f.EnsureServerGroup(t.Context(), spec(one, 4)); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Minute)
	g, _ := f.Group(one)
	if g.Healthy() != 3 || g.Replaced != 0 || !strings.Contains(g.Trouble, "no room") {
		t.Errorf("%d machines with room for 3, %d replaced, trouble %q", g.Healthy(), g.Replaced, g.Trouble)
	}
	f.Room(4)
	f.pass(time.Minute)
	if n := healthy(f.World, one); n != 4 {
		t.Errorf("%d machines once there is room for 4", n)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name         string
		fault        sim.Fault
		code         slipway.Code // of the first call
		now, at, end int          // machines right after it, after 5 s and after a minute
	}{
		{"none", sim.Fault{}, "", 2, 2, 2},
		{"throttled", sim.Throttled(), slipway.Unavailable, -1, -1, -1},
		{"broken", sim.Broken(errors.New("disk on fire")), slipway.Internal, -1, -1, -1},
		{"reply lost", sim.Lost(), slipway.Unavailable, 2, 2, 2},
		{"late", sim.Late(5 * time.Second), slipway.Unavailable, -1, 2, 2},
		{"short of room for a while", sim.Fault{Short: 1}, "", 2, 2, 2},
		{"short of room for longer", sim.Fault{Short: 4}, "", 0, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(sim.Behaviour{})
			f.Fault = sim.Script(sim.Rule{Call: "EnsureServerGroup", Times: 1, Fault: c.fault})
			machines := func(when string, want int) {
				t.Helper()
				g, there := f.Group(one)
				n := g.Healthy()
				if !there {
					n = -1
				}
				if n != want {
					t.Errorf("%s %d machines, want %d", when, n, want)
				}
			}
			if err := f.EnsureServerGroup(t.Context(), spec(one, 2)); slipway.CodeOf(err) != c.code {
				t.Errorf("%v, want code %q", err, c.code)
			}
			f.pass(0)
			machines("right after the call", c.now)
			f.pass(5 * time.Second)
			machines("five seconds later", c.at)
			f.pass(time.Minute)
			machines("in the end", c.end)
			if err := f.EnsureServerGroup(t.Context(), spec(one, 2)); err != nil {
				t.Errorf("trying again: %v", err)
			}
			f.pass(0)
			machines("after trying again", 2)
		})
	}
}

// What is late is made before the next change of the same thing, and reads never see it early.
func TestLateChangesKeepTheirOrder(t *testing.T) {
	f := newFarm(sim.Behaviour{})
	f.Fault = sim.Script(sim.Rule{Call: "EnsureServerGroup", Fault: sim.Late(time.Minute)})
	if err := f.EnsureServerGroup(t.Context(), spec(one, 2)); slipway.CodeOf(err) != slipway.Unavailable {
		t.Fatal(err)
	}
	if _, err := f.ServerGroup(t.Context(), one); slipway.CodeOf(err) != slipway.NotFound || f.Late() != 1 {
		t.Errorf("before it is made: %v, %d late", err, f.Late())
	}
	if err := f.DestroyServerGroup(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	if groups := f.Groups(spec(one, 1).Cluster); len(groups) != 0 || f.Late() != 0 {
		t.Errorf("%v came back after it was destroyed", groups)
	}
}

// Follow is called at the time at which instances changed, sees the world as it was then, and may make calls.
func TestFollow(t *testing.T) {
	f := newFarm(sim.Behaviour{Launch: time.Second})
	var heard []string
	failures := 1
	f.Follow = func(group string) error {
		g, err := f.ServerGroup(t.Context(), group)
		if err != nil {
			return err
		}
		heard = append(heard, fmt.Sprintf("%v %d", f.Time().Sub(f.began), g.Healthy()))
		if failures > 0 && g.Healthy() == 1 {
			failures--
			return errors.New("not now")
		}
		return nil
	}
	if err := f.EnsureServerGroup(t.Context(), spec(one, 1)); err != nil {
		t.Fatal(err)
	}
	f.Plan(sim.Mishap{Kind: sim.Death, Group: one, After: 5 * time.Second})
	f.pass(time.Minute)
	want := []string{"0s 0", "1s 1", "2s 1", "5s 0", "6s 0", "6s 1"}
	if diff := cmp.Diff(want, slices.Compact(heard)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestScript(t *testing.T) {
	done := 0
	fault := sim.Script(
		sim.Rule{Call: "SetPool", Skip: 1, Times: 2, Fault: sim.Lost(), Do: func() { done++ }},
		sim.Rule{Call: "SetPool hello-prod", Fault: sim.Throttled()},
	)
	var got []string
	for _, call := range []string{"SetPool hello-prod", "SetPool hello-prod", "SetPool x", "SetPool x", "SetPool hello-prod", "RemovePool x"} {
		switch f := fault(call); {
		case f.After != nil:
			got = append(got, "lost")
		case f.Before != nil:
			got = append(got, "throttled")
		default:
			got = append(got, "-")
		}
	}
	if text := strings.Join(got, " "); text != "throttled lost lost - throttled -" || done != 2 {
		t.Errorf("%s, done %d times", text, done)
	}
}

func TestMergedSignals(t *testing.T) {
	f := newFarm(sim.Behaviour{})
	ctx, cancel := context.WithCancel(t.Context())
	signals := f.Watch(ctx)
	for _, name := range []string{one, two} {
		if err := f.EnsureServerGroup(ctx, spec(name, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 1000 {
		if err := f.ResizeServerGroup(ctx, one, f.size(n%2)); err != nil {
			t.Fatal(err)
		}
		f.pass(time.Second)
	}
	cancel()
	seen := map[string]bool{}
	for name := range signals { // until it is closed
		seen[name] = true
	}
	if !seen[one] || !seen[two] {
		t.Errorf("signals of %v, want of both groups", seen)
	}
}

// Whatever calls are made, whatever goes wrong and whenever: the same again gives the same, no group has more healthy machines than it
// is to have, and once all is quiet every group has as many.
func TestWorlds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		seed := rapid.Uint64().Draw(r, "seed")
		behaviour := sim.Behaviour{
			Launch:       time.Duration(rapid.IntRange(0, 3000).Draw(r, "launch")) * time.Millisecond,
			BootFailures: rapid.IntRange(0, 2).Draw(r, "boot failures"),
			Stop:         time.Duration(rapid.IntRange(0, 3000).Draw(r, "stop")) * time.Millisecond,
			ErrorRate:    0.1, Noise: 0.5,
		}
		type step struct {
			kind, n int
			group   string
			wait    time.Duration
		}
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{
				rapid.IntRange(0, 6).Draw(r, "kind"), rapid.IntRange(0, 4).Draw(r, "n"), rapid.SampledFrom([]string{one, two}).Draw(r, "group"),
				time.Duration(rapid.IntRange(0, 4000).Draw(r, "wait")) * time.Millisecond,
			}
		}), 1, 20).Draw(r, "steps")
		run := func(often bool) []string {
			f := newFarm(behaviour)
			f.Fault = sim.Random(seed, sim.Odds{Throttled: 0.1, Lost: 0.1, Late: 0.1, Short: 0.1, Longest: 5 * time.Second})
			ctx := context.Background()
			f.Traffic(balancer, 7)
			for _, s := range steps {
				switch s.kind {
				case 0, 1:
					_ = f.EnsureServerGroup(ctx, spec(s.group, s.n))
				case 2:
					_ = f.ResizeServerGroup(ctx, s.group, f.size(s.n))
				case 3:
					_ = f.DestroyServerGroup(ctx, s.group)
				default:
					kind := sim.Mishaps[s.kind-4]
					f.Plan(sim.Mishap{Kind: kind, Group: s.group, Machine: s.n, After: s.wait / 2})
				}
				if often { // how often the world is asked makes no difference
					for range 4 {
						f.pass(s.wait / 4)
					}
				}
				f.clock.pass(s.wait - s.wait/4*4)
				if !often {
					f.clock.pass(s.wait / 4 * 4)
				}
				f.Advance()
				for _, name := range []string{one, two} {
					if g, ok := f.Group(name); ok && g.Healthy() > g.Size.Desired {
						r.Fatalf("%s has %d healthy machines and is to have %d", name, g.Healthy(), g.Size.Desired)
					}
				}
			}
			f.pass(10 * time.Minute)
			for _, name := range f.Groups(spec(one, 1).Cluster) {
				g, _ := f.Group(name)
				well := g.Healthy()
				for _, i := range g.Instances {
					if i.State == slipway.InstanceStarting && i.Reason != "" { // one that fell sick before it was ever healthy is waited for
						well++
					}
				}
				if well != g.Size.Desired || len(g.Instances) != g.Size.Desired {
					r.Fatalf("in the end %s has %d machines, %d of them well, and is to have %d: %s", name, len(g.Instances), well, g.Size.Desired, g.Trouble)
				}
			}
			return f.seen
		}
		first := run(false)
		if diff := cmp.Diff(first, run(true)); diff != "" {
			r.Fatalf("the same again is not the same:\n%s", diff)
		}
	})
}
