package local_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// census is what the host has of one data directory.
type census struct {
	mounts, namespaces, links, cgroups, processes, machines, containers int
	files                                                               int // open in this process
}

func (h *host) census(t *testing.T) census {
	t.Helper()
	local, pins, bridge, group := h.names()
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return len(entries)
	}
	c := census{namespaces: count(pins), machines: count(filepath.Join(local, "machines")), containers: count(filepath.Join(local, "runc")), files: count("/proc/self/fd")}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	c.mounts = strings.Count(string(info), " "+local+"/") + strings.Count(string(info), " "+pins+"/")
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Name, bridge) {
			c.links++
		}
	}
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && strings.Contains(path, "/"+group) {
			c.cgroups++
		}
		return nil // groups come and go while this looks
	})
	if err != nil {
		t.Fatal(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		text, err := os.ReadFile(path)
		stat, serr := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		// A zombie is dead already; the host's first process buries it when it finds the time.
		if err == nil && serr == nil && strings.Contains(string(text), "/"+group) && !strings.Contains(string(stat), ") Z ") {
			c.processes++
		}
	}
	return c
}

// names returns the provider's directory and what is named after it on the host.
func (h *host) names() (local, pins, bridge, group string) {
	local = filepath.Join(h.dir, "local")
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	return local, filepath.Join("/run/slipway", hash(local)[:10]), "sw" + hash(local)[:7], "slipway-" + hash(filepath.Join(local, "runc"))[:10]
}

// becomes waits until the census is want.
func (h *host) becomes(t *testing.T, want census) {
	t.Helper()
	var got census
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = h.census(t); got == want {
			return
		}
	}
	t.Errorf("the host has %+v, want %+v", got, want)
}

func TestNothingLeaks(t *testing.T) {
	h := newHost(t)
	empty := h.census(t)
	p := h.open(t)
	cycle := func(i int) {
		spec := h.machine(fmt.Sprintf("t-%d", i))
		if _, err := p.Launch(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			h.await(t, p, spec.ID)
		}
		if err := p.Terminate(t.Context(), spec.ID); err != nil {
			t.Fatal(err)
		}
	}
	cycle(0) // now layers are mounted and places prepared
	var before census
	for stable := 0; stable < 10; time.Sleep(10 * time.Millisecond) {
		now := h.census(t)
		if stable++; now != before {
			before, stable = now, 0
		}
	}
	for i := range 50 {
		cycle(i + 1)
	}
	h.becomes(t, before)
	if logs, err := os.ReadDir(filepath.Join(h.dir, "local", "logs")); err != nil || len(logs) != 50 {
		t.Errorf("%d logs are kept of 51 machines, %v; want 50", len(logs), err)
	}
	wipe(t, p)
	after := h.census(t)
	after.files = empty.files // the runtime keeps some of its own
	if after != empty {
		t.Errorf("after the end the host has %+v, want %+v", after, empty)
	}
}
