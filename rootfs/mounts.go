// Package rootfs turns layer blobs into root filesystems: every layer is mounted read-only once, whoever uses it, and a
// machine or a sandbox gets an overlay of its layers with a writable top of its own.
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Blobs is where layers lie. Verify returns a Corrupt error when a blob's bytes are not those its digest names, NotFound when there is none.
type Blobs interface {
	BlobPath(digest slipway.Digest) string
	Verify(ctx context.Context, digest slipway.Digest) error
}

// Mounts keeps the shared, read-only layer mounts of one data directory, and makes overlays of them. Mounts stay when the
// process ends and are found again by the next one. Methods are safe for concurrent use.
type Mounts struct {
	dir   string
	blobs Blobs

	mu     sync.Mutex
	layers map[slipway.Digest]*layer

	overlaying sync.RWMutex // held while layers become an overlay, so that none is unmounted meanwhile
}

// layer is what this process knows of one layer. Its lock makes verifying and mounting happen once.
type layer struct {
	sync.Mutex
	verified stamp
}

// stamp tells one state of a blob's file from any later one: a write changes the change time, which no one can set back.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// isFile reports whether both are states of one file.
func (s stamp) isFile(other stamp) bool { return s.dev == other.dev && s.ino == other.ino }

// New returns the mounts below dir, which must not be shared with another process. Nothing is touched until a layer is asked for.
func New(dir string, blobs Blobs) *Mounts {
	return &Mounts{dir: dir, blobs: blobs, layers: map[slipway.Digest]*layer{}}
}

// Layer returns the directory where the layer's filesystem is mounted read-only, mounting it if it is not. The blob is
// verified by its digest before this process uses it for the first time, and again whenever its file has changed since.
// Corrupt if its bytes are wrong, NotFound if it is not stored, Unprepared if the kernel cannot mount EROFS.
func (m *Mounts) Layer(ctx context.Context, digest slipway.Digest) (string, error) {
	if err := digest.Validate(); err != nil {
		return "", err
	}
	l := m.layer(digest)
	l.Lock()
	defer l.Unlock()

	dir, blob := filepath.Join(m.dir, digest.Hex()), m.blobs.BlobPath(digest)
	mounted, err := isMount(dir)
	if err != nil {
		return "", err
	}
	now, err := stampOf(blob)
	if errors.Is(err, fs.ErrNotExist) {
		return "", slipway.Errorf(slipway.NotFound, "cannot mount layer %s: it is not in the image store", digest)
	} else if err != nil {
		return "", err
	}
	if mounted && now == l.verified {
		return dir, nil
	}
	if now != l.verified {
		if err := m.blobs.Verify(ctx, digest); err != nil {
			return "", err
		}
		if mounted && l.verified != (stamp{}) && !now.isFile(l.verified) {
			// What is mounted is an earlier file. Overlays that use it keep it; new ones get the file that was verified.
			if err := unmount(dir); err != nil {
				return "", err
			}
			mounted = false
		}
	}
	if !mounted {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if err := mountLayer(blob, dir); err != nil {
			return "", err
		}
	}
	l.verified = now
	return dir, nil
}

// Overlay mounts a writable filesystem at target: layers, lowest first, below upper, which receives every change. It makes
// target, upper and work where they are missing; upper and work must be on one filesystem, and used for nothing else before
// or after: what is written is not synced to disk. Errors are those of [Mounts.Layer].
func (m *Mounts) Overlay(ctx context.Context, target string, layers []slipway.Digest, upper, work string) error {
	m.overlaying.RLock()
	defer m.overlaying.RUnlock()
	layers = distinct(layers)
	lower := make([]string, len(layers))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, digest := range layers {
		group.Go(func() (err error) {
			// An overlay wants its highest layer first.
			lower[len(layers)-1-i], err = m.Layer(gctx, digest)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if len(lower) == 0 {
		lower = []string{filepath.Join(m.dir, "empty")}
	}
	for _, dir := range append([]string{target, upper, work}, lower[len(lower)-1]) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// The upper directory's mode is that of the root directory seen through the overlay, whatever the umask.
	if err := os.Chmod(upper, 0o755); err != nil { //nolint:gosec // The services of a machine must be able to enter its root directory.
		return err
	}
	err := mountOverlay(target, lower, upper, work)
	if errors.Is(err, unix.ENODEV) {
		return slipway.Errorf(slipway.Unprepared, "cannot mount an overlay: the kernel has no overlayfs; load it with: modprobe overlay")
	}
	if err != nil {
		return fmt.Errorf("cannot mount the overlay at %s: %w", target, err)
	}
	return nil
}

// distinct leaves out layers that are there again further up, as those of two scripts that change nothing: overlayfs refuses a lower
// directory twice, and the upper one hides all that the lower one has.
func distinct(layers []slipway.Digest) []slipway.Digest {
	var once []slipway.Digest
	for i, l := range layers {
		if !slices.Contains(layers[i+1:], l) {
			once = append(once, l)
		}
	}
	return once
}

// Unmount ends the overlay at target. nil if nothing is mounted there.
func (m *Mounts) Unmount(target string) error { return unmount(target) }

// Prune unmounts every layer that keep does not accept. Overlays that use one are not disturbed.
func (m *Mounts) Prune(keep func(slipway.Digest) bool) error {
	entries, err := os.ReadDir(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		digest := slipway.Digest("sha256:" + e.Name())
		if digest.Validate() != nil || keep(digest) {
			continue
		}
		errs = append(errs, m.drop(digest))
	}
	return errors.Join(errs...)
}

func (m *Mounts) drop(digest slipway.Digest) error {
	m.overlaying.Lock()
	defer m.overlaying.Unlock()
	l := m.layer(digest)
	l.Lock()
	defer l.Unlock()
	l.verified = stamp{}
	dir := filepath.Join(m.dir, digest.Hex())
	if err := unmount(dir); err != nil {
		return err
	}
	return os.Remove(dir)
}

func (m *Mounts) layer(digest slipway.Digest) *layer {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.layers[digest]
	if l == nil {
		l = &layer{}
		m.layers[digest] = l
	}
	return l
}

func stampOf(path string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stamp{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}, nil
}
