package container_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/slipway-sh/slipway/container"
)

// root returns a root filesystem with nothing in it but the program of testdata/probe.
func root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"bin", "proc", "dev", "sys", "tmp", "mnt"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin/probe"), "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func runtime(t *testing.T) *container.Runtime {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	r, err := container.NewRuntime(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ids, err := r.List()
		if err != nil || len(ids) > 0 {
			t.Errorf("containers left: %v, %v", ids, err)
		}
		for _, id := range ids {
			if err := r.Delete(context.Background(), id); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

func TestRun(t *testing.T) {
	r, root := runtime(t), root(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options container.Options
		in      string
		status  int
		out     string
	}{
		{name: "output", options: container.Options{Args: []string{"/bin/probe", "env", "A"}, Env: map[string]string{"A": "b"}}, out: "b\n"},
		{name: "status", options: container.Options{Args: []string{"/bin/probe", "exit", "7"}}, status: 7},
		{name: "input", options: container.Options{Args: []string{"/bin/probe", "cat"}}, in: "hello", out: "hello"},
		{name: "killed", options: container.Options{Args: []string{"/bin/probe", "abort"}, Memory: 64 << 20}, status: 2},
		{name: "no network", options: container.Options{Args: []string{"/bin/probe", "links"}}, out: "lo\n"},
		{name: "user", options: container.Options{Args: []string{"/bin/probe", "id"}, UID: 12, GID: 34}, out: "12 34\n"},
		{name: "no user namespaces", options: container.Options{Args: []string{"/bin/probe", "userns"}}, out: "operation not permitted\n"},
		{
			name: "bind mount",
			options: container.Options{
				Args:   []string{"/bin/probe", "read", "/mnt/main.go"},
				Mounts: []specs.Mount{container.Bind(filepath.Join(here, "testdata/probe"), "/mnt", true)},
			},
		},
		{
			name: "bind mount is read-only",
			options: container.Options{
				Args:   []string{"/bin/probe", "write", "/mnt/new"},
				Mounts: []specs.Mount{container.Bind(filepath.Join(here, "testdata/probe"), "/mnt", true)},
			},
			status: 1,
		},
		{name: "memory limit", options: container.Options{Args: []string{"/bin/probe", "eat", "256"}, Memory: 64 << 20}, status: 137},
		{name: "memory enough", options: container.Options{Args: []string{"/bin/probe", "eat", "16"}, Memory: 128 << 20}},
		{name: "PID limit", options: container.Options{Args: []string{"/bin/probe", "fork", "64"}, PIDs: 24}, status: 1},
		{name: "PIDs enough", options: container.Options{Args: []string{"/bin/probe", "fork", "64"}, PIDs: 512}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Root = root
			var out bytes.Buffer
			status, err := r.Run(t.Context(), "c-"+strings.ReplaceAll(c.name, " ", "-"), t.TempDir(), container.Spec(c.options),
				container.Stdio{In: strings.NewReader(c.in), Out: &out})
			if err != nil {
				t.Fatal(err)
			}
			if status != c.status || c.out != "" && out.String() != c.out {
				t.Errorf("status %d, output %q; want %d, %q", status, out.String(), c.status, c.out)
			}
		})
	}
}

func TestRunOfAProgramThatIsNotThere(t *testing.T) {
	r := runtime(t)
	_, err := r.Run(t.Context(), "c1", t.TempDir(), container.Spec(container.Options{Root: root(t), Args: []string{"/bin/none"}}), container.Stdio{})
	if err == nil || !strings.Contains(err.Error(), "/bin/none") {
		t.Errorf("got %v, want an error that names the program", err)
	}
}

func TestRunHostNetwork(t *testing.T) {
	var out bytes.Buffer
	spec := container.Spec(container.Options{Root: root(t), Args: []string{"/bin/probe", "netns"}, HostNetwork: true})
	if _, err := runtime(t).Run(t.Context(), "c1", t.TempDir(), spec, container.Stdio{Out: &out}); err != nil {
		t.Fatal(err)
	}
	want, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("network namespace %s, want the host's, %s", got, want)
	}
}

func TestRunIsKilledWithItsContext(t *testing.T) {
	r := runtime(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
	spec := container.Spec(container.Options{Root: root(t), Args: []string{"/bin/probe", "sleep"}})
	_, err := r.Run(ctx, "c1", t.TempDir(), spec, container.Stdio{Out: out})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestStartFindExecDelete(t *testing.T) {
	r, bundle := runtime(t), t.TempDir()
	spec := container.Spec(container.Options{Root: root(t), Args: []string{"/bin/probe", "sleep"}})
	p, err := r.Start(t.Context(), "c1", bundle, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if ids, err := r.List(); err != nil || !slices.Equal(ids, []string{"c1"}) {
		t.Errorf("List: %v, %v", ids, err)
	}
	found, err := r.Find("c1", bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	if found.PID != p.PID {
		t.Errorf("found process %d, want %d", found.PID, p.PID)
	}
	var out bytes.Buffer
	status, err := r.Exec(t.Context(), "c1", container.ProcessSpec(container.Options{Args: []string{"/bin/probe", "exit", "3"}}), container.Stdio{Out: &out})
	if err != nil || status != 3 {
		t.Errorf("Exec: status %d, %v", status, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
	_, err = r.Exec(ctx, "c1", container.ProcessSpec(container.Options{Args: []string{"/bin/probe", "sleep"}}), container.Stdio{Out: stop})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Exec with an ended context: %v", err)
	}
	if p.Ended() {
		t.Error("ended too soon")
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if !p.Ended() {
		t.Error("not ended after Wait")
	}
	if _, err := r.Find("c1", bundle); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Find of a dead container: %v", err)
	}
	for range 2 {
		if err := r.Delete(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitEndsOnClose(t *testing.T) {
	r := runtime(t)
	p, err := r.Start(t.Context(), "c1", t.TempDir(), container.Spec(container.Options{Root: root(t), Args: []string{"/bin/probe", "sleep"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Delete(context.Background(), "c1")
	waited := make(chan error)
	go func() { waited <- p.Wait() }()
	p.Close()
	select {
	case err := <-waited:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want os.ErrClosed", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Wait did not return")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
