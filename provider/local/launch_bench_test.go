package local_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
)

// BenchmarkLaunch measures the time from Launch to the first HTTP answer of the service, beside that of a bare "runc run" of
// the same program on the same root, mounted before, on the host's network. Both alternate. It reports medians.
func BenchmarkLaunch(b *testing.B) {
	h := newHost(b)
	p := h.open(b)
	defer wipe(b, p)
	var launches, bare []time.Duration
	for i := 0; b.Loop(); i++ {
		bare = append(bare, h.bare(b, 20000+i%1000))

		spec := slipway.MachineSpec{ID: fmt.Sprintf("b-%d", i), Image: h.fixture.Image, Service: h.fixture.Service, Expires: time.Now().Add(time.Minute)}
		start := time.Now()
		instance, err := p.Launch(b.Context(), spec)
		if err != nil {
			b.Fatal(err)
		}
		answer(b, fmt.Sprintf("http://%s:%d/healthz", instance.Address, instance.Port))
		launches = append(launches, time.Since(start))
		if err := p.Terminate(b.Context(), spec.ID); err != nil {
			b.Fatal(err)
		}
	}
	launch, reference := median(launches), median(bare)
	b.ReportMetric(float64(launch.Microseconds())/1000, "ms/launch")
	b.ReportMetric(float64(reference.Microseconds())/1000, "ms/bare")
	b.ReportMetric(float64(launch)/float64(reference), "ratio")
}

// bare runs the service by hand.
func (h *host) bare(b *testing.B, port int) time.Duration {
	b.Helper()
	dir := b.TempDir()
	stored, err := h.store.ReadImage(b.Context(), h.fixture.Image)
	if err != nil {
		b.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := h.mounts.Overlay(b.Context(), root, []slipway.Digest{stored.Layers[0].Digest}, filepath.Join(dir, "upper"), filepath.Join(dir, "work")); err != nil {
		b.Fatal(err)
	}
	defer h.mounts.Unmount(root)
	config, err := json.Marshal(container.Spec(container.Options{
		Root: root, Args: h.fixture.Service.Command, Env: map[string]string{"PORT": fmt.Sprint(port)}, UID: 1000, GID: 1001, HostNetwork: true,
	}))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("runc", "--root", filepath.Join(dir, "runc"), "run", "--bundle", dir, fmt.Sprintf("slipway-bare-%d", port))
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	answer(b, fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
	took := time.Since(start)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return took
}

// answer asks until there is an answer.
func answer(tb testing.TB, url string) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Microsecond) {
		if r, err := client.Get(url); err == nil {
			r.Body.Close()
			return
		}
	}
	tb.Fatalf("no answer from %s", url)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
