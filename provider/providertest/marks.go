package providertest

import (
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// mark sets a mark of an instance twice, as whoever has not heard the answer does, or takes it off; it returns the instance.
func (s suite) mark(id string, kind slipway.MarkKind, set bool) (i slipway.Instance) {
	s.t.Helper()
	var mark *slipway.InstanceMark
	if set {
		mark = &slipway.InstanceMark{Since: s.Now().UTC().Truncate(time.Second), By: "ann", Reason: "it is slow"}
	}
	for range 2 {
		var err error
		i, err = s.marker().MarkInstance(s.t.Context(), id, kind, mark)
		s.must(err)
	}
	got := i.Disabled
	if kind == slipway.MarkProtected {
		got = i.Protected
	}
	if set && (got == nil || *got != *mark) || !set && got != nil {
		s.t.Errorf("marked as %s: %+v, want %+v", kind, got, mark)
	}
	return i
}

func (s suite) marker() slipway.Marker {
	s.t.Helper()
	m, ok := s.Provider.(slipway.Marker)
	if !ok {
		s.t.Fatal("the provider's instances cannot be marked")
	}
	return m
}

func (s suite) has(g slipway.ServerGroup, id string) bool {
	return slices.ContainsFunc(g.Instances, func(i slipway.Instance) bool { return i.ID == id })
}

func (s suite) testDisabled() {
	spec := s.spec("hello-test-v001", 2)
	spec.Size.Max = 3
	spec.Service.Health.Interval = slipway.Duration(50 * time.Millisecond)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	first := s.healthy(spec.Name, 2).Instances[0]
	s.mark(first.ID, slipway.MarkDisabled, true)
	group := s.settled(spec.Name, 2)
	if group.Healthy() != 2 || group.Ready() != 1 || group.Replaced != 0 {
		s.t.Errorf("%d healthy, %d ready for traffic, %d replaced; want 2, 1, 0: %+v", group.Healthy(), group.Ready(), group.Replaced, group)
	}
	s.get(first, "/healthz") // it runs on

	// It may be as unhealthy as it likes: somebody looks into it.
	s.get(first, "/sick")
	s.instance(first.ID, slipway.InstanceUnhealthy)
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{Min: 2, Desired: 3, Max: 3})) // which has the group looked after
	group = s.healthy(spec.Name, 2)
	if !s.has(group, first.ID) || len(group.Instances) != 3 || group.Replaced != 0 {
		s.t.Errorf("the disabled one is not left alone: %+v", group)
	}
	// A group that shrinks lets go of it first, though it is the oldest.
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, spec.Size))
	if group = s.settledWithout(spec.Name, first.ID, 2); group.Replaced != 0 {
		s.t.Errorf("replaced %d, want none: it was let go", group.Replaced)
	}

	// Once it is enabled, what is unhealthy is replaced.
	second := group.Instances[0]
	s.mark(second.ID, slipway.MarkDisabled, true)
	s.get(second, "/sick")
	s.instance(second.ID, slipway.InstanceUnhealthy)
	s.mark(second.ID, slipway.MarkDisabled, false)
	if group = s.settledWithout(spec.Name, second.ID, 2); group.Replaced != 1 {
		s.t.Errorf("replaced %d, want 1", group.Replaced)
	}

	// One that dies is replaced, disabled or not, and what takes its place is not disabled.
	third := group.Instances[0]
	s.mark(third.ID, slipway.MarkDisabled, true)
	_, _ = s.Ask(s.t.Context(), third, "/exit?status=3") // it does not get to answering
	if group = s.settledWithout(spec.Name, third.ID, 2); group.Replaced != 2 || group.Ready() != 2 {
		s.t.Errorf("replaced %d, want 2; %d are ready for traffic, want 2", group.Replaced, group.Ready())
	}
	s.destroy(spec.Name)
}

func (s suite) testProtected() {
	spec := s.spec("hello-test-v001", 3)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	group := s.healthy(spec.Name, 3)
	kept := group.Instances[2].ID // which would go first
	s.mark(kept, slipway.MarkProtected, true)
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{Min: 1, Desired: 1, Max: 3}))
	if group = s.settled(spec.Name, 1); group.Instances[0].ID != kept {
		s.t.Errorf("left %+v, want %s, which is protected", group.Instances, kept)
	}
	// Fewer than are protected there cannot be, until they are not.
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{Max: 3}))
	s.get(s.instance(kept, slipway.InstanceHealthy), "/healthz")
	if group = s.settled(spec.Name, 1); group.Instances[0].Protected == nil {
		s.t.Errorf("it is not protected any more: %+v", group.Instances)
	}
	s.mark(kept, slipway.MarkProtected, false)
	s.settled(spec.Name, 0)

	// One that dies is replaced, protected or not.
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{Min: 1, Desired: 1, Max: 3}))
	victim := s.healthy(spec.Name, 1).Instances[0]
	s.mark(victim.ID, slipway.MarkProtected, true)
	_, _ = s.Ask(s.t.Context(), victim, "/exit?status=3") // it does not get to answering
	s.settledWithout(spec.Name, victim.ID, 1)

	// The provider does what it is told: whether somebody may is for those who ask.
	other := s.healthy(spec.Name, 1).Instances[0]
	s.mark(other.ID, slipway.MarkProtected, true)
	s.must(s.Terminate(s.t.Context(), other.ID))
	s.mark(s.settledWithout(spec.Name, other.ID, 1).Instances[0].ID, slipway.MarkProtected, true)
	s.destroy(spec.Name)
	s.nothingLeft()
}

func (s suite) testMarks() {
	ctx := s.t.Context()
	mark := &slipway.InstanceMark{Since: s.Now(), By: "ann"}
	if _, err := s.marker().MarkInstance(ctx, "i-none", slipway.MarkDisabled, mark); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("one that is not there: %v, want NotFound", err)
	}
	spec := s.machine("t-one")
	spec.Owner = "started by ann"
	_, err := s.Launch(ctx, spec)
	s.must(err)
	if i := s.instance(spec.ID, slipway.InstanceHealthy); i.Owner != spec.Owner || !i.Expires.Equal(spec.Expires) || i.Disabled != nil || i.Protected != nil || i.Taint != nil {
		s.t.Errorf("a machine of no group: %+v", i)
	}
	if _, err := s.marker().MarkInstance(ctx, spec.ID, "blessed", mark); slipway.CodeOf(err) != slipway.Invalid {
		s.t.Errorf("a mark that there is not: %v, want Invalid", err)
	}
	// The same launch again does not take off what was said meanwhile.
	s.mark(spec.ID, slipway.MarkProtected, true)
	again, err := s.Launch(ctx, spec)
	if s.must(err); again.Protected == nil {
		s.t.Errorf("launched again, it is not protected any more: %+v", again)
	}
	s.must(s.Terminate(ctx, spec.ID))
	if _, err := s.marker().MarkInstance(ctx, spec.ID, slipway.MarkDisabled, mark); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("one that is gone: %v, want NotFound", err)
	}
	s.nothingLeft()
}

func (s suite) testTaint() {
	spec := s.spec("hello-test-v001", 1)
	spec.Service.State = []string{"/var/lib/hello"}
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	i := s.healthy(spec.Name, 1).Instances[0]
	write := func(path string) {
		s.t.Helper()
		result, err := s.Exec(s.t.Context(), i.ID, slipway.Exec{Command: []string{"/service", "-write", path}, User: "0:0"})
		if s.must(err); result.ExitCode != 0 {
			s.t.Fatalf("cannot write %s: %s", path, result.Output)
		}
	}
	for _, path := range []string{"/tmp/a", "/run/b/c", "/var/tmp/d", "/var/lib/hello/data/e"} {
		write(path)
	}
	changes := s.Watch(s.t.Context())
	write("/opt/f")
	s.until("it is tainted", func() bool {
		now, err := s.Instance(s.t.Context(), i.ID)
		s.must(err)
		if now.Taint != nil && now.Taint.Path != "/opt/f" && !strings.HasPrefix("/opt/f", now.Taint.Path+"/") {
			s.t.Fatalf("tainted by %s, where it may write", now.Taint.Path)
		}
		return now.Taint != nil && !now.Taint.Since.IsZero() && now.State == slipway.InstanceHealthy
	})
	s.until("whoever watches hears of it", func() bool {
		select {
		case name := <-changes:
			return name == spec.Name
		default:
			return false
		}
	})
	s.must(s.Terminate(s.t.Context(), i.ID))
	if group := s.settledWithout(spec.Name, i.ID, 1); group.Instances[0].Taint != nil {
		s.t.Errorf("what took its place is tainted, too: %+v", group.Instances[0])
	}
	s.destroy(spec.Name)
}
