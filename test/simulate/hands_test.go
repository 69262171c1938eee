package simulate

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/provider/sim"
)

// hand is what a person does to a machine before a rollout's nth step.
type hand struct {
	step, machine int
	verb          string
	force         bool
}

func (h hand) String() string {
	return fmt.Sprintf("%s machine %d before step %d", h.verb, h.machine, h.step)
}

var handVerbs = []string{"disable", "disable", "enable", "protect", "unprotect", "terminate", "resize", "write"}

// hands draws what people do by hand during the rollout, which in most they do not.
func (s *story) hands() {
	s.planned, s.steps, s.touched = nil, 0, false
	if rapid.IntRange(0, 3).Draw(s.T, "hands") > 0 {
		return
	}
	for range rapid.IntRange(1, 5).Draw(s.T, "how many") {
		s.planned = append(s.planned, hand{
			step: rapid.IntRange(1, 30).Draw(s.T, "step"), machine: rapid.IntRange(0, 9).Draw(s.T, "machine"),
			verb: rapid.SampledFrom(handVerbs).Draw(s.T, "by hand"), force: rapid.IntRange(0, 4).Draw(s.T, "force") == 0,
		})
	}
}

// useHands does what was planned for the step that is about to be taken.
func (s *story) useHands() {
	s.steps++
	for _, h := range s.planned {
		if h.step == s.steps {
			s.use(h)
		}
	}
	s.kept()
}

func (s *story) use(h hand) {
	var all []slipway.Instance
	for _, name := range s.World.Groups(s.Cluster) {
		g, _ := s.World.Group(name)
		all = append(all, g.Instances...)
	}
	if len(all) == 0 {
		return
	}
	i := all[h.machine%len(all)]
	ctx, before := context.Background(), s.serve()
	s.sound = s.sound && !h.force                        // who insists may leave nothing that could serve again
	s.Following, s.touched, s.gentle = true, true, false // what changes now is nobody's step
	var err error
	switch h.verb {
	case "disable":
		_, err = s.Hands.Disable(ctx, i.ID, h.force, "it is slow", "ann")
	case "enable":
		_, err = s.Hands.Enable(ctx, i.ID, "", "ann")
	case "protect":
		_, err = s.Hands.Protect(ctx, i.ID, "", "ann")
	case "unprotect":
		_, err = s.Hands.Unprotect(ctx, i.ID, "", "ann")
	case "terminate":
		delete(s.guarded, i.ID)
		err = s.Hands.Terminate(ctx, i.ID, h.force, "it is slow", "ann")
	case "resize":
		if s.late { // it would come when a rollout has long begun, which no provider of one host does
			break
		}
		_, err = s.Hands.Resize(ctx, slipway.ResizeRequest{Cluster: s.Cluster, Desired: 1 + h.machine, Force: h.force, Reason: "load", By: "ann"})
		under := s.current.ID != "" && !s.current.State.Done()
		if under && err == nil {
			s.fail("hands", "it was resized while %s is under way", s.current.ID)
		}
		if !under { // the rollout has yet to begin
			s.before = s.photo()
		}
	case "write":
		s.World.Write(i.ID, "/etc/motd")
	}
	s.Following = false
	s.note("by hand: %s %s: %v", h.verb, i.ID, err)
	s.owed = s.owed || slipway.CodeOf(err) == slipway.Unavailable
	if after := s.serve(); err == nil && !h.force && before > 0 && after == 0 && !s.late && !s.turned {
		s.fail("hands", "%s of %s left nothing to serve", h.verb, i.ID)
	}
	s.disabled, s.guarded = map[string]bool{}, map[string]bool{}
	for _, i := range s.instances() {
		s.disabled[i.ID], s.guarded[i.ID] = i.Disabled != nil, i.Protected != nil
	}
}

func (s *story) instances() (all []slipway.Instance) {
	for _, name := range s.World.Groups(s.Cluster) {
		g, _ := s.World.Group(name)
		all = append(all, g.Instances...)
	}
	return all
}

// kept checks that what people have said of machines is as they said it: no rollout gives traffic to one that is disabled, or removes one that
// is protected.
func (s *story) kept() {
	if !s.touched && len(s.disabled) == 0 {
		return
	}
	for _, i := range s.instances() {
		if s.disabled[i.ID] && i.Disabled == nil {
			s.fail("hands", "%s was disabled, and is not any more", i.ID)
		}
		if s.guarded[i.ID] && (i.Protected == nil || i.State == slipway.InstanceStopping) {
			s.fail("hands", "%s was protected, and is %s (protected: %+v)", i.ID, i.State, i.Protected)
		}
	}
	if s.World.Fault != nil {
		return // the load balancer may yet have to hear of it
	}
	for _, t := range s.World.Targets(s.Cluster.String()) {
		if s.disabled[t.Instance] && t.Mode == slipway.Active && t.Weight > 0 {
			s.fail("hands", "%s is disabled, and has weight %d", t.Instance, t.Weight)
		}
	}
}

// destroying checks that a group whose machine is protected is not destroyed.
func (s *story) destroying(group string) {
	for id := range s.guarded {
		if s.guarded[id] && s.groupOf[id] == group {
			s.fail("hands", "%s was destroyed, and %s was protected", group, id)
		}
	}
}

// protects reports whether a machine of a group is protected: nobody destroys that group.
func (s *story) protects(group string) bool {
	g, _ := s.World.Group(group)
	return slices.ContainsFunc(g.Instances, func(i slipway.Instance) bool { return i.Protected != nil })
}

// remember notes which of the protected machines are there, and where.
func (s *story) remember() {
	s.groupOf = map[string]string{}
	for _, i := range s.instances() {
		if s.guarded[i.ID] && i.State != slipway.InstanceDead {
			s.groupOf[i.ID] = i.Group
		}
	}
}

// handled is a bed whose first deployment has made three machines.
func handled(t *testing.T, strategy slipway.Strategy) (*Bed, slipway.Environment) {
	t.Helper()
	b := NewBed(1)
	e := slipway.Environment{
		Account: "local", Size: slipway.Size{Min: 2, Desired: 3, Max: 4}, Healthy: slipway.Duration(time.Minute),
		LoadBalancer: &slipway.LoadBalancerSpec{Port: 8443}, Strategy: strategy,
	}
	b.World.Traffic(b.Cluster.String(), 50)
	if d, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image("v1", sim.Behaviour{})), Environment: &e}); err != nil || d.State != slipway.DeploymentSucceeded {
		t.Fatalf("the first: %s, %v, %v", d.State, d.Error, err)
	}
	return b, e
}

func TestARolloutDoesNotUndoWhatPeopleSayOfMachines(t *testing.T) {
	red := slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Minute)}}
	for _, c := range []struct {
		name string
		v2   sim.Behaviour
		want slipway.DeploymentState
	}{
		{"that succeeds", sim.Behaviour{}, slipway.DeploymentSucceeded},
		{"that fails, and gives the traffic back", sim.Behaviour{CrashAfter: 20 * time.Second}, slipway.DeploymentRolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, e := handled(t, red)
			group, _ := b.World.Group(b.Serving())
			disabled, protected := group.Instances[0].ID, group.Instances[1].ID
			b.Step = func(activity string) {
				if activity != "CreateTarget" { // the deployment is under way
					return
				}
				if _, err := b.Hands.Disable(t.Context(), disabled, false, "it is slow", "ann"); err != nil {
					t.Error(err)
				}
				if _, err := b.Hands.Protect(t.Context(), protected, "", "ann"); err != nil {
					t.Error(err)
				}
			}
			d, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image("v2", c.v2)), Environment: &e})
			if err != nil || d.State != c.want {
				t.Fatalf("it is %s, %v, %v; want %s", d.State, d.Error, err, c.want)
			}
			b.World.Advance()
			for _, id := range []string{disabled, protected} {
				i, err := b.World.Instance(t.Context(), id)
				if err != nil || (i.Disabled != nil) != (id == disabled) || (i.Protected != nil) != (id == protected) {
					t.Errorf("%s afterwards: %+v, %v", id, i, err)
				}
			}
			for _, target := range b.World.Targets(b.Cluster.String()) {
				if target.Instance == disabled && target.Mode == slipway.Active && target.Weight > 0 {
					t.Errorf("%s is disabled and gets traffic: %+v", disabled, target)
				}
			}
		})
	}
}

func TestResizing(t *testing.T) {
	red := slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(time.Minute)}}
	resize := func(b *Bed, n int, force bool) error {
		_, err := b.Hands.Resize(context.Background(), slipway.ResizeRequest{Cluster: b.Cluster, Desired: n, Force: force, Reason: "load", By: "ann"})
		return err
	}
	desired := func(b *Bed) int {
		g, _ := b.World.Group(b.Serving())
		return g.Size.Desired
	}
	t.Run("deployments and rollbacks keep it, until slipway.yaml says another", func(t *testing.T) {
		b, e := handled(t, red)
		if err := resize(b, 4, false); err != nil {
			t.Fatal(err)
		}
		deploy := func(version string) {
			t.Helper()
			if d, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image(version, sim.Behaviour{})), Environment: &e}); err != nil || d.State != slipway.DeploymentSucceeded {
				t.Fatalf("%s: %s, %v, %v", version, d.State, d.Error, err)
			}
		}
		deploy("v2")
		if n := desired(b); n != 4 {
			t.Errorf("deployed with %d machines, want the 4 that somebody wants", n)
		}
		if d, err := b.Rollback(slipway.RollbackRequest{}); err != nil || d.State != slipway.DeploymentSucceeded {
			t.Fatalf("rolled back: %s, %v, %v", d.State, d.Error, err)
		}
		if n := desired(b); n != 4 {
			t.Errorf("rolled back to %d machines, want the 4 that somebody wants", n)
		}
		e.Size.Desired = 2
		deploy("v3")
		if n := desired(b); n != 2 {
			t.Errorf("deployed with %d machines, want 2, as slipway.yaml says something new", n)
		}
	})
	t.Run("it is refused while a deployment is under way, from its first step to its last", func(t *testing.T) {
		b, e := handled(t, red)
		var steps []string
		b.Step = func(activity string) {
			err := resize(b, 4, true)
			first := activity == "RecordSource"
			if first != (err == nil) || !first && slipway.CodeOf(err) != slipway.Conflict {
				t.Errorf("before %s: %v", activity, err)
			}
			steps = append(steps, activity)
		}
		d, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image("v2", sim.Behaviour{})), Environment: &e})
		if err != nil || d.State != slipway.DeploymentSucceeded || !slices.Contains(steps, "RecordSource") || len(steps) < 5 {
			t.Fatalf("it is %s, %v, %v, after %v", d.State, d.Error, err, steps)
		}
		// It had been planned with 3, and somebody wanted 4 before it began.
		if n := desired(b); n != 4 {
			t.Errorf("deployed with %d machines, want 4", n)
		}
	})
	t.Run("resized, and resized back, before what was planned meanwhile begins", func(t *testing.T) {
		b, e := handled(t, red)
		if err := resize(b, 4, false); err != nil {
			t.Fatal(err)
		}
		b.Step = func(activity string) {
			if activity == "RecordSource" {
				if err := resize(b, 3, false); err != nil {
					t.Error(err)
				}
			}
		}
		if d, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image("v2", sim.Behaviour{})), Environment: &e}); err != nil || d.State != slipway.DeploymentSucceeded {
			t.Fatalf("it is %s, %v, %v", d.State, d.Error, err)
		}
		if n := desired(b); n != 3 {
			t.Errorf("deployed with %d machines, want 3", n)
		}
	})
	t.Run("what it takes", func(t *testing.T) {
		for _, c := range []struct {
			declared slipway.Size
			n        int
			force    bool
			want     slipway.Code
			size     slipway.Size
		}{
			{slipway.Size{Min: 2, Desired: 3, Max: 4}, 4, false, "", slipway.Size{Min: 2, Desired: 4, Max: 4}},
			{slipway.Size{Min: 2, Desired: 3, Max: 4}, 5, false, slipway.Refused, slipway.Size{Min: 2, Desired: 3, Max: 4}},
			{slipway.Size{Min: 2, Desired: 3, Max: 4}, 5, true, "", slipway.Size{Min: 2, Desired: 5, Max: 5}},
			{slipway.Size{Min: 2, Desired: 3, Max: 4}, 1, false, slipway.Refused, slipway.Size{Min: 2, Desired: 3, Max: 4}},
			// A size that is a number is no bound.
			{slipway.Size{Min: 3, Desired: 3, Max: 3}, 5, false, "", slipway.Size{Min: 5, Desired: 5, Max: 5}},
			{slipway.Size{Min: 3, Desired: 3, Max: 3}, 1, false, "", slipway.Size{Min: 1, Desired: 1, Max: 1}},
			{slipway.Size{Min: 3, Desired: 3, Max: 3}, 0, true, slipway.Invalid, slipway.Size{Min: 3, Desired: 3, Max: 3}},
		} {
			t.Run(fmt.Sprintf("%v to %d, forced %v", c.declared, c.n, c.force), func(t *testing.T) {
				b, e := handled(t, red)
				e.Size = c.declared
				if _, err := b.Deploy(slipway.DeployRequest{Image: string(b.Image("v2", sim.Behaviour{})), Environment: &e}); err != nil {
					t.Fatal(err)
				}
				if err := resize(b, c.n, c.force); slipway.CodeOf(err) != c.want {
					t.Fatalf("%v, want code %q", err, c.want)
				}
				if g, _ := b.World.Group(b.Serving()); g.Size != c.size {
					t.Errorf("size %v, want %v", g.Size, c.size)
				}
				b.Pass(time.Minute)
				if err := resize(b, c.declared.Desired, false); err != nil {
					t.Fatal(err)
				}
				if g, _ := b.World.Group(b.Serving()); g.Size != c.declared {
					t.Errorf("back at size %v, want %v", g.Size, c.declared)
				}
				if r, err := b.Store.Size(t.Context(), b.Cluster); slipway.CodeOf(err) != slipway.NotFound {
					t.Errorf("back at what slipway.yaml says, and %+v, %v is recorded", r, err)
				}
			})
		}
	})
}
