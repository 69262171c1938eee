package bake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// runLayer returns a request to run a script on a tiny system.
func (b *bakery) runLayer(script string, change func(*slipway.RunLayer), context ...entry) *slipway.BakeRequest {
	r := slipway.RunLayer{Script: "provision/setup.sh"}
	if change != nil {
		change(&r)
	}
	context = append(context, entry{"tiny.tar", tinySystem(b.t), 0o644}, entry{"provision/setup.sh", script, 0o644})
	return b.request("rootfs:tiny.tar", context, slipway.Layer{Run: &r})
}

func TestRunLayer(t *testing.T) {
	needsRoot(t)
	capabilities := ""
	if _, err := exec.LookPath("setcap"); err == nil {
		capabilities = " security.capability=20 bytes"
	}
	for _, c := range []struct {
		name, script string
		change       func(*slipway.RunLayer)
		context      []entry
		want         []string
	}{
		{name: "nothing", script: "exit 0"},
		{name: "writes", script: "umask 022; mkdir /srv; echo $A >/srv/x", change: func(r *slipway.RunLayer) { r.Env = map[string]string{"A": "b c"} }, want: []string{"d0755 /srv", `-0644 /srv/x "b c\n"`}},
		{name: "deletes a file", script: "rm /etc/a", want: []string{"d0755 /etc", "whiteout /etc/a"}},
		{name: "deletes a directory", script: "rm -r /var/tree", want: []string{"d0755 /var", "whiteout /var/tree"}},
		{name: "a file for a directory", script: "rm -r /var/tree; echo x >/var/tree", want: []string{"d0755 /var", `-0644 /var/tree "x\n"`}},
		{name: "a directory for a file", script: "rm /etc/a; mkdir /etc/a", want: []string{"d0755 /etc", "d0755 /etc/a opaque=1 bytes"}},
		{name: "makes a directory anew", script: "rm -r /var/tree; mkdir /var/tree; echo x >/var/tree/one", want: []string{"d0755 /var", "d0755 /var/tree opaque=1 bytes", `-0644 /var/tree/one "x\n"`}},
		{name: "changes a mode and an owner", script: "chmod 600 /etc/a; chown 1:2 /var/tree", want: []string{"d0755 /etc", `-0600 /etc/a "etc/a"`, "d0755 /var", "d0755 1:2 /var/tree"}},
		{name: "hard links", script: "echo x >/etc/x; ln /etc/x /etc/y; ln -s x /etc/z", want: []string{"d0755 /etc", `-0644 /etc/x "x\n"`, `-0644 /etc/y "x\n"`, "l /etc/z -> x"}},
		{name: "moves a directory", script: "mv /var/tree /var/wood", want: []string{"d0755 /var", "whiteout /var/tree", "d0755 /var/wood", `-0644 /var/wood/one "var/tree/one"`, `-0644 /var/wood/two "var/tree/two"`}},
		{name: "capabilities", script: "touch /etc/x; if [ -e /bin/setcap ]; then setcap cap_net_bind_service=ep /etc/x; fi", want: []string{"d0755 /etc", `-0644 /etc/x ""` + capabilities}},
		{name: "leaves traces", script: "mkdir -p /var/log/apt /var/lib/dpkg; date=now; for f in dpkg.log apt/term.log app.log; do echo $date >/var/log/$f; done; ln -s /dev/stdout /var/log/alternatives.log; echo x >/var/lib/dpkg/status-old",
			want: []string{"d0755 /var", "d0755 /var/lib", "d0755 /var/lib/dpkg", "d0755 /var/log", "l /var/log/alternatives.log -> /dev/stdout", `-0644 /var/log/app.log "now\n"`, "d0755 /var/log/apt"}},
		{
			name: "inputs", script: "cat files/a >/x; ls files >>/x; [ ! -e secret ]; ./files/tool; if echo >files/a 2>&-; then exit 9; fi",
			change:  func(r *slipway.RunLayer) { r.Inputs = []string{"files/**"} },
			context: []entry{{"files/a", "A\n", 0o644}, {"files/tool", "#!/bin/sh\necho tool >>/x\n", 0o755}, {"files/link", "link:a", 0}, {"secret", "s", 0o600}},
			want:    []string{`-0644 /x "A\na\nlink\ntool\ntool\n"`},
		},
		{name: "its own interpreter", script: "#!/usr/bin/env -S A=b sh\necho $A $0 >/x", want: []string{`-0644 /x "b /dev/slipway/setup.sh\n"`}},
		{name: "network", script: "touch /var/tree/one; [ -s /etc/resolv.conf ]; [ -s /etc/hosts ]; ls /sys/class/net | { read first; read second; [ -n \"$second$first\" ]; }", change: func(r *slipway.RunLayer) { r.Network = true },
			want: []string{"d0755 /var", "d0755 /var/tree", `-0644 /var/tree/one "var/tree/one"`}},
		{name: "leaves a process", script: "sleep 1000 & echo x >/x", want: []string{`-0644 /x "x\n"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, other := newBakery(t), newBakery(t)
			script := c.script
			if !strings.HasPrefix(script, "#!") {
				script = "set -e\n" + script
			}
			layers := b.mustBake(b.runLayer(script, c.change, c.context...))
			wantLines(t, b.list(layers[1]), c.want...)
			if again := other.mustBake(other.runLayer(script, c.change, c.context...)); !slices.Equal(again, layers) {
				t.Errorf("another data directory gave %v, want %v", again, layers)
			}
			b.wantNothingLeft()
		})
	}
}

// Two run layers on top of each other see what the one before left.
func TestRunOnRun(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	run := func(script string) slipway.Layer { return slipway.Layer{Run: &slipway.RunLayer{Script: script}} }
	layers := b.mustBake(b.request("rootfs:tiny.tar", []entry{
		{"tiny.tar", tinySystem(t), 0o644},
		{"1", "set -e; rm /etc/a; rm -r /var/tree; mkdir /var/tree; echo 1 >/var/tree/three", 0o644},
		{"2", "set -e; ls /etc /var/tree >/seen; rm /var/tree/three; touch /etc/a", 0o644},
		{"3", "set -e; ls /etc /var/tree >/seen", 0o644},
	}, run("1"), run("2"), run("3")))
	wantLines(t, b.list(layers[2]), "d0755 /etc", `-0644 /etc/a ""`, `-0644 /seen "/etc:\nb\n\n/var/tree:\nthree\n"`, "d0755 /var", "d0755 /var/tree", "whiteout /var/tree/three")
	wantLines(t, b.list(layers[3]), `-0644 /seen "/etc:\na\nb\n\n/var/tree:\n"`)
}

func TestRunFails(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct {
		name, script string
		change       func(*slipway.RunLayer)
		code         slipway.Code
		message      string
	}{
		{"status", "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do echo line $i; done; printf last >&2; exit 3", nil, slipway.Failed,
			"cannot run provision/setup.sh: exit status 3\nits last lines:\n  line 3\n"},
		{"silent", "exit 4", nil, slipway.Failed, "cannot run provision/setup.sh: exit status 4"},
		{"endless", "echo begun; while :; do sleep 1000; done", func(r *slipway.RunLayer) { r.Timeout = slipway.Duration(300 * time.Millisecond) }, slipway.DeadlinePast,
			"cannot run provision/setup.sh: it did not end within 300ms"},
		{"forks without end", "f() { f & f; }; f", func(r *slipway.RunLayer) { r.Timeout = slipway.Duration(300 * time.Millisecond) }, slipway.DeadlinePast, "did not end"},
		{"no interpreter", "#!/usr/bin/nothing\n", nil, slipway.Invalid, "cannot run provision/setup.sh: the layers below have no /usr/bin/nothing"},
		{"no network", "echo >/dev/tcp/127.0.0.1/80; exit 5", nil, slipway.Failed, "exit status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			_, _, out, err := b.bake(t.Context(), b.runLayer(c.script, c.change))
			wantError(t, err, c.code, "image.layers[0].run", c.message)
			if c.name == "status" && !strings.HasSuffix(out, "line 21\nlast\n") {
				t.Errorf("got output %q", out)
			}
			b.wantNothingLeft()
		})
	}
}

// What the script did until it was stopped is gone, and so is the script.
func TestCancelRun(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	req := b.runLayer("echo begun; sleep 1000", nil)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Build(ctx, bake.Job{Request: req, Watch: watch(onLine(func(string) { cancel() }))})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.wantNothingLeft()
}

// onLine calls a function for each line written.
type onLine func(string)

func (f onLine) Write(p []byte) (int, error) {
	f(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// A baker that was killed leaves a sandbox; the next one ends it.
func TestSweep(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	if os.Getenv("BAKE_UNTIL_KILLED") != "" {
		t.Skip("this is the process to be killed")
	}
	killed := exec.Command(os.Args[0], "-test.run=^TestBakeUntilKilled$", "-test.v")
	killed.Env = append(os.Environ(), "BAKE_UNTIL_KILLED="+b.dir)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, out, "the script runs")
	if err := killed.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	if left, _ := filepath.Glob(filepath.Join(b.dir, "cache/work/*")); len(left) == 0 {
		t.Fatal("the killed process left nothing: the test shows nothing")
	}
	inMemory, err := filepath.Glob(filepath.Join(b.dir, "cache/work/*/secrets/t"))
	if err != nil || len(inMemory) != 1 {
		t.Fatalf("the killed process left the secrets %v, %v, want one: the test shows nothing", inMemory, err)
	}
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantNothingLeft()
	b.wantNowhere(token)
	if err := b.Sweep(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestBakeUntilKilled is the process that TestSweep kills.
func TestBakeUntilKilled(t *testing.T) {
	dir := os.Getenv("BAKE_UNTIL_KILLED")
	if dir == "" {
		t.Skip("part of TestSweep")
	}
	b := openBakery(t, dir)
	req := b.runLayer("echo begun; while :; do sleep 1000; done", needs("t"))
	_, err := b.Build(t.Context(), bake.Job{Request: req, Secrets: secretsOf(token), Watch: watch(onLine(func(string) { fmt.Println("the script runs") }))})
	t.Fatal("the bake ended: ", err)
}

// Many sandboxes at once do not get into each other's way.
func TestManyRuns(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	system := tinySystem(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			req := b.request("rootfs:tiny.tar", []entry{{"tiny.tar", system, 0o644}, {"s", fmt.Sprintf("echo %d >/x", i), 0o644}}, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}})
			if _, _, out, err := b.bake(t.Context(), req); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
}

// A statically linked program needs nothing of the image, not even a shell.
func TestProgramOnScratch(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	program := filepath.Join(t.TempDir(), "program")
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte(`package main; import "os"; func main() { os.WriteFile("/made", []byte(os.Args[0]), 0o644) }`), 0o644); err != nil {
		t.Fatal(err)
	}
	compile := exec.Command("go", "build", "-o", program, source)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	layers := b.mustBake(b.request("scratch", []entry{{"bin/setup", string(text), 0o755}}, slipway.Layer{Run: &slipway.RunLayer{Script: "bin/setup"}}))
	wantLines(t, b.list(layers[0]), `-0644 /made "/dev/slipway/setup"`)

	_, _, _, err = b.bake(t.Context(), b.request("scratch", []entry{{"s", "echo", 0o755}}, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}}))
	wantError(t, err, slipway.Invalid, "image.layers[0].run", "the layers below have no /bin/sh")
}

func TestDiskFull(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b := openBakery(t, dir)
	for _, script := range []string{
		"while cat /bin/* /lib/* >>/big; do :; done; exit 1", // fills the disk and says so
		"while cat /bin/* /lib/* >>/big; do :; done; exit 0", // does not say so
	} {
		_, _, out, err := b.bake(t.Context(), b.runLayer(script, nil))
		var e *slipway.Error
		if !errors.As(err, &e) || e.Code != slipway.Unprepared || !strings.Contains(e.Message, "no space left") && !strings.Contains(e.Message, "free") {
			t.Errorf("got %v, want %s\n%s", err, slipway.Unprepared, out)
		}
		b.wantNothingLeft()
	}
	b.mustBake(b.runLayer("echo fine >/x", nil))
}

// A script that takes too much memory is ended, and says why; the host's other processes are not.
func TestMemoryLimit(t *testing.T) {
	needsRoot(t)
	bake.LimitMemory(t, 64<<20)
	b := newBakery(t)
	_, _, _, err := b.bake(t.Context(), b.runLayer("x=x; while :; do x=$x$x; done", nil))
	wantError(t, err, slipway.Failed, "image.layers[0].run", "more memory than the 64 MiB it may")
	b.wantNothingLeft()
	// What it writes to files does not count.
	b.mustBake(b.runLayer("set -e; for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7 8; do cat /bin/* >>/big; done; done; rm /big", nil))
}
