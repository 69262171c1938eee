package bake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
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
}

// tools is where a sandbox shows what it needs and the image does not have. /dev is the sandbox's own: no directory has to be made.
const tools = "/dev/slipway"

const shell = "/bin/sh"

// sandboxPIDs is enough for any build, and not for a script that forks without end to take the host with it.
const sandboxPIDs = 8192

// run runs the sandbox in the work directory dir, which it leaves to the caller. However it ends, no process and no mount of it
// is left. The errors are Failed with the last lines of output if the process exits non-zero, and DeadlinePast.
func (b *Baker) run(ctx context.Context, dir string, s sandbox, out io.Writer) (slipway.Digest, int64, error) {
	runtime, err := b.containers()
	if err != nil {
		return "", 0, err
	}
	targets, err := b.mountTargets(ctx, s)
	if err != nil {
		return "", 0, err
	}
	root, upper := filepath.Join(dir, "root"), filepath.Join(dir, "upper")
	if err := b.mounts.Overlay(ctx, root, append(s.below[:len(s.below):len(s.below)], targets), upper, filepath.Join(dir, "overlay")); err != nil {
		return "", 0, err
	}
	if err = s.inspect(root); err == nil {
		err = b.execute(ctx, runtime, dir, root, s, out)
	}
	if uerr := b.mounts.Unmount(root); err == nil {
		err = uerr
	}
	if err != nil {
		return "", 0, err
	}
	return b.images.WriteLayer(ctx, nil, func(l *image.Layer) error {
		return l.AddOverlay(ctx, upper, func(p string) bool { return isTrace(upper, p) })
	})
}

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

// inspect looks at the root file system the sandbox is about to run on. Invalid if it lacks a program that is needed.
func (s *sandbox) inspect(root string) error {
	for _, program := range s.needs {
		if !exists(root, program) {
			return slipway.Errorf(slipway.Invalid, "cannot %s: the layers below have no %s; write image.from: debian:<suite>, or add a layer that brings it", s.what, program).At(s.place)
		}
	}
	if exists(root, shell) {
		// The runtime reads output and errors by a pipe each: one for both keeps the order in which they were printed.
		s.args = append([]string{shell, "-c", `exec "$@" 2>&1`, "sh"}, s.args...)
	}
	return nil
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

func (b *Baker) execute(ctx context.Context, runtime *container.Runtime, dir, root string, s sandbox, out io.Writer) error {
	spec := container.Spec(container.Options{
		Root:        root,
		Args:        s.args,
		Env:         s.env,
		Dir:         s.dir,
		Hostname:    "slipway-bake",
		HostNetwork: s.network,
		Mounts:      s.mounts,
		NewPrivs:    true,
		PIDs:        sandboxPIDs,
	})
	timed, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	said := &transcript{out: out, shows: s.shows}
	status, err := runtime.Run(timed, filepath.Base(dir), filepath.Join(dir, "bundle"), spec, container.Stdio{Out: said, Err: said})
	tail := said.tail()
	if tail != "" {
		tail = "\nits last lines:" + tail
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case timed.Err() != nil && errors.Is(context.Cause(timed), errTimeout) && err != nil:
		return slipway.Errorf(slipway.DeadlinePast, "cannot %s: it did not end within %s%s", s.what, s.timeout, tail).At(s.place)
	case err != nil:
		return fmt.Errorf("cannot %s: %w", s.what, err)
	case status != 0 && b.full():
		return slipway.Errorf(slipway.Unprepared, "cannot %s: no space left on the disk of %s%s", s.what, b.workDir, tail).At(s.place)
	case status != 0:
		return &exitError{status, slipway.Errorf(slipway.Failed, "cannot %s: exit status %d%s", s.what, status, tail).At(s.place)}
	}
	return nil
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
	roots, err := filepath.Glob(filepath.Join(b.workDir, "*", "root"))
	errs = append(errs, err)
	for _, root := range roots {
		errs = append(errs, b.mounts.Unmount(root))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweep the bakery: %w", err) // what is still mounted must not be removed with the directories
	}
	return os.RemoveAll(b.workDir)
}
