package bake_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

func needsDebian(t *testing.T) {
	t.Helper()
	needsRoot(t)
	if testing.Short() {
		t.Skip("fetches from Debian's archive")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("needs mmdebstrap")
	}
}

// A Debian system, with packages that make users, alternatives, services and caches, is the same on two data directories.
func TestDebian(t *testing.T) {
	needsDebian(t)
	var first []slipway.LayerInfo
	var listed [][]string
	for range 2 {
		b := newBakery(t)
		layers := b.mustBake(b.request("debian:bookworm", nil, slipway.Layer{Packages: []string{"nginx-light", "openssh-client"}}))
		b.wantNothingLeft()
		if first == nil {
			first = layers
			for _, l := range layers {
				listed = append(listed, b.list(l))
			}
			wantClean(t, listed[0])
			wantClean(t, listed[1])
			wantOutcome(t, b, layers)
			continue
		}
		for i, l := range layers {
			if l.Digest != first[i].Digest {
				t.Errorf("%s: got %s and %s:\n%s", l.Step, first[i].Digest, l.Digest, difference(listed[i], b.list(l)))
			}
		}
	}
}

// wantClean fails the test if something of the host or of the installation is in a layer.
func wantClean(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		for _, trace := range []string{"/etc/resolv.conf", "/etc/hostname", "/etc/machine-id", "/var/lib/apt/lists/", "/var/cache/apt/archives/", "/usr/sbin/policy-rc.d", "/dev/", "/proc/", "/context"} {
			if strings.Contains(line, " "+trace) && !strings.HasPrefix(line, "d") {
				t.Errorf("in the layer: %s", line)
			}
		}
		if strings.Contains(line, "99mmdebstrap") || strings.Contains(line, " /var/log/") && strings.HasPrefix(line, "-") && !strings.HasSuffix(line, ` ""`) {
			t.Errorf("in the layer: %s", line)
		}
	}
}

// wantOutcome runs the packages of TestDebian and looks for what their installation should have done.
func wantOutcome(t *testing.T, b *bakery, layers []slipway.LayerInfo) {
	t.Helper()
	script := "set -e; nginx -v; ssh -V; id www-data; dpkg -s nginx-light >/dev/null; dpkg --audit; apt-get check"
	req := b.request("debian:bookworm", []entry{{"s", script, 0o644}}, slipway.Layer{Packages: []string{"openssh-client", "nginx-light"}}, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}})
	all, bakes, out, err := b.bake(t.Context(), req)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bakes[0].Cached || !bakes[1].Cached {
		t.Errorf("got %+v, want the first two cached", bakes)
	}
	for _, text := range []string{"nginx version", "OpenSSH", "uid=33(www-data)"} {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in the output:\n%s", text, out)
		}
	}
	if lines := b.list(all[2]); len(lines) > 12 {
		t.Errorf("looking around changed the system: %v", lines)
	}

	req.Spec.Image.Layers[0].Packages = []string{"nginx-lihgt"}
	_, _, _, err = b.bake(t.Context(), req)
	wantError(t, err, slipway.Failed, "image.layers[0].packages", "Unable to locate package nginx-lihgt")
	b.wantNothingLeft()
}

// Breaking off leaves no process of mmdebstrap, nor anything on disk.
func TestCancelDebian(t *testing.T) {
	needsDebian(t)
	b := newBakery(t)
	req := b.request("debian:bookworm", nil)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Build(ctx, bake.Job{Request: req, Watch: watch(onLine(func(line string) {
		if strings.Contains(line, "extracting archives") {
			cancel()
		}
	}))})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.wantNothingLeft()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range commands {
		if text, err := os.ReadFile(p); err == nil && strings.Contains(string(text), b.dir) {
			t.Errorf("left behind: process %s", strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
}

func TestUnknownSuite(t *testing.T) {
	needsDebian(t)
	b := newBakery(t)
	_, _, _, err := b.bake(t.Context(), b.request("debian:nosuchsuite", nil))
	wantError(t, err, slipway.Invalid, "image.from", "has no release of that name")
	b.wantNothingLeft()
}

func TestPackagesWithoutDebian(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	_, _, _, err := b.bake(t.Context(), b.request("rootfs:tiny.tar", []entry{{"tiny.tar", tinySystem(t), 0o644}}, slipway.Layer{Packages: []string{"nginx-light"}}))
	wantError(t, err, slipway.Invalid, "image.layers[0].packages", "the layers below have no /usr/bin/apt-get")
	b.wantNothingLeft()
}

func difference(a, b []string) string {
	var lines []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			lines = append(lines, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			lines = append(lines, "+ "+l)
		}
	}
	return strings.Join(lines, "\n")
}
