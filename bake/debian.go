package bake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// planDebian plans a minimal Debian system as the base of an image.
func (b *Baker) planDebian(s site, suite string) (plan, error) {
	lock, locked := s.job.Locks[s.step.Index]
	d := debian{Baker: b, what: "make the base debian:" + suite, place: s.place, suite: suite, sources: lock.Sources}
	if d.sources == "" {
		var err error
		if d.sources, err = sourcesFor(b.aptDir, suite); err != nil {
			return plan{}, err
		}
	}
	made := plan{place: s.place, key: stepKey{From: "debian:" + suite, Sources: d.sources}, fresh: true}
	made.build = func(ctx context.Context, _ []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
		if err := d.prepared(); err != nil {
			return slipway.LayerInfo{}, err
		}
		if locked {
			return d.install(ctx, lock, out)
		}
		lock, err := d.resolve(ctx, out)
		if err != nil {
			return slipway.LayerInfo{}, err
		}
		return d.install(ctx, lock, out)
	}
	return made, nil
}

// debian is a Debian system to be made.
type debian struct {
	*Baker
	what, place string
	suite       string
	sources     string // lines of its sources.list
}

// minimal is what a minimal Debian consists of, in apt's words.
var minimal = []string{"?essential", "?priority(required)", "apt"}

// prepared refuses, as Unprepared, a host that cannot make a Debian.
func (d debian) prepared() error {
	if os.Geteuid() != 0 {
		return slipway.Errorf(slipway.Unprepared, "cannot %s: this needs root", d.what)
	}
	for _, program := range []string{"mmdebstrap", "apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return slipway.Errorf(slipway.Unprepared, "cannot %s: %s not found; install it with: apt-get install mmdebstrap", d.what, program)
		}
	}
	if _, err := os.Stat(debianKeyring); err != nil {
		return slipway.Errorf(slipway.Unprepared,
			"cannot %s: Debian's keys not found; install them with: apt-get install debian-archive-keyring", d.what)
	}
	return nil
}

// resolve finds out what the system consists of today, with the host's apt as if nothing were installed, and has it fetched.
func (d debian) resolve(ctx context.Context, out io.Writer) (slipway.Lock, error) {
	dir, err := d.newWork()
	if err != nil {
		return slipway.Lock{}, err
	}
	defer d.removeWork(dir)
	architecture, err := exec.CommandContext(ctx, "dpkg", "--print-architecture").Output()
	if err != nil {
		return slipway.Lock{}, fmt.Errorf("ask dpkg for the architecture: %w%s", err, saidBy(err))
	}
	apt, lists := filepath.Join(dir, "apt"), d.lists.path(d.sources)
	conf := aptConf(apt) + aptAlone(apt, lists, strings.TrimSpace(string(architecture))) + strings.Join(aptOptions(ctx), "\n")
	err = errors.Join(os.MkdirAll(lists, 0o755), layOutApt(apt, conf, map[string]string{"sources.list": d.sources, "status": ""}))
	if err != nil {
		return slipway.Lock{}, fmt.Errorf("prepare packages: %w", err)
	}
	lock, err := d.Baker.resolve(ctx, resolver{apt, func(ctx context.Context, script string, args ...string) error {
		if script == "resolve" {
			d.lists.mu.Lock()
			defer d.lists.mu.Unlock()
		}
		cmd := exec.CommandContext(ctx, shell, append([]string{filepath.Join(apt, script)}, args...)...)
		cmd.Env = append(proxyEnv(), "PATH="+searchPath, "LC_ALL=C.UTF-8", "APT_CONFIG="+filepath.Join(apt, "apt.conf"))
		return d.run(ctx, cmd, aptShows, 0, out)
	}}, minimal, out)
	if err != nil && strings.Contains(err.Error(), "404 ") && strings.Contains(err.Error(), "does not have a Release file") {
		return slipway.Lock{}, slipway.Errorf(slipway.Invalid,
			"cannot %s: Debian's archive, as this host is configured to reach it, has no release of that name\n%w", d.what, err)
	}
	lock.Sources = d.sources
	return lock, err
}

// aptAlone keeps apt from looking at what is the host's own: its packages, sources, preferences, and other architectures.
func aptAlone(at, lists, architecture string) string {
	return `
#clear APT::Architectures;
APT::Architecture "` + architecture + `";
APT::Architectures { "` + architecture + `"; };
Dir::Etc "` + at + `";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "` + at + `/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "` + at + `";
Dir::State::status "` + at + `/status";
Dir::State::Lists "` + lists + `";
`
}

// install makes the system of the packages of a lock, which must be stored, with mmdebstrap. It uses no network.
func (d debian) install(ctx context.Context, lock slipway.Lock, out io.Writer) (slipway.LayerInfo, error) {
	var none slipway.LayerInfo
	if err := d.checkKept(ctx, d.what, d.place, lock); err != nil {
		return none, err
	}
	dir, err := d.newWork()
	if err != nil {
		return none, err
	}
	defer d.removeWork(dir)
	root, repository := filepath.Join(dir, "root"), filepath.Join(dir, "repository")
	if err := d.repository(ctx, repository, lock); err != nil {
		return none, fmt.Errorf("prepare packages: %w", err)
	}
	names := make([]string, len(lock.Packages))
	for i, p := range lock.Packages {
		names[i] = p.Name
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--mode=root", "--format=directory", "--variant=apt", "--include="+strings.Join(names, ","),
		"--dpkgopt=force-unsafe-io", d.suite, root, "-")
	cmd.Stdin = strings.NewReader("deb [trusted=yes] copy:" + (&url.URL{Path: repository}).EscapedPath() + " ./\n")
	cmd.Env = []string{"PATH=" + searchPath, "LC_ALL=C.UTF-8", "TMPDIR=" + dir, sourceDateEpochName + "=" + sourceDateEpoch}
	if err := d.run(ctx, cmd, debootstrapShows, unix.CLONE_NEWNET, out); err != nil {
		return none, err
	}
	if err := checkInstalled(d.what, root, lock); err != nil {
		return none, err
	}
	if err := os.WriteFile(filepath.Join(root, "etc/apt/sources.list"), []byte(d.sources), 0o644); err != nil {
		return none, err
	}
	return d.locked(ctx, lock, func(l *image.Layer) error {
		return l.AddTree(ctx, root, image.Options{Skip: func(p string) bool { return inDev(p) || isTrace(root, p) || isHostsOwn(p) }})
	})
}

// isHostsOwn selects what mmdebstrap leaves of the host in a new system.
func isHostsOwn(p string) bool {
	switch p {
	case "/etc/hostname", "/etc/resolv.conf", "/etc/apt/apt.conf.d/99mmdebstrap", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap":
		return true
	}
	return false
}

// run runs a program of the host, in new namespaces of the given kinds beside those of runAlone. Its errors are those of execute.
func (d debian) run(ctx context.Context, cmd *exec.Cmd, shows func(string) bool, namespaces uintptr, out io.Writer) error {
	said := &transcript{out: out, shows: shows}
	cmd.Stdout, cmd.Stderr = said, said
	err := runAlone(cmd, namespaces)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit) && exit.Exited():
		return d.exited(d.what, d.place, exit.ExitCode(), said.lines())
	case err != nil:
		return fmt.Errorf("cannot %s: %w", d.what, err)
	}
	return nil
}

// runAlone runs a command in process and mount namespaces of its own, and others as asked for: however it ends, and should this process be
// killed, nothing it started goes on, and none of its mounts is left.
func runAlone(cmd *exec.Cmd, namespaces uintptr) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID | namespaces,
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		Setpgid:      true, // Ctrl-C is for slipwayd, which parks its work
	}
	// The kernel sends the signal when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
