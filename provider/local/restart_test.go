package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/provider/local"
	"github.com/slipway-sh/slipway/provider/providertest"
	"github.com/slipway-sh/slipway/rootfs"
)

func TestMachinesOutliveTheProvider(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	spec := h.group("hello-test-v001", 2)
	if err := p.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	before := h.settled(t, p, spec.Name, 2, func(slipway.ServerGroup) bool { return true })
	if _, err := p.Launch(t.Context(), h.machine("t-kept")); err != nil {
		t.Fatal(err)
	}
	h.await(t, p, "t-kept")
	expiring := h.machine("t-expiring")
	expiring.Expires = time.Now().Add(2 * time.Second)
	if _, err := p.Launch(t.Context(), expiring); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, i := range before.Instances {
		pids[i.ID] = h.pid(t, i.ID)
	}
	mark := &slipway.InstanceMark{Since: time.Now().UTC().Truncate(time.Second), By: "ann", Reason: "it is slow"}
	for id, kind := range map[string]slipway.MarkKind{before.Instances[0].ID: slipway.MarkDisabled, before.Instances[1].ID: slipway.MarkProtected} {
		if _, err := p.MarkInstance(t.Context(), id, kind, mark); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, i := range before.Instances {
		answer(t, fmt.Sprintf("http://%s:%d/healthz", i.Address, i.Port))
	}

	p = h.open(t)
	after, err := p.ServerGroup(t.Context(), spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	if after.Healthy() != 2 || after.Replaced != 0 {
		t.Errorf("right after the restart: %+v", after)
	}
	for _, i := range after.Instances {
		if pids[i.ID] != h.pid(t, i.ID) {
			t.Errorf("instance %s has process %d, had %d", i.ID, h.pid(t, i.ID), pids[i.ID])
		}
		want, got := i.Disabled, i.Protected
		if i.ID == before.Instances[1].ID {
			want, got = got, want
		}
		if want == nil || *want != *mark || got != nil {
			t.Errorf("instance %s is disabled %+v and protected %+v", i.ID, i.Disabled, i.Protected)
		}
	}
	if err := p.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Error(err)
	}
	if again, err := p.Launch(t.Context(), h.machine("t-kept")); err != nil || again.State != slipway.InstanceHealthy {
		t.Errorf("the throw-away: %+v, %v", again, err)
	}
	until(t, "the throw-away that expires is gone", func() bool {
		_, err := p.Instance(t.Context(), expiring.ID)
		return slipway.CodeOf(err) == slipway.NotFound
	})

	// One dies while nobody looks.
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	victim := before.Instances[0].ID
	if err := syscall.Kill(pids[victim], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p = h.open(t)
	h.settled(t, p, spec.Name, 2, func(g slipway.ServerGroup) bool { return g.Replaced == 1 })
	wipe(t, p)
}

// TestHostRestart takes away everything that a restart of the host takes away. Of machines only records are left then.
func TestHostRestart(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	spec := h.group("hello-test-v001", 2)
	if err := p.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	before := h.settled(t, p, spec.Name, 2, func(slipway.ServerGroup) bool { return true })
	if _, err := p.Launch(t.Context(), h.machine("t-one")); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.restart(t)

	groups, instances, err := local.Recorded(filepath.Join(h.dir, "local"))
	if err != nil || len(groups) != 1 || groups[0].Name != spec.Name || len(groups[0].Instances) != 2 || len(instances) != 3 {
		t.Errorf("on record are %+v and %+v, %v", groups, instances, err)
	}
	p = h.open(t)
	after := h.settled(t, p, spec.Name, 2, func(g slipway.ServerGroup) bool { return g.Replaced == 2 })
	for _, i := range after.Instances {
		answer(t, fmt.Sprintf("http://%s:%d/healthz", i.Address, i.Port))
		for _, old := range before.Instances {
			if i.ID == old.ID {
				t.Errorf("instance %s is still there", i.ID)
			}
		}
	}
	if i, err := p.Instance(t.Context(), "t-one"); err != nil || i.State != slipway.InstanceDead {
		t.Errorf("the throw-away: %+v, %v; want it dead", i, err)
	}
	wipe(t, p)
}

// restart ends every process of the data directory and removes its mounts, network and cgroups.
func (h *host) restart(t *testing.T) {
	t.Helper()
	machines, err := os.ReadDir(filepath.Join(h.dir, "local", "machines"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if err := syscall.Kill(h.pid(t, m.Name()), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all processes are gone", func() bool { return h.census(t).processes == 0 })
	_, pins, bridge, group := h.names()
	links, err := netlink.LinkList()
	errs := []error{err}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, bridge) {
			errs = append(errs, netlink.LinkDel(l))
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	errs = append(errs, err)
	for _, line := range slices.Backward(strings.Split(strings.TrimSpace(string(table)), "\n")) {
		if at := strings.Fields(line)[4]; strings.HasPrefix(at, h.dir+"/") || strings.HasPrefix(at, pins+"/") {
			errs = append(errs, syscall.Unmount(at, syscall.MNT_DETACH))
		}
	}
	errs = append(errs, os.RemoveAll(pins))
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} { // v2 or v1
		groups, err := filepath.Glob(filepath.Join(hierarchy, group))
		errs = append(errs, err)
		for _, dir := range groups {
			for _, m := range machines {
				errs = append(errs, os.Remove(filepath.Join(dir, m.Name())))
			}
			errs = append(errs, os.Remove(dir))
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if c := h.census(t); c.mounts+c.namespaces+c.links+c.processes != 0 {
		t.Fatalf("the host still has %+v", c)
	}
}

// TestKilledProvider kills processes that use a provider at random moments, and has another one go on.
func TestKilledProvider(t *testing.T) {
	h := newHost(t)
	empty := h.census(t)
	for range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimDir+"="+h.dir, "PROGRAMS="+programs, "IMAGE="+string(h.fixture.Image))
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if !bufio.NewScanner(out).Scan() {
			t.Fatal("the victim does not start")
		}
		moment := time.Duration(rand.IntN(700)) * time.Millisecond
		time.Sleep(moment) // not to wait for anything: this is the random moment
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()

		p := h.open(t)
		groups, err := p.ServerGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			if err := p.EnsureServerGroup(t.Context(), g.ServerGroupSpec); slipway.CodeOf(err) == slipway.Conflict {
				if err := p.DestroyServerGroup(t.Context(), g.Name); err != nil { // it was being destroyed
					t.Error(err)
				}
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			h.settled(t, p, g.Name, g.Size.Desired, func(g slipway.ServerGroup) bool { return g.Trouble == "" })
		}
		if _, err := p.Launch(t.Context(), h.machine("t-same")); err != nil {
			t.Error(err)
		}
		h.await(t, p, "t-same")
		wipe(t, p)
		after := h.census(t)
		after.files = empty.files
		if after != empty {
			t.Fatalf("killed after %s: the host has %+v, want %+v", moment, after, empty)
		}
	}
}

const victimDir = "SLIPWAY_LOCAL_TEST_VICTIM"

// victim uses a provider until it is killed.
func victim(dir string) {
	ctx := context.Background()
	store, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		panic(err)
	}
	p, err := local.New(ctx, local.Config{
		Dir: filepath.Join(dir, "local"), Images: store, Mounts: rootfs.New(filepath.Join(dir, "mounts"), store),
		AgentPath: filepath.Join(os.Getenv("PROGRAMS"), "slipway-agent"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	h := &host{dir: dir, fixture: providertest.Fixture{Image: slipway.Digest(os.Getenv("IMAGE")), Service: service()}}
	fmt.Println("ready")
	for i := 1; ; i++ {
		spec := h.group(fmt.Sprintf("hello-test-v%03d", i), 2)
		_, launch := p.Launch(ctx, h.machine("t-same"))
		err := errors.Join(launch, p.EnsureServerGroup(ctx, spec),
			p.ResizeServerGroup(ctx, spec.Name, slipway.Size{Min: 1, Desired: 3, Max: 3}), p.Terminate(ctx, "t-same"),
			p.ResizeServerGroup(ctx, spec.Name, slipway.Size{Min: 1, Desired: 1, Max: 3}))
		if err != nil {
			panic(err)
		}
		if i > 1 {
			if err := p.DestroyServerGroup(ctx, fmt.Sprintf("hello-test-v%03d", i-1)); err != nil {
				panic(err)
			}
		}
	}
}

// pid returns the number of a machine's first process.
func (h *host) pid(t *testing.T, id string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "local", "machines", id, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
