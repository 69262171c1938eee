package diff_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/image/diff"
	"github.com/slipway-sh/slipway/rootfs"
)

// bed is a store of layers and mounts of them.
type bed struct {
	store  *image.Store
	mounts *rootfs.Mounts
	dir    string
	count  int
}

func newBed(t testing.TB) *bed {
	t.Helper()
	store, err := image.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{store: store, dir: t.TempDir()}
	b.mounts = rootfs.New(filepath.Join(b.dir, "layers"), store)
	t.Cleanup(func() {
		if err := b.mounts.Prune(func(slipway.Digest) bool { return false }); err != nil {
			t.Error(err)
		}
	})
	return b
}

// place returns a directory that is not there yet.
func (b *bed) place() string {
	b.count++
	return filepath.Join(b.dir, fmt.Sprint(b.count))
}

// failer is a test, or a property's try.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// change mounts an overlay of the layers, lets f change it, and returns the layer of what it did.
func (b *bed) change(t failer, below []slipway.Digest, f func(dir string)) slipway.Digest {
	t.Helper()
	at := b.place()
	target, upper := filepath.Join(at, "root"), filepath.Join(at, "upper")
	if err := b.mounts.Overlay(context.Background(), target, below, upper, filepath.Join(at, "work")); err != nil {
		t.Fatal(err)
	}
	func() {
		defer unmount(t, target) // also when a property's try ends here
		f(target)
	}()
	digest, _, err := b.store.WriteLayer(context.Background(), below, func(l *image.Layer) error {
		return l.AddOverlay(context.Background(), upper, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(at); err != nil {
		t.Fatal(err)
	}
	return digest
}

// look mounts the layers as a machine has them and describes every path in them.
func (b *bed) look(t failer, layers []slipway.Digest) map[string]state {
	t.Helper()
	at := b.place()
	lower := []string{}
	for i, d := range slices.Backward(layers) {
		if slices.Contains(layers[i+1:], d) {
			continue // it is further up; overlayfs refuses it twice
		}
		dir, err := b.mounts.Layer(context.Background(), d)
		if err != nil {
			t.Fatal(err)
		}
		lower = append(lower, dir)
	}
	for _, dir := range []string{"root", "empty-1", "empty-2"} { // overlayfs wants two layers
		if err := os.MkdirAll(filepath.Join(at, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lower = append(lower, filepath.Join(at, "empty-1"), filepath.Join(at, "empty-2"))
	root := filepath.Join(at, "root")
	if err := unix.Mount("overlay", root, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		t.Fatalf("mount: %v", err)
	}
	defer unmount(t, root)
	seen := map[string]state{}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			seen[filepath.Join("/", strings.TrimPrefix(name, root))], err = stateOf(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func unmount(t failer, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatalf("unmount: %v", err)
	}
}

// state is what a program sees of a path.
type state struct {
	slipway.FileState
	content [sha256.Size]byte
}

func stateOf(name string) (state, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return state{}, err
	}
	s := state{FileState: slipway.FileState{Mode: fmt.Sprintf("%04o", st.Mode&0o7777), UID: st.Uid, GID: st.Gid}}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.Type, s.Size = "file", st.Size
		var content []byte
		content, err = os.ReadFile(name)
		s.content = sha256.Sum256(content)
	case unix.S_IFDIR:
		s.Type = "directory"
	case unix.S_IFLNK:
		s.Type = "symlink"
		s.Target, err = os.Readlink(name)
	case unix.S_IFCHR:
		s.Type, s.Device = "character device", fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		s.Type = "fifo"
	default:
		err = fmt.Errorf("%s has mode %o", name, st.Mode)
	}
	value := make([]byte, 100)
	for _, xattr := range []string{"user.a", "user.b"} {
		if n, err := unix.Lgetxattr(name, xattr, value); err == nil {
			if s.Xattrs == nil {
				s.Xattrs = map[string]string{}
			}
			s.Xattrs[xattr] = string(value[:n])
		}
	}
	return s, err
}

// differences compares what was seen, path by path.
func differences(before, after map[string]state) map[string]slipway.DiffKind {
	kinds := map[string]slipway.DiffKind{}
	for name, x := range before {
		y, ok := after[name]
		switch {
		case !ok:
			kinds[name] = slipway.DiffRemoved
		case !cmp.Equal(x, y, cmp.AllowUnexported(state{})):
			kinds[name] = slipway.DiffChanged
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			kinds[name] = slipway.DiffAdded
		}
	}
	return kinds
}

var contents = [][]byte{nil, []byte("x"), []byte("y"), []byte("some text\n"), bytes.Repeat([]byte("block"), 1000), bytes.Repeat([]byte("z"), 300<<10)}

// scribble does something to a mounted tree, at one of a few paths, so that things happen to the same ones again and again.
func scribble(t *rapid.T, dir string) {
	names := []string{"a", "b", "c"}
	name := func() string {
		parts := rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "path")
		return filepath.Join(append([]string{dir}, parts...)...)
	}
	p := name()
	content := func() []byte {
		return contents[rapid.IntRange(0, len(contents)-1).Draw(t, "content")]
	}
	switch rapid.SampledFrom([]string{"write", "write", "mkdir", "mkdir", "remove", "replace", "link", "symlink", "chmod", "chown", "xattr", "node", "rename", "punch"}).Draw(t, "do") {
	case "write":
		os.MkdirAll(filepath.Dir(p), 0o755)
		os.WriteFile(p, content(), 0o644)
	case "mkdir":
		os.MkdirAll(p, 0o755)
	case "remove":
		os.RemoveAll(p)
	case "replace": // becomes opaque
		os.RemoveAll(p)
		os.Mkdir(p, 0o750)
		os.WriteFile(filepath.Join(p, "a"), content(), 0o600)
	case "link":
		os.Link(p, name())
	case "symlink":
		os.Symlink(rapid.SampledFrom(names).Draw(t, "target"), p)
	case "chmod":
		unix.Fchmodat(unix.AT_FDCWD, p, rapid.SampledFrom([]uint32{0o600, 0o755, 0o4755, 0o1777}).Draw(t, "mode"), unix.AT_SYMLINK_NOFOLLOW)
	case "chown":
		os.Lchown(p, rapid.IntRange(0, 2).Draw(t, "uid"), 7)
	case "xattr":
		unix.Lsetxattr(p, rapid.SampledFrom([]string{"user.a", "user.b"}).Draw(t, "xattr"), []byte(rapid.SampledFrom(names).Draw(t, "value")), 0)
	case "node":
		unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, uint32(rapid.IntRange(1, 3).Draw(t, "minor")))))
		unix.Mkfifo(p, 0o644)
	case "rename":
		os.Rename(p, name())
	case "punch":
		if f, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
			f.WriteAt([]byte("end"), 200<<10)
			f.Close()
		}
	}
}

// TestMounts makes two images out of random changes, with or without layers in common, and wants the difference to be what a program sees
// that walks both machines.
func TestMounts(t *testing.T) {
	b := newBed(t)
	rapid.Check(t, func(t *rapid.T) {
		grow := func(layers []slipway.Digest) []slipway.Digest {
			for range rapid.IntRange(0, 3).Draw(t, "layers") {
				layers = append(slices.Clone(layers), b.change(t, layers, func(dir string) {
					for range rapid.IntRange(1, 8).Draw(t, "changes") {
						scribble(t, dir)
					}
				}))
			}
			return layers
		}
		base := grow(nil)
		older, newer := grow(base), grow(base)
		if rapid.Bool().Draw(t, "on another base") {
			newer = grow(nil)
		}
		d, err := diff.Images(t.Context(), b.store, imageOf(older), imageOf(newer))
		if err != nil {
			t.Fatal(err)
		}
		before, after := b.look(t, older), b.look(t, newer)
		got := map[string]slipway.DiffKind{}
		for _, f := range d.Files {
			got[f.Path] = f.Kind
			for path, sides := range map[string]struct {
				told *slipway.FileState
				seen map[string]state
			}{"old": {f.Old, before}, "new": {f.New, after}} {
				if sides.told != nil && !cmp.Equal(*sides.told, sides.seen[f.Path].FileState) {
					t.Fatalf("%s, %s: %s", f.Path, path, cmp.Diff(*sides.told, sides.seen[f.Path].FileState))
				}
			}
			if x, y := before[f.Path], after[f.Path]; f.Kind == slipway.DiffChanged && x.Type == "file" && y.Type == "file" &&
				slices.Contains(f.What, slipway.AspectContent) != (x.content != y.content) {
				t.Fatalf("%s: %v, contents differ: %v", f.Path, f.What, x.content != y.content)
			}
		}
		if want := differences(before, after); !maps.Equal(got, want) {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

func imageOf(layers []slipway.Digest) slipway.Image {
	var i slipway.Image
	for _, d := range layers {
		i.Layers = append(i.Layers, slipway.LayerInfo{Digest: d})
	}
	return i
}
