package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/provider/local"
)

// direct asks over a connection of its own, and not by way of a proxy.
var direct = http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func TestMemoryLimit(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	defer wipe(t, p)
	spec := h.group("hello-test-v001", 1)
	spec.Limits.Memory = 64
	if err := p.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	i := h.settled(t, p, spec.Name, 1, func(slipway.ServerGroup) bool { return true }).Instances[0]
	answer(t, fmt.Sprintf("http://%s:%d/eat?mib=8", i.Address, i.Port))
	r, err := direct.Get(fmt.Sprintf("http://%s:%d/eat?mib=256", i.Address, i.Port))
	if err == nil {
		r.Body.Close()
		t.Error("a machine of 64 MiB has eaten 256 MiB")
	}
	h.settled(t, p, spec.Name, 1, func(g slipway.ServerGroup) bool { return g.Replaced == 1 })
}

func TestDeadInstanceIsReplacedSoon(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	defer wipe(t, p)
	spec := h.group("hello-test-v001", 1)
	if err := p.EnsureServerGroup(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	victim := h.settled(t, p, spec.Name, 1, func(slipway.ServerGroup) bool { return true }).Instances[0]
	start := time.Now()
	if r, err := direct.Get(fmt.Sprintf("http://%s:%d/exit?status=1", victim.Address, victim.Port)); err == nil {
		r.Body.Close()
	}
	until(t, "another one is healthy", func() bool {
		g, err := p.ServerGroup(t.Context(), spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		return g.Healthy() == 1 && g.Replaced == 1
	})
	t.Logf("replaced after %s", time.Since(start))

	// What is left of the dead one still refuses connections, at once.
	start = time.Now()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", victim.Address, victim.Port), 10*time.Second)
	if err == nil {
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "no route") {
		t.Errorf("the dead one: %v after %s, want connection refused", err, time.Since(start))
	}
}

func TestCorruptLayerIsRefused(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	defer wipe(t, p)
	stored, err := h.store.ReadImage(t.Context(), h.fixture.Image)
	if err != nil {
		t.Fatal(err)
	}
	blob := h.store.BlobPath(stored.Layers[0].Digest)
	f, err := os.OpenFile(blob, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("flipped"), stored.Layers[0].Size/2); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Launch(t.Context(), h.machine("t-one")); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("machine: %v, want Corrupt", err)
	}
	if err := p.EnsureServerGroup(t.Context(), h.group("hello-test-v001", 1)); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("group: %v, want Corrupt", err)
	}
	instances, err := p.Instances(t.Context())
	if err != nil || len(instances) > 0 {
		t.Errorf("left: %v, %v", instances, err)
	}
}

func TestServiceThatCannotStart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*slipway.Service)
		reason string
	}{
		"no such program": {func(s *slipway.Service) { s.Command = []string{"/none"} }, "/none"},
		"no such user":    {func(s *slipway.Service) { s.User = "nobody" }, "nobody"},
		"no such dir":     {func(s *slipway.Service) { s.Directory = "/none" }, "/none"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			p := h.open(t)
			defer wipe(t, p)
			spec := h.machine("t-one")
			c.change(&spec.Service)
			if _, err := p.Launch(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			until(t, "the machine is dead", func() bool {
				i, err := p.Instance(t.Context(), spec.ID)
				return err == nil && i.State == slipway.InstanceDead && strings.Contains(i.Reason, c.reason)
			})
		})
	}
}

func TestAgentAnswersHealth(t *testing.T) {
	h := newHost(t)
	p := h.open(t)
	defer wipe(t, p)
	if _, err := p.Launch(t.Context(), h.machine("t-one")); err != nil {
		t.Fatal(err)
	}
	h.await(t, p, "t-one")
	// A socket's path is short: by way of the directory it is.
	dir, err := os.Open(filepath.Join(h.dir, "local", "machines", "t-one", "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), agent.SocketName)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	r, err := client.Get("http://agent/health")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var health agent.Health
	if err := json.NewDecoder(r.Body).Decode(&health); err != nil || health.State != "running" || health.PID < 2 || health.Uptime <= 0 {
		t.Errorf("%+v, %v", health, err)
	}
}

func TestUnprepared(t *testing.T) {
	h := newHost(t)
	config := local.Config{Dir: filepath.Join(h.dir, "local"), AgentPath: filepath.Join(programs, "none")}
	if _, err := local.New(t.Context(), config); slipway.CodeOf(err) != slipway.Unprepared {
		t.Errorf("no agent: %v, want Unprepared", err)
	}
	t.Setenv("PATH", t.TempDir())
	config.AgentPath = filepath.Join(programs, "slipway-agent")
	if _, err := local.New(t.Context(), config); slipway.CodeOf(err) != slipway.Unprepared || !strings.Contains(err.Error(), "apt-get install runc") {
		t.Errorf("no runc: %v, want Unprepared and what to do", err)
	}
}

func (h *host) group(name string, n int) slipway.ServerGroupSpec {
	return slipway.ServerGroupSpec{
		Name: name, Cluster: slipway.Cluster{Application: "hello", Environment: "test"}, Image: h.fixture.Image, Service: h.fixture.Service,
		Size: slipway.Size{Min: n, Desired: n, Max: n},
	}
}

func (h *host) machine(id string) slipway.MachineSpec {
	return slipway.MachineSpec{ID: id, Owner: "test", Image: h.fixture.Image, Service: h.fixture.Service, Expires: time.Now().Add(time.Hour)}
}

// settled waits until the group has n healthy instances, no others, and is ok.
func (h *host) settled(t *testing.T, p *local.Provider, name string, n int, ok func(slipway.ServerGroup) bool) (group slipway.ServerGroup) {
	t.Helper()
	until(t, "group "+name+" has settled", func() bool {
		g, err := p.ServerGroup(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		group = g
		return g.Healthy() == n && len(g.Instances) == n && ok(g)
	})
	return group
}

// await waits until an instance is healthy.
func (h *host) await(t *testing.T, p *local.Provider, id string) {
	t.Helper()
	until(t, id+" is healthy", func() bool {
		i, err := p.Instance(t.Context(), id)
		return err == nil && i.State == slipway.InstanceHealthy
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
