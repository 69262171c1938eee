package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func TestTurns(t *testing.T) {
	a, b := slipway.Cluster{Application: "a", Environment: "prod"}, slipway.Cluster{Application: "b", Environment: "prod"}
	turns := &Turns{}
	release, err := turns.take(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	other, err := turns.take(t.Context(), b) // which waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("taken twice: %v", err)
	}
	release()
	again, err := turns.take(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	stay := turns.leave(a, "i-1")
	again()
	if !turns.leaves(a, "i-1") || turns.leaves(a, "i-2") || turns.leaves(b, "i-1") {
		t.Error("i-1 of a leaves, and no other")
	}
	stay()
	if turns.leaves(a, "i-1") || len(turns.of) > 0 {
		t.Errorf("nobody leaves any more, and %v is kept", turns.of)
	}
	var nobody *Turns
	release, err = nobody.take(t.Context(), a)
	if err != nil || nobody.leaves(a, "i-1") {
		t.Errorf("without turns: %v", err)
	}
	release()
}

// handed is a world in which a group of so many machines serves, with a guard over it.
func handed(t *testing.T, size slipway.Size) (*world, *Guard) {
	t.Helper()
	w := newWorld()
	cluster := slipway.Cluster{Application: "hello", Environment: "prod"}
	name := cluster.GroupName(1)
	spec := slipway.ServerGroupSpec{Name: name, Cluster: cluster, Image: "sha256:1", Size: size}
	if err := w.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	w.route = &slipway.Route{Cluster: cluster, Port: 8443, Groups: []slipway.GroupRoute{{Group: name, Mode: slipway.Active, Weight: 100}}}
	w.deployments = []slipway.Deployment{{
		ID: "d-1", Kind: slipway.KindDeploy, Cluster: cluster, Target: name, Image: "sha256:1", State: slipway.DeploymentSucceeded,
		Environment: slipway.Environment{Size: size, LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443}},
	}}
	return w, &Guard{
		Store: w, Bus: w, Provider: provider{world: w}, Router: router{world: w}, Traffic: w, Log: slog.New(slog.DiscardHandler),
		Marker: provider{world: w}, Sync: func(context.Context, slipway.Cluster) error { return nil }, Sizes: sizeless{}, Turns: &Turns{},
	}
}

// sizeless is a store of sizes that nobody has given.
type sizeless struct{ slipway.SizeStore }

func (sizeless) PutSize(context.Context, slipway.Resizing) error   { return nil }
func (sizeless) DeleteSize(context.Context, slipway.Cluster) error { return nil }

func (p provider) MarkInstance(_ context.Context, id string, kind slipway.MarkKind, m *slipway.InstanceMark) (i slipway.Instance, err error) {
	err = p.change(string(kind)+" "+id, func() error {
		for _, g := range p.groups {
			for n := range g.Instances {
				if g.Instances[n].ID != id {
					continue
				}
				if kind == slipway.MarkDisabled {
					g.Instances[n].Disabled = m
				} else {
					g.Instances[n].Protected = m
				}
				i = g.Instances[n]
			}
		}
		return nil
	})
	return i, err
}

func (p provider) Instance(_ context.Context, id string) (slipway.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.groups {
		for _, i := range g.Instances {
			if i.ID == id {
				return i, nil
			}
		}
	}
	return slipway.Instance{}, slipway.Errorf(slipway.NotFound, "no instance %s", id)
}

// TestManyHandsAtOnceLeaveEnough has everybody take another machine of a group at the very same time. As many may as the group can do without,
// however it is taken, and though each of them takes a while.
func TestManyHandsAtOnceLeaveEnough(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(g *Guard, id string) error
		want int // of 5 machines, of which 3 must serve
	}{
		{"disabled", func(g *Guard, id string) error {
			_, err := g.Disable(context.Background(), id, false, "it is slow", "ann")
			return err
		}, 2},
		{"terminated", func(g *Guard, id string) error { return g.Terminate(context.Background(), id, false, "", "ann") }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, g := handed(t, slipway.Size{Min: 3, Desired: 5, Max: 5})
			all := make(chan struct{})
			w.fault = func(call string) (before, after error) {
				<-all // nothing is over before everybody has asked, or waits for his turn
				return nil, nil
			}
			var mu sync.Mutex
			taken, refused := 0, 0
			var asking sync.WaitGroup
			for i := range 5 {
				asking.Go(func() {
					err := c.take(g, fmt.Sprintf("i-%d", i+1))
					mu.Lock()
					defer mu.Unlock()
					switch slipway.CodeOf(err) {
					case "":
						taken++
					case slipway.Refused:
						refused++
					default:
						t.Error(err)
					}
				})
			}
			time.AfterFunc(50*time.Millisecond, func() { close(all) }) // the sooner it is the less is tried
			asking.Wait()
			if taken != c.want || refused != 5-c.want {
				t.Errorf("%d were taken and %d refused, want %d and %d", taken, refused, c.want, 5-c.want)
			}
		})
	}
}

func TestNobodyResizesBetweenTheFirstLookOfADeploymentAndItsRecord(t *testing.T) {
	w, g := handed(t, slipway.Size{Min: 1, Desired: 3, Max: 5})
	cluster := w.route.Cluster
	release, err := g.Turns.take(t.Context(), cluster) // as a deployment that is about to record what serves
	if err != nil {
		t.Fatal(err)
	}
	resized := make(chan error, 1)
	go func() {
		_, err := g.Resize(context.Background(), slipway.ResizeRequest{Cluster: cluster, Desired: 5, By: "ann"})
		resized <- err
	}()
	select {
	case err := <-resized:
		t.Fatalf("resized although it is a deployment's turn: %v", err)
	default:
	}
	if _, err := w.CreateDeployment(t.Context(), slipway.Deployment{ID: "d-2", Cluster: cluster, State: slipway.DeploymentRunning}); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-resized; slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("resized while d-2 is under way: %v, want Conflict", err)
	}
	if n := w.groups[cluster.GroupName(1)].Size.Desired; n != 3 {
		t.Errorf("the group has the size %d, want 3", n)
	}
}

func TestWhoHasADisabledMachineAsideServesAllTheSame(t *testing.T) {
	mark := &slipway.InstanceMark{By: "ann"}
	machine := func(state slipway.InstanceState, m *slipway.InstanceMark) slipway.Instance {
		return slipway.Instance{State: state, Disabled: m}
	}
	for _, c := range []struct {
		name     string
		machines []slipway.Instance
		want     bool
	}{
		{"all healthy", []slipway.Instance{machine(slipway.InstanceHealthy, nil), machine(slipway.InstanceHealthy, nil)}, true},
		{"one disabled", []slipway.Instance{machine(slipway.InstanceHealthy, nil), machine(slipway.InstanceHealthy, mark)}, true},
		{"one disabled and unhealthy", []slipway.Instance{machine(slipway.InstanceHealthy, nil), machine(slipway.InstanceUnhealthy, mark)}, true},
		{"one unhealthy", []slipway.Instance{machine(slipway.InstanceHealthy, nil), machine(slipway.InstanceUnhealthy, nil)}, false},
		{"the only one disabled and unhealthy", []slipway.Instance{machine(slipway.InstanceUnhealthy, mark), machine(slipway.InstanceUnhealthy, mark)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := handed(t, slipway.Size{Min: 1, Desired: 2, Max: 2})
			name := w.route.Cluster.GroupName(1)
			w.groups[name].Instances = c.machines
			a := &Activities{Provider: provider{world: w}}
			if err := a.verify(t.Context(), name); (err == nil) != c.want {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// TestWhatServesNothingYetIsNotMissed shrinks a group that has just been made bigger: those that go first have served nothing.
func TestWhatServesNothingYetIsNotMissed(t *testing.T) {
	w, g := handed(t, slipway.Size{Min: 3, Desired: 5, Max: 5})
	group := w.groups[w.route.Cluster.GroupName(1)]
	for i := range 2 {
		group.Instances[3+i].State = slipway.InstanceStarting
	}
	resize := func(n int) error {
		_, err := g.Resize(t.Context(), slipway.ResizeRequest{Cluster: w.route.Cluster, Desired: n, Min: min(n, 3), By: "ann"})
		return err
	}
	if err := resize(3); err != nil {
		t.Errorf("those that are starting: %v", err)
	}
	for i := range group.Instances {
		group.Instances[i].State = slipway.InstanceUnhealthy
	}
	group.Instances[0].State = slipway.InstanceHealthy
	if err := resize(2); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("one of three serves, and one is taken: %v, want it refused", err)
	}
}
