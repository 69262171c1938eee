// Package e2e runs the demo from end to end, as a person would.
package e2e

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-sh/slipway/test/daemon"
)

// lastLine is what the demo promises to end with.
var lastLine = regexp.MustCompile(`^demo: ([0-9]+) requests, ([0-9]+) failed$`)

// TestDemo runs all of it, but for the Debian image when tests are to be short.
func TestDemo(t *testing.T) {
	demo := newDemo(t)
	args := []string{}
	if testing.Short() {
		args = append(args, "--short")
	}
	out, err := demo.command(t, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	m := lastLine.FindStringSubmatch(lines[len(lines)-1])
	if m == nil || m[1] == "0" || m[2] != "0" {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
	demo.leftNothing(t)
}

// TestInterrupted presses Ctrl-C while v2 is being shipped: the demo must fail, and clear up.
func TestInterrupted(t *testing.T) {
	demo := newDemo(t)
	cmd := demo.command(t, "--short")
	demo.until(t, cmd, "== ship v2", func() { cmd.Process.Signal(os.Interrupt) })
	if err := cmd.Wait(); err == nil {
		t.Error("the demo was interrupted and says that all went well")
	}
	demo.leftNothing(t)
}

// TestKilled kills the demo, which then cannot clear up, while machines are running: the next one must do it.
func TestKilled(t *testing.T) {
	demo := newDemo(t)
	cmd := demo.command(t, "--short")
	demo.until(t, cmd, "== ship v2", func() { cmd.Process.Kill() })
	cmd.Wait()
	if len(daemon.Leftovers(filepath.Join(demo.dir, "data"))) == 0 {
		t.Fatal("nothing was running: this test shows nothing")
	}
	if out, err := demo.command(t, "--clean").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	demo.leftNothing(t)
}

type demo struct {
	program  string
	programs daemon.Programs
	root     string
	dir      string
}

func newDemo(t *testing.T) demo {
	t.Helper()
	programs := daemon.NewForTest(t).Programs
	root, err := daemon.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/slipway-sh/slipway/test/demo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parent, err := os.MkdirTemp("/tmp", "sw") //nolint:usetesting // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	d := demo{program: program, programs: programs, root: root, dir: filepath.Join(parent, "demo")}
	t.Cleanup(func() {
		if out, err := exec.Command(d.program, d.args("--clean")...).CombinedOutput(); err != nil {
			t.Errorf("cannot clear up: %v\n%s", err, out)
			return
		}
		os.RemoveAll(parent)
	})
	return d
}

func (d demo) args(more ...string) []string {
	return append([]string{"--bin", string(d.programs), "--examples", filepath.Join(d.root, "examples"), "--data", d.dir}, more...)
}

func (d demo) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), d.program, d.args(args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// until starts the command and does something once it has printed the text. What it prints later is logged.
func (d demo) until(t *testing.T, cmd *exec.Cmd, text string, do func()) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	done := false
	for lines := bufio.NewScanner(io.TeeReader(out, &printed)); lines.Scan(); {
		if !done && strings.Contains(lines.Text(), text) {
			do()
			done = true
		}
	}
	t.Logf("%s", printed.String())
	if !done {
		t.Errorf("the demo never printed %q", text)
	}
}

func (d demo) leftNothing(t *testing.T) {
	t.Helper()
	if left := daemon.Leftovers(filepath.Join(d.dir, "data")); len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	if _, err := os.Stat(d.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", d.dir)
	}
}
