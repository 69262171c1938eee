package bake

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// planBase plans what an image starts from that is baked here, which is one layer.
func (b *Baker) planBase(s site, from string) (plan, error) {
	place := s.place
	if suite, ok := strings.CutPrefix(from, "debian:"); ok {
		sources, err := sourcesFor("/etc/apt", suite)
		if err != nil {
			return plan{}, err
		}
		key := stepKey{From: from, Sources: sources}
		return plan{place: place, key: key, build: func(ctx context.Context, _ []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
			digest, size, err := b.debian(ctx, suite, sources, out)
			return slipway.LayerInfo{Digest: digest, Size: size}, err
		}}, nil
	}
	name, ok := rootfsFile(from)
	if !ok {
		return plan{}, slipway.Errorf(slipway.Invalid, "cannot bake from %q: want scratch, debian:<suite> or rootfs:<file.tar[.gz]>", from).At(place)
	}
	file, err := s.files.file(name, place)
	if err != nil {
		return plan{}, err
	}
	key := stepKey{From: from, Inputs: []slipway.ContextEntry{file}}
	return plan{place: place, key: key, add: func(ctx context.Context, l *image.Layer, _ io.Writer) error {
		if err := b.checkRootfs(ctx, file.Digest); err != nil {
			return err
		}
		return l.AddArchive(ctx, file.Digest, image.Options{Skip: inDev})
	}}, nil
}

func rootfsFile(from string) (string, bool) { return strings.CutPrefix(from, "rootfs:") }

// inDev selects what lies in /dev: a machine gets a /dev of its own.
func inDev(p string) bool { return strings.HasPrefix(p, "/dev/") }

// checkRootfs refuses, as Invalid and naming the entry, a root file system with names that lead out of it or with device nodes
// outside /dev. Absolute symbolic links are fine: the archive's root is the machine's.
func (b *Baker) checkRootfs(ctx context.Context, d slipway.Digest) error {
	if err := b.images.Verify(ctx, d); err != nil {
		return err
	}
	blob, err := os.Open(b.images.BlobPath(d))
	if err != nil {
		return err
	}
	defer blob.Close()
	var r io.Reader = blob
	if head := make([]byte, 2); readHead(blob, head) && bytes.Equal(head, []byte("\x1f\x8b")) {
		z, err := gzip.NewReader(bufio.NewReader(blob))
		if err != nil {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %w", err)
		}
		r = z
	}
	for archive := tar.NewReader(r); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %w", err)
		}
		refuse := func(why string) error {
			return slipway.Errorf(slipway.Invalid, "cannot unpack the root file system: %s", why).At(fmt.Sprintf("archive entry %q", h.Name))
		}
		names := []string{h.Name}
		if h.Typeflag == tar.TypeLink {
			names = append(names, h.Linkname)
		}
		for _, name := range names {
			if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") {
				return refuse("the name leads out of the archive")
			}
		}
		special := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock || h.Typeflag == tar.TypeFifo
		if special && !inDev(path.Clean("/"+h.Name)) {
			return refuse("it is a device node or FIFO")
		}
	}
}

// readHead fills head from the start of f and leaves f there.
func readHead(f *os.File, head []byte) bool {
	_, err := f.ReadAt(head, 0)
	return err == nil
}

// debian makes a minimal Debian system with mmdebstrap.
func (b *Baker) debian(ctx context.Context, suite, sources string, out io.Writer) (slipway.Digest, int64, error) {
	what := "the base debian:" + suite
	if os.Geteuid() != 0 {
		return "", 0, slipway.Errorf(slipway.Unprepared, "cannot make %s: this needs root", what)
	}
	command, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", 0, slipway.Errorf(slipway.Unprepared, "cannot make %s: mmdebstrap not found; install it with: apt-get install mmdebstrap", what)
	}
	if _, err := os.Stat(debianKeyring); err != nil {
		return "", 0, slipway.Errorf(slipway.Unprepared, "cannot make %s: Debian's keys not found; install them with: apt-get install debian-archive-keyring", what)
	}
	dir, err := b.newWork()
	if err != nil {
		return "", 0, err
	}
	defer b.removeWork(dir)
	root := filepath.Join(dir, "root")
	args := []string{"--mode=root", "--format=directory", "--variant=minbase", "--dpkgopt=force-unsafe-io"}
	for _, option := range aptOptions(ctx) {
		args = append(args, "--aptopt="+option)
	}
	cmd := exec.CommandContext(ctx, command, append(args, suite, root, "-")...)
	cmd.Stdin = strings.NewReader(sources)
	cmd.Env = append(proxyEnv(), "PATH="+searchPath, "LC_ALL=C.UTF-8", "TMPDIR="+dir, sourceDateEpochName+"="+sourceDateEpoch)
	said := &transcript{out: out, shows: debootstrapShows}
	cmd.Stdout, cmd.Stderr = said, said
	err = runAlone(cmd)
	tail := said.tail()
	if ctx.Err() != nil {
		return "", 0, context.Cause(ctx)
	}
	if err != nil && b.full() {
		return "", 0, slipway.Errorf(slipway.Unprepared, "cannot make %s: no space left on the disk of %s%s", what, b.workDir, tail)
	}
	if err != nil && strings.Contains(tail, "404 ") && strings.Contains(tail, "does not have a Release file") {
		return "", 0, slipway.Errorf(slipway.Invalid, "cannot make %s: Debian's archive, as this host is configured to reach it, has no release of that name\nmmdebstrap's last lines:%s", what, tail)
	}
	if err != nil {
		return "", 0, slipway.Errorf(slipway.Failed, "cannot make %s: mmdebstrap: %w\nits last lines:%s", what, err, tail)
	}
	return b.images.WriteLayer(ctx, nil, func(l *image.Layer) error {
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

// runAlone runs a command in process and mount namespaces of its own: however it ends, and should this process be killed, nothing
// it started goes on, and none of its mounts is left.
func runAlone(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		Setpgid:      true, // Ctrl-C is for slipwayd, which parks its work
	}
	// The kernel sends the signal when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
