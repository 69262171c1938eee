// Package providertest holds every implementation of slipway.Provider to the contract that its comments state.
package providertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// Patience bounds every wait for something that has to happen, in the provider's time. Nothing is expected to take that long.
const Patience = 30 * time.Second

// suite is one test's provider with what the test makes on it.
type suite struct {
	slipway.Provider
	Fixture
	t *testing.T
}

// Exercise runs the suite. open returns a provider with nothing on it, which the test may fill with machines.
func Exercise(t *testing.T, open func(t *testing.T) (slipway.Provider, Fixture)) {
	for _, c := range []struct {
		name  string
		test  func(suite)
		needs Ability
	}{
		{"group is made, found again and destroyed", suite.testGroup, ""},
		{"group of another spec is a conflict", suite.testConflict, ""},
		{"group of a missing image is refused", suite.testMissingImage, ""},
		{"group is resized", suite.testResize, ""},
		{"dead instance is replaced", suite.testDead, ""},
		{"unhealthy instance is replaced", suite.testUnhealthy, ""},
		{"terminated instance is replaced", suite.testTerminate, ""},
		{"failing group says what troubles it", suite.testTrouble, ""},
		{"same launch twice is one machine", suite.testLaunchTwice, ""},
		{"throw-away machine expires", suite.testExpiry, ""},
		{"environment and user", suite.testEnvironment, Processes},
		{"drain ends", suite.testDrain, ""},
		{"exec", suite.testExec, ""},
		{"exec of processes", suite.testProcesses, Processes},
		{"logs", suite.testLogs, ""},
		{"watch", suite.testWatch, ""},
		{"disabled instance is left alone", suite.testDisabled, ""},
		{"protected instance stays", suite.testProtected, ""},
		{"marks of what cannot be marked", suite.testMarks, ""},
		{"taint", suite.testTaint, ""},
		{"what does not exist", suite.testNotFound, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := open(t)
			if slices.Contains(f.Lacks, c.needs) {
				t.Skipf("the provider has no %s", c.needs)
			}
			c.test(suite{Provider: p, Fixture: f.withDefaults(), t: t})
		})
	}
}

func (s suite) testGroup() {
	spec := s.spec("hello-test-v001", 2)
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() { s.must(s.EnsureServerGroup(s.t.Context(), spec)) })
	}
	calls.Wait()
	group := s.healthy(spec.Name, 2)
	if len(group.Instances) != 2 || group.Replaced != 0 || group.Trouble != "" {
		s.t.Errorf("group: %+v", group)
	}
	addresses := map[string]bool{}
	for _, i := range group.Instances {
		if i.Group != spec.Name || i.Image != s.Image || i.Port != s.Service.Port || i.Started.IsZero() {
			s.t.Errorf("instance: %+v", i)
		}
		addresses[i.Address] = true
		s.get(i, "/healthz")
	}
	if len(addresses) != 2 {
		s.t.Errorf("addresses: %v", addresses)
	}
	groups, err := s.ServerGroups(s.t.Context())
	if s.must(err); len(groups) != 1 || groups[0].Name != spec.Name {
		s.t.Errorf("groups: %+v", groups)
	}
	instances, err := s.Instances(s.t.Context())
	if s.must(err); len(instances) != 2 {
		s.t.Errorf("instances: %+v", instances)
	}
	for range 2 {
		s.must(s.DestroyServerGroup(s.t.Context(), spec.Name))
	}
	s.nothingLeft()
	if _, err := s.ServerGroup(s.t.Context(), spec.Name); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("group after its end: %v", err)
	}
}

func (s suite) testConflict() {
	spec := s.spec("hello-test-v001", 1)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	other := spec
	other.Image = s.Other
	if err := s.EnsureServerGroup(s.t.Context(), other); slipway.CodeOf(err) != slipway.Conflict {
		s.t.Errorf("another image: %v, want Conflict", err)
	}
	other = spec
	other.Config = map[string]string{"A": "b"}
	if err := s.EnsureServerGroup(s.t.Context(), other); slipway.CodeOf(err) != slipway.Conflict {
		s.t.Errorf("another config: %v, want Conflict", err)
	}
	other = spec
	other.Size = slipway.Size{Min: 0, Desired: 3, Max: 3}
	s.must(s.EnsureServerGroup(s.t.Context(), other))
	if group := s.healthy(spec.Name, 1); group.Size != spec.Size {
		s.t.Errorf("size %+v, want what was set before", group.Size)
	}
	s.destroy(spec.Name)
}

func (s suite) testMissingImage() {
	spec := s.spec("hello-test-v001", 1)
	spec.Image = slipway.DigestOf([]byte("no such image"))
	if err := s.EnsureServerGroup(s.t.Context(), spec); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("got %v, want NotFound", err)
	}
	if _, err := s.ServerGroup(s.t.Context(), spec.Name); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("the group exists: %v", err)
	}
}

func (s suite) testResize() {
	spec := s.spec("hello-test-v001", 1)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	first := s.healthy(spec.Name, 1).Instances[0].ID
	size := slipway.Size{Min: 1, Desired: 3, Max: 4}
	for range 2 {
		s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, size))
	}
	group := s.healthy(spec.Name, 3)
	if group.Size != size {
		s.t.Errorf("size %+v, want %+v", group.Size, size)
	}
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, spec.Size))
	group = s.settled(spec.Name, 1)
	if group.Instances[0].ID != first || group.Replaced != 0 {
		s.t.Errorf("left %+v, want the oldest, %s", group, first)
	}
	if err := s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{Min: 2, Desired: 1, Max: 1}); slipway.CodeOf(err) != slipway.Invalid {
		s.t.Errorf("impossible size: %v, want Invalid", err)
	}
	s.must(s.ResizeServerGroup(s.t.Context(), spec.Name, slipway.Size{}))
	s.settled(spec.Name, 0)
	s.destroy(spec.Name)
}

func (s suite) testDead() {
	spec := s.spec("hello-test-v001", 2)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	victim := s.healthy(spec.Name, 2).Instances[0]
	_, _ = s.Ask(s.t.Context(), victim, "/exit?status=3") // it does not get to answering
	group := s.settledWithout(spec.Name, victim.ID, 2)
	if group.Replaced != 1 {
		s.t.Errorf("replaced %d, want 1", group.Replaced)
	}
	s.destroy(spec.Name)
}

func (s suite) testUnhealthy() {
	spec := s.spec("hello-test-v001", 2)
	spec.Service.Health.Interval = slipway.Duration(50 * time.Millisecond)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	victim := s.healthy(spec.Name, 2).Instances[1]
	s.get(victim, "/sick")
	group := s.settledWithout(spec.Name, victim.ID, 2)
	if group.Replaced != 1 {
		s.t.Errorf("replaced %d, want 1", group.Replaced)
	}
	s.destroy(spec.Name)
}

func (s suite) testTerminate() {
	spec := s.spec("hello-test-v001", 1)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	victim := s.healthy(spec.Name, 1).Instances[0]
	for range 2 {
		s.must(s.Terminate(s.t.Context(), victim.ID))
	}
	if _, err := s.Instance(s.t.Context(), victim.ID); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("terminated instance: %v", err)
	}
	group := s.settledWithout(spec.Name, victim.ID, 1)
	if group.Replaced != 0 {
		s.t.Errorf("replaced %d: it neither died nor turned unhealthy", group.Replaced)
	}
	s.destroy(spec.Name)
}

func (s suite) testTrouble() {
	spec := s.spec("hello-test-v001", 1)
	spec.Config = map[string]string{"FAIL": "7"}
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	group := s.group(spec.Name, func(g slipway.ServerGroup) bool { return g.Replaced >= 3 && g.Trouble != "" })
	if !strings.Contains(group.Trouble, "7") {
		s.t.Errorf("trouble %q does not say with what status the service ends", group.Trouble)
	}
	s.destroy(spec.Name)
	s.nothingLeft()
}

func (s suite) testLaunchTwice() {
	spec := s.machine("t-one")
	first, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	again, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	if first.Address != again.Address || first.Group != "" || first.ID != spec.ID {
		s.t.Errorf("first %+v, again %+v", first, again)
	}
	s.get(s.instance(spec.ID, slipway.InstanceHealthy), "/healthz")
	other := spec
	other.Image = s.Other
	if _, err := s.Launch(s.t.Context(), other); slipway.CodeOf(err) != slipway.Conflict {
		s.t.Errorf("the same ID with another image: %v, want Conflict", err)
	}
	for range 2 {
		s.must(s.Terminate(s.t.Context(), spec.ID))
	}
	s.nothingLeft()
	missing := s.machine("t-two")
	missing.Image = slipway.DigestOf([]byte("no such image"))
	if _, err := s.Launch(s.t.Context(), missing); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("missing image: %v, want NotFound", err)
	}
	s.nothingLeft()
}

func (s suite) testExpiry() {
	spec := s.machine("t-one")
	spec.Expires = s.Now().Add(500 * time.Millisecond)
	_, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	s.until("the machine has expired", func() bool {
		_, err := s.Instance(s.t.Context(), spec.ID)
		return slipway.CodeOf(err) == slipway.NotFound
	})
	s.nothingLeft()
}

func (s suite) testEnvironment() {
	spec := s.spec("hello-test-v001", 1)
	spec.Service.Env = map[string]string{"BAKED": "yes", "BOTH": "baked"}
	spec.Service.Directory = "/tmp"
	spec.Config = map[string]string{"BOTH": "config"}
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	i := s.healthy(spec.Name, 1).Instances[0]
	for name, want := range map[string]string{
		"BAKED": "yes", "BOTH": "config", "PORT": strconv.Itoa(s.Service.Port), "SLIPWAY_INSTANCE": i.ID, "SLIPWAY_GROUP": spec.Name,
		"SLIPWAY_APPLICATION": "hello", "SLIPWAY_ENVIRONMENT": "test",
	} {
		if got := s.get(i, "/env?name="+name); got != want {
			s.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	whoami := strings.Fields(s.get(i, "/whoami"))
	if user := whoami[0] + ":" + whoami[1]; user != s.Service.User || whoami[2] != "/tmp" || whoami[3] == "1" {
		s.t.Errorf("the service is %v, want %s in /tmp, not as process 1", whoami, s.Service.User)
	}
	s.destroy(spec.Name)
}

func (s suite) testDrain() {
	spec := s.machine("t-one")
	spec.Config = map[string]string{"STUBBORN": "1"}
	spec.Service.Drain = slipway.Duration(200 * time.Millisecond)
	_, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	s.instance(spec.ID, slipway.InstanceHealthy)
	s.must(s.Terminate(s.t.Context(), spec.ID))
	s.nothingLeft()
}

func (s suite) testLogs() {
	spec := s.machine("t-one")
	_, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	i := s.instance(spec.ID, slipway.InstanceHealthy)
	for n := range 5 {
		s.get(i, fmt.Sprintf("/print?text=line%d", n))
	}
	s.until("the last lines are there", func() bool { return s.logs(spec.ID, 2) == "line3\nline4\n" })
	if all := s.logs(spec.ID, 0); !strings.HasPrefix(all, "starting\nline0\n") {
		s.t.Errorf("all lines: %q", all)
	}
	follower, err := s.Logs(s.t.Context(), spec.ID, 1, true)
	s.must(err)
	defer follower.Close()
	lines := bufio.NewScanner(follower)
	for _, want := range []string{"line4", "live", "stopping"} {
		if !lines.Scan() || lines.Text() != want {
			s.t.Fatalf("following: %q, %v; want %q", lines.Text(), lines.Err(), want)
		}
		switch want {
		case "line4":
			s.get(i, "/print?text=live")
		case "live":
			s.must(s.Terminate(s.t.Context(), spec.ID))
		}
	}
	if lines.Scan() || lines.Err() != nil {
		s.t.Errorf("after the machine's end: %q, %v", lines.Text(), lines.Err())
	}
	if kept := s.logs(spec.ID, 1); kept != "stopping\n" {
		s.t.Errorf("kept: %q", kept)
	}
}

func (s suite) testWatch() {
	ctx, cancel := context.WithCancel(s.t.Context())
	names := s.Watch(ctx)
	lazy := s.Watch(ctx)
	next := func(want string) {
		s.t.Helper()
		s.until(fmt.Sprintf("there is a signal for %q", want), func() bool {
			for {
				select {
				case name := <-names:
					if name == want {
						return true
					}
				default:
					return false
				}
			}
		})
	}
	spec := s.spec("hello-test-v001", 1)
	s.must(s.EnsureServerGroup(s.t.Context(), spec))
	for {
		next(spec.Name)
		group, err := s.ServerGroup(s.t.Context(), spec.Name)
		if s.must(err); group.Healthy() == 1 {
			break
		}
	}
	_, err := s.Launch(s.t.Context(), s.machine("t-one"))
	s.must(err)
	next("")
	s.must(s.Terminate(s.t.Context(), "t-one"))
	s.destroy(spec.Name)
	next(spec.Name)
	seen := map[string]bool{}
	s.until("a receiver that came late has all names", func() bool {
		for {
			select {
			case name := <-lazy:
				seen[name] = true
			default:
				return seen[""] && seen[spec.Name]
			}
		}
	})
	cancel()
	for deadline := time.After(Patience); ; {
		select {
		case _, open := <-names:
			if !open {
				return
			}
		case <-deadline:
			s.t.Fatal("the channel is not closed")
		}
	}
}

func (s suite) testNotFound() {
	ctx := s.t.Context()
	_, group := s.ServerGroup(ctx, "hello-test-v009")
	_, instance := s.Instance(ctx, "i-none")
	_, exec := s.Exec(ctx, "i-none", slipway.Exec{Command: []string{"true"}})
	_, logs := s.Logs(ctx, "../../etc/passwd", 1, false)
	for what, err := range map[string]error{
		"group": group, "instance": instance, "exec": exec, "logs": logs,
		"resize": s.ResizeServerGroup(ctx, "hello-test-v009", slipway.Size{Min: 1, Desired: 1, Max: 1}),
	} {
		if slipway.CodeOf(err) != slipway.NotFound {
			s.t.Errorf("%s: %v, want NotFound", what, err)
		}
	}
	s.must(s.DestroyServerGroup(ctx, "hello-test-v009"))
	s.must(s.Terminate(ctx, "i-none"))
	for _, name := range []string{"", "../escape-v001", "nonumber"} {
		spec := s.spec(name, 1)
		if err := s.EnsureServerGroup(ctx, spec); slipway.CodeOf(err) != slipway.Invalid {
			s.t.Errorf("group %q: %v, want Invalid", name, err)
		}
	}
	if _, err := s.Launch(ctx, s.machine("../escape")); slipway.CodeOf(err) != slipway.Invalid {
		s.t.Errorf("machine ../escape: %v, want Invalid", err)
	}
}

func (s suite) spec(name string, desired int) slipway.ServerGroupSpec {
	return slipway.ServerGroupSpec{
		Name: name, Cluster: slipway.Cluster{Application: "hello", Environment: "test"}, Image: s.Image, Service: s.Service,
		Size: slipway.Size{Min: desired, Desired: desired, Max: desired},
	}
}

func (s suite) machine(id string) slipway.MachineSpec {
	return slipway.MachineSpec{ID: id, Owner: "test", Image: s.Image, Service: s.Service, Expires: s.Now().Add(time.Hour)}
}

// healthy waits until the group has n healthy instances.
func (s suite) healthy(name string, n int) slipway.ServerGroup {
	s.t.Helper()
	return s.group(name, func(g slipway.ServerGroup) bool { return g.Healthy() == n })
}

// settled waits until it has these and no others.
func (s suite) settled(name string, n int) slipway.ServerGroup {
	s.t.Helper()
	return s.group(name, func(g slipway.ServerGroup) bool { return g.Healthy() == n && len(g.Instances) == n })
}

func (s suite) settledWithout(name, gone string, n int) slipway.ServerGroup {
	s.t.Helper()
	return s.group(name, func(g slipway.ServerGroup) bool {
		for _, i := range g.Instances {
			if i.ID == gone {
				return false
			}
		}
		return g.Healthy() == n && len(g.Instances) == n
	})
}

func (s suite) group(name string, ok func(slipway.ServerGroup) bool) (group slipway.ServerGroup) {
	s.t.Helper()
	s.until("group "+name+" is as wanted", func() bool {
		g, err := s.ServerGroup(s.t.Context(), name)
		s.must(err)
		group = g
		return ok(g)
	})
	return group
}

func (s suite) instance(id string, state slipway.InstanceState) (instance slipway.Instance) {
	s.t.Helper()
	s.until("instance "+id+" is "+string(state), func() bool {
		i, err := s.Instance(s.t.Context(), id)
		s.must(err)
		instance = i
		return i.State == state
	})
	return instance
}

func (s suite) destroy(name string) {
	s.t.Helper()
	s.must(s.DestroyServerGroup(s.t.Context(), name))
}

func (s suite) nothingLeft() {
	s.t.Helper()
	instances, err := s.Instances(s.t.Context())
	if s.must(err); len(instances) > 0 {
		s.t.Errorf("left: %+v", instances)
	}
}

// until polls a real state.
func (s suite) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := s.Now().Add(Patience); !ok(); s.Pass(5 * time.Millisecond) {
		if s.Now().After(deadline) {
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (s suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
		s.t.FailNow()
	}
}

// get asks a service and returns its answer.
func (s suite) get(i slipway.Instance, path string) string {
	s.t.Helper()
	text, err := s.Ask(s.t.Context(), i, path)
	s.must(err)
	return text
}

func (s suite) logs(id string, lines int) string {
	s.t.Helper()
	r, err := s.Logs(s.t.Context(), id, lines, false)
	s.must(err)
	defer r.Close()
	text, err := io.ReadAll(r)
	s.must(err)
	return string(text)
}
