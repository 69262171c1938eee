package bake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/rootfs"
)

// sandbox is a container on top of layers; what a process changes in it becomes a layer.
type sandbox struct {
	what    string // for people: "run provision/setup.sh"
	place   string // in the specification
	below   []slipway.Digest
	args    []string
	needs   []string // programs the layers below must have
	env     map[string]string
	dir     string // working directory
	network bool   // the host's, or else only loopback
	dirs    []string
	files   []string
	mounts  []specs.Mount
	timeout time.Duration
	shows   func(line string) bool // what is shown of its output; nil for all
	mask    *mask                  // what is not shown of its output; nil for nothing
}

// tools is where a sandbox shows what it needs and the image does not have. /dev is the sandbox's own: no directory has to be made.
const tools = "/dev/slipway"

const shell = "/bin/sh"

// sandboxPIDs is enough for any build, and not for a script that forks without end to take the host with it.
const sandboxPIDs = 8192

// ground is a sandbox's root file system: the layers below, and what is changed on top of them.
type ground struct {
	dir         string // the work directory, left to the caller
	root, upper string // where it is mounted, and where the changes are
	shell       bool   // there is one
	mounts      *rootfs.Mounts
}

// raise mounts the sandbox's root file system in the work directory dir. Invalid if it lacks a program that is needed.
func (b *Baker) raise(ctx context.Context, dir string, s sandbox) (*ground, error) {
	if _, err := b.containers(); err != nil {
		return nil, err
	}
	targets, err := b.mountTargets(ctx, s)
	if err != nil {
		return nil, err
	}
	g := &ground{dir: dir, root: filepath.Join(dir, "root"), upper: filepath.Join(dir, "upper"), mounts: b.mounts}
	layers := append(s.below[:len(s.below):len(s.below)], targets)
	if err := b.mounts.Overlay(ctx, g.root, layers, g.upper, filepath.Join(dir, "overlay")); err != nil {
		return nil, err
	}
	for _, program := range s.needs {
		if !exists(g.root, program) {
			err := slipway.Errorf(slipway.Invalid, "cannot %s: the layers below have no %s; write image.from: debian:<suite>, or add a layer that brings it",
				s.what, program).At(s.place)
			return nil, errors.Join(err, g.end())
		}
	}
	g.shell = exists(g.root, shell)
	return g, nil
}

// isTrace reports whether p is one of those files that say nothing of what was done: see [isTrace].
func (g *ground) isTrace(p string) bool { return isTrace(g.upper, p) }

// end takes the root file system away; what was changed stays. Ending it again does nothing.
func (g *ground) end() error { return g.mounts.Unmount(g.root) }

// mountTargets makes a layer that lies between those below and the changes, of the files and directories that something is mounted on
// in the sandbox. Made in the changes themselves, as the container runtime would, they would stay.
func (b *Baker) mountTargets(ctx context.Context, s sandbox) (slipway.Digest, error) {
	digest, _, err := b.images.WriteLayer(ctx, s.below, func(l *image.Layer) error {
		for _, dir := range append([]string{"/proc", "/dev", "/sys"}, s.dirs...) {
			if err := l.AddDir(dir, image.Attr{Mode: 0o755}); err != nil {
				return err
			}
		}
		for _, file := range s.files {
			if err := l.AddFile(file, image.Attr{Mode: 0o644}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	return digest, err
}

// exists reports whether there is a file at p in the tree at root, links followed as a process with that root would.
func exists(root, p string) bool {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	file, err := unix.Openat2(dir, p, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return false
	}
	unix.Close(file)
	return true
}

// execute runs the sandbox's process on its ground. However it ends, no process of it is left. The errors are an [exitError] with the last
// lines of output if the process exits non-zero, and DeadlinePast.
func (b *Baker) execute(ctx context.Context, g *ground, s sandbox, out io.Writer) error {
	runtime, err := b.containers()
	if err != nil {
		return err
	}
	timed, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	said := &transcript{out: out, shows: s.shows, mask: s.mask}
	status, err := runtime.Run(timed, filepath.Base(g.dir), filepath.Join(g.dir, "bundle"), s.spec(g), container.Stdio{Out: said, Err: said})
	tail := said.lines()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case timed.Err() != nil && errors.Is(context.Cause(timed), errTimeout) && err != nil:
		return slipway.Errorf(slipway.DeadlinePast, "cannot %s: it did not end within %s%s", s.what, s.timeout, lastLines(tail)).At(s.place)
	case err != nil:
		return fmt.Errorf("cannot %s: %w", s.what, err)
	case status != 0:
		return b.exited(s.what, s.place, status, tail)
	}
	return nil
}

// spec returns the container's configuration.
func (s sandbox) spec(g *ground) *specs.Spec {
	args := s.args
	if g.shell {
		// The runtime reads output and errors by a pipe each: one for both keeps the order in which they were printed.
		args = append([]string{shell, "-c", `exec "$@" 2>&1`, "sh"}, args...)
	}
	return container.Spec(container.Options{
		Root:        g.root,
		Args:        args,
		Env:         s.env,
		Dir:         s.dir,
		Hostname:    "slipway-bake",
		HostNetwork: s.network,
		Mounts:      s.mounts,
		NewPrivs:    true,
		PIDs:        sandboxPIDs,
		Memory:      sandboxMemory(),
	})
}

// exited returns the error of a process that exited with a status other than 0, after its last lines.
func (b *Baker) exited(what, place string, status int, tail []string) error {
	fail := func(code slipway.Code, format string, args ...any) error {
		why := fmt.Sprintf(format, args...)
		return &exitError{status, slipway.Errorf(code, "cannot %s: %s%s", what, why, lastLines(tail)).At(place)}
	}
	switch said := strings.Join(tail, "\n"); {
	case b.full():
		return fail(slipway.Unprepared, "no space left on the disk of %s", b.workDir)
	case strings.Contains(said, unix.ENOSPC.Error()), strings.Contains(said, "No space left on device"):
		return fail(slipway.Unprepared, "it found no space left, on the disk of %s if not in the sandbox's own /dev", b.workDir)
	case status == killedStatus, strings.HasSuffix(said, "Killed"):
		return fail(slipway.Failed, "exit status %d: something in it was killed, perhaps because together it took more memory than the %d MiB it may",
			status, sandboxMemory()>>20)
	}
	return fail(slipway.Failed, "exit status %d", status)
}

// killedStatus is the exit status of what a SIGKILL has ended.
const killedStatus = 128 + int(unix.SIGKILL)

// sandboxMemory returns how much memory all processes of a sandbox may take, in bytes: three quarters of the host's, so that a script
// that leaks does not take the host's own services with it.
var sandboxMemory = sync.OnceValue(func() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0 // no limit
	}
	return int64(info.Totalram) * int64(info.Unit) / 4 * 3
})

// lastLines tells them after an error; "" if there are none.
func lastLines(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "\nits last lines:\n  " + strings.Join(lines, "\n  ")
}

// full reports whether the disk that work is done on has practically no space left.
func (b *Baker) full() bool {
	var st unix.Statfs_t
	return unix.Statfs(b.workDir, &st) == nil && st.Bavail*uint64(st.Bsize) < 1<<20
}

var errTimeout = errors.New("the sandbox has had its time")

// exitError is how a process ended that ended badly.
type exitError struct {
	status int
	err    *slipway.Error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// containers returns the runtime of all sandboxes. There is one only: it keeps the end of one sandbox from taking away the cgroup
// that another is just being made in.
func (b *Baker) containers() (*container.Runtime, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.runtime == nil {
		runtime, err := container.NewRuntime(b.runcDir)
		if err != nil {
			return nil, err
		}
		b.runtime = runtime
	}
	return b.runtime, nil
}

// newWork makes a directory for work in progress.
func (b *Baker) newWork() (string, error) {
	if err := os.MkdirAll(b.workDir, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(b.workDir, "bake-")
}

func (b *Baker) removeWork(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		b.log.Warn("cannot remove a work directory; it is removed at the next start", "dir", dir, "err", err)
	}
}

// Sweep removes what a process that was killed while baking left on the host: sandboxes with all they run, their mounts, work in
// progress. It must not be called while the baker works.
func (b *Baker) Sweep(ctx context.Context) error {
	var errs []error
	if runtime, err := b.containers(); err == nil { // without runc there are no sandboxes
		ids, err := runtime.List()
		errs = append(errs, err)
		for _, id := range ids {
			errs = append(errs, runtime.Delete(ctx, id))
		}
	}
	for _, mounted := range []string{"root", "secrets"} {
		paths, err := filepath.Glob(filepath.Join(b.workDir, "*", mounted))
		errs = append(errs, err)
		for _, p := range paths {
			errs = append(errs, b.mounts.Unmount(p))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweep the bakery: %w", err) // what is still mounted must not be removed with the directories
	}
	return errors.Join(os.RemoveAll(b.workDir), b.lists.drop(), b.cache.sweep())
}
