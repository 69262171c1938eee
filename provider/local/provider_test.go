package local_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/provider/local"
	"github.com/slipway-sh/slipway/provider/providertest"
	"github.com/slipway-sh/slipway/rootfs"
)

// programs has the agent and the service that the tests run, built once.
var programs string

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slipway-local-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	build := exec.Command("go", "build", "-o", dir, "../../cmd/slipway-agent", "../providertest/service")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// host is one data directory: an image store with two images, and whatever a provider makes of it.
type host struct {
	dir     string
	store   *image.Store
	mounts  *rootfs.Mounts
	fixture providertest.Fixture
}

func newHost(t testing.TB) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h := openHost(t, t.TempDir())
	program, err := os.ReadFile(filepath.Join(programs, "service"))
	if err != nil {
		t.Fatal(err)
	}
	h.fixture.Image = h.image(t, program, "one")
	h.fixture.Other = h.image(t, program, "two")
	t.Cleanup(func() {
		if err := h.mounts.Prune(func(slipway.Digest) bool { return false }); err != nil {
			t.Error(err)
		}
	})
	return h
}

// openHost opens the data directory at dir.
func openHost(t testing.TB, dir string) *host {
	t.Helper()
	store, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	return &host{
		dir: dir, store: store, mounts: rootfs.New(filepath.Join(dir, "mounts"), store),
		fixture: providertest.Fixture{Service: service()},
	}
}

func service() slipway.Service {
	return slipway.Service{Command: []string{"/service"}, User: "1000:1001", Port: 8080, Health: slipway.Health{HTTP: "/healthz"}}
}

func (h *host) image(t testing.TB, program []byte, name string) slipway.Digest {
	t.Helper()
	digest, size, err := h.store.WriteLayer(t.Context(), nil, func(l *image.Layer) error {
		if err := l.AddDir("/tmp", image.Attr{Mode: 0o1777}); err != nil {
			return err
		}
		if err := l.AddFile("/name", image.Attr{Mode: 0o644}, []byte(name)); err != nil {
			return err
		}
		return l.AddFile("/service", image.Attr{Mode: 0o755}, program)
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.store.WriteImage(t.Context(), slipway.Image{
		Application: "hello", From: "scratch", Service: h.fixture.Service, Layers: []slipway.LayerInfo{{Digest: digest, Size: size, Step: "test"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open starts a provider on the host.
func (h *host) open(t testing.TB) *local.Provider {
	t.Helper()
	p, err := local.New(t.Context(), local.Config{
		Dir: filepath.Join(h.dir, "local"), Images: h.store, Mounts: h.mounts, AgentPath: filepath.Join(programs, "slipway-agent"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wipe ends a provider and its machines.
func wipe(t testing.TB, p *local.Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	groups, err := p.ServerGroups(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, g := range groups {
		if err := p.DestroyServerGroup(ctx, g.Name); err != nil {
			t.Error(err)
		}
	}
	instances, err := p.Instances(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, i := range instances {
		if err := p.Terminate(ctx, i.ID); err != nil {
			t.Error(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestProvider(t *testing.T) {
	providertest.Exercise(t, func(t *testing.T) (slipway.Provider, providertest.Fixture) {
		h := newHost(t)
		p := h.open(t)
		t.Cleanup(func() { wipe(t, p) })
		return p, h.fixture
	})
}
