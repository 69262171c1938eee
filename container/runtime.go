package container

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/go-runc"
	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Runtime runs containers with the host's runc. What it knows of them lies below one directory, so that containers outlive
// the process, and Runtimes of other directories do not meet them. Methods are safe for concurrent use; two that concern the
// same container must not overlap, but for Exec.
type Runtime struct {
	root    string
	runc    runc.Runc
	cgroups cgroups

	// making is held for reading while a container is made, so that the cgroup above it stays.
	making sync.RWMutex
}

// Stdio is where the streams of a process in the foreground go. nil is /dev/null.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer

	terminal bool // all three are one terminal, which becomes the process's own
}

// NewRuntime returns a runtime that keeps its state below root. Unprepared if this is not root's process or the host lacks runc.
func NewRuntime(root string) (*Runtime, error) {
	if os.Geteuid() != 0 {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot run machines: this needs root")
	}
	command, err := exec.LookPath("runc")
	if err != nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot run machines: runc not found; install it with: apt-get install runc")
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(root))
	cgroups, err := findCgroups("slipway-" + hex.EncodeToString(sum[:5]))
	if err != nil {
		return nil, err
	}
	// In process groups of their own: a Ctrl-C that is for this process must not end what it is about to finish or park.
	client := runc.Runc{Command: command, Root: root, LogFormat: runc.JSON, Setpgid: true}
	return &Runtime{root: root, runc: client, cgroups: cgroups}, nil
}

// Run runs a container in the foreground and returns its exit status (128 + n for signal n) when it has ended and nothing of
// it is left. bundle is a directory for its configuration, made if it is missing and left to the caller. When ctx ends,
// everything in the container is killed and ctx's error returned. If this process dies, the container may live on: see List.
func (r *Runtime) Run(ctx context.Context, id, bundle string, spec *specs.Spec, stdio Stdio) (int, error) {
	if err := r.writeBundle(id, bundle, spec); err != nil {
		return -1, err
	}
	runc, log := r.logged(bundle)
	var status int
	var err error
	done := make(chan struct{})
	r.making.RLock()
	go func() {
		defer close(done)
		defer r.making.RUnlock()
		// Killing the runc process would leave the container behind, so it does not get ctx.
		status, err = runc.Run(context.WithoutCancel(ctx), id, bundle, createOpts(stdio, false))
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.cgroups.kill(id, done)
	}
	if derr := r.Delete(context.WithoutCancel(ctx), id); derr != nil {
		return -1, derr
	}
	if ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}
	return exitStatus(id, status, err, log)
}

// Start runs a container in the background and returns its first process. The container lives on when this process ends.
// bundle is as in Run; what the first process itself prints, not having a stream of its own, is in its file "console".
// After an error nothing is left but what Delete removes. An error that is os.ErrProcessDone says that the first process ran
// and has ended already.
func (r *Runtime) Start(ctx context.Context, id, bundle string, spec *specs.Spec) (*Process, error) {
	if err := r.writeBundle(id, bundle, spec); err != nil {
		return nil, err
	}
	console, err := os.OpenFile(filepath.Join(bundle, "console"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	runc, log := r.logged(bundle)
	r.making.RLock()
	defer r.making.RUnlock()
	opts := createOpts(Stdio{Out: console, Err: console}, true)
	opts.PidFile = pidFile(bundle)
	status, err := runc.Run(ctx, id, bundle, opts)
	if _, err := exitStatus(id, status, err, log); err != nil {
		return nil, err
	}
	if status != 0 {
		return nil, fmt.Errorf("cannot start container %s: runc exited with status %d", id, status)
	}
	return r.Find(id, bundle)
}

// Find returns the first process of a container made by Start, by this process or an earlier one. An error that is
// os.ErrProcessDone says that it has ended, or never began.
func (r *Runtime) Find(id, bundle string) (*Process, error) {
	pid, err := runc.ReadPidFile(pidFile(bundle))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("container %s: %w", id, os.ErrProcessDone)
	} else if err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	p, err := openProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	// The number may long belong to another process, but none is in this cgroup but the container's.
	if p.Ended() || !r.cgroups.has(id, pid) {
		p.Close()
		return nil, fmt.Errorf("container %s: %w", id, os.ErrProcessDone)
	}
	return p, nil
}

// mercy is how long a process that is told to end may take. It may have a thousand others to end before, on a busy host.
const mercy = 15 * time.Second

// Exec runs another process in a running container and returns its exit status. When ctx ends the process gets SIGTERM, after 15
// seconds SIGKILL, and ctx's error is returned.
func (r *Runtime) Exec(ctx context.Context, id string, process *specs.Process, stdio Stdio) (int, error) {
	dir, err := os.MkdirTemp("", "slipway-exec-")
	if err != nil {
		return -1, err
	}
	defer os.RemoveAll(dir)
	client, log := r.logged(dir)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = client.Exec(running, id, *process, &runc.ExecOpts{IO: streams{stdio}, PidFile: pidFile(dir)})
	}()
	select {
	case <-done:
	case <-ctx.Done():
		// First the process, which would outlive its runc; then runc, which waits for whoever else has the process's output open.
		r.end(id, dir, done)
		stop()
		<-done
		return -1, context.Cause(ctx)
	}
	status := 0
	if exit := (*runc.ExitError)(nil); errors.As(err, &exit) {
		status = exit.Status
	}
	return exitStatus(id, status, err, log)
}

// end ends the process of an Exec that keeps its files in dir, and returns when it has ended, or done is closed.
func (r *Runtime) end(id, dir string, done <-chan struct{}) {
	signal, pause := unix.SIGTERM, time.Millisecond
	for deadline := time.Now().Add(mercy); ; pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			signal = unix.SIGKILL
		}
		p, err := r.Find(id, dir) // not yet, while runc has only begun
		if err == nil {
			_ = p.Signal(signal)
			p.Close()
		} else if signal == unix.SIGKILL {
			return
		}
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
	}
}

// Delete kills what runs in a container and removes everything runc made for it, half-made ones included. nil if there is nothing.
func (r *Runtime) Delete(ctx context.Context, id string) error {
	r.cgroups.killOnce(id)
	err := r.runc.Delete(ctx, id, &runc.DeleteOpts{Force: true})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		// runc cannot read what another runc was killed writing.
		if err := os.RemoveAll(filepath.Join(r.root, id)); err != nil {
			return err
		}
	}
	if err := r.cgroups.remove(ctx, id); err != nil {
		return err
	}
	if r.making.TryLock() {
		r.cgroups.removeParent()
		r.making.Unlock()
	}
	return nil
}

// List returns the IDs of all containers there is anything left of, running or not.
func (r *Runtime) List() ([]string, error) {
	entries, err := os.ReadDir(r.root)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return append(ids, r.cgroups.list(ids)...), nil
}

func (r *Runtime) writeBundle(id, bundle string, spec *specs.Spec) error {
	if err := os.MkdirAll(bundle, 0o700); err != nil {
		return err
	}
	for _, stale := range []string{pidFile(bundle), filepath.Join(bundle, logName)} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	placed, linux := *spec, *spec.Linux
	placed.Linux = &linux
	linux.CgroupsPath = r.cgroups.path(id)
	var err error
	if linux.Seccomp, err = seccomp.GetDefaultProfile(spec); err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	// The host's own architecture alone: for its 32-bit relatives too, runc takes longer over the filter than over all the rest.
	linux.Seccomp.Architectures = nil
	config, err := json.Marshal(&placed)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600)
}

// logName is where runc says what went wrong with runc, apart from what its container prints.
const logName = "runc.log"

func (r *Runtime) logged(dir string) (client *runc.Runc, log string) {
	log = filepath.Join(dir, logName)
	logged := r.runc
	logged.Log = log
	return &logged, log
}

func pidFile(bundle string) string { return filepath.Join(bundle, "pid") }

func createOpts(stdio Stdio, detach bool) *runc.CreateOpts {
	return &runc.CreateOpts{IO: streams{stdio}, Detach: detach, NoNewKeyring: true}
}

// exitStatus tells runc's own failure from that of what it ran.
func exitStatus(id string, status int, err error, log string) (int, error) {
	if exit := (*runc.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return -1, fmt.Errorf("cannot run runc: %w", err)
	}
	if status == 0 {
		return 0, nil
	}
	f, err := os.Open(log)
	if err != nil {
		return status, nil // runc had nothing to say
	}
	defer f.Close()
	var line struct{ Level, Msg string }
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Level == "error" {
			return -1, fmt.Errorf("cannot run container %s: %s", id, line.Msg)
		}
	}
	return status, nil
}

// streams hands a Stdio to go-runc.
type streams struct{ Stdio }

func (s streams) Set(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	if s.terminal {
		// So that the kernel tells runc when the window's size changes, and when the line breaks.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
}
func (s streams) Stdin() io.WriteCloser { return nil }
func (s streams) Stdout() io.ReadCloser { return nil }
func (s streams) Stderr() io.ReadCloser { return nil }
func (s streams) Close() error          { return nil }
