package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

// fact is all that a program can see of an entry.
type fact struct {
	Mode, UID, GID, Rdev uint32
	Nlink                uint64
	First                string // by name, of its hard links
	Size                 int64
	Content, Target      string
	Xattrs               map[string]string
}

// facts describes a tree as it is on disk, through system calls alone.
func facts(t testing.TB, dir string) map[string]fact {
	t.Helper()
	found, first := map[string]fact{}, map[hostID]string{}
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		rel := strings.TrimPrefix(p, dir) + "/"
		f := fact{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Nlink: st.Nlink, First: rel}
		if f.Xattrs, err = hostXattrs(p); err != nil {
			return err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content, err := contentOf(p)
			if err != nil {
				return err
			}
			f.Size, f.Content = st.Size, content
		case unix.S_IFLNK:
			f.Target, err = os.Readlink(p)
		case unix.S_IFCHR, unix.S_IFBLK:
			f.Rdev = uint32(st.Rdev)
		}
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			id := idOf(&st)
			if first[id] == "" {
				first[id] = rel
			}
			f.First = first[id]
		}
		found[rel] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// contentOf is a file's content: its data, with where it is, and without what is zero. Two files have the same if and only if they
// read the same.
func contentOf(p string) (string, error) {
	f, err := os.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var content strings.Builder
	block := make([]byte, 4096)
	for at := int64(0); ; {
		if at, err = f.Seek(at, unix.SEEK_DATA); err != nil {
			if errors.Is(err, unix.ENXIO) { // no more data
				err = nil
			}
			return string(slipway.DigestOf([]byte(content.String()))), err
		}
		at = at / 4096 * 4096
		n, err := f.ReadAt(block, at)
		if err != nil && err != io.EOF {
			return "", err
		}
		if trimmed := bytes.TrimRight(block[:n], "\x00"); len(trimmed) > 0 {
			fmt.Fprintf(&content, "%d:%q;", at, trimmed)
		}
		at += 4096
	}
}

// dataOf is how many bytes of a file are no holes, as its file system has them.
func dataOf(t testing.TB, p string) (total int64) {
	t.Helper()
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := int64(0); ; {
		from, err := f.Seek(at, unix.SEEK_DATA)
		if err != nil {
			return total
		}
		if at, err = f.Seek(from, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
		total += at - from
	}
}

// anyName is a name of a file: bytes of any kind, but for those that mean something.
var anyName = rapid.OneOf(
	rapid.StringMatching(`[a-zA-Z0-9 ._+-]{1,12}`),
	rapid.Map(rapid.SliceOfN(rapid.ByteRange(1, 255), 1, 255), func(b []byte) string { return string(b) }),
).Filter(func(s string) bool { return s != "." && s != ".." && !strings.Contains(s, "/") })

// world is a tree of the host that a property test changes.
type world struct {
	*rapid.T
	names *rapid.Generator[string]
	dir   string
	dirs  []string
	files []string // that are no directories
}

// change makes an entry, or changes one. What the file system cannot do is no change.
func (w *world) change() {
	p := filepath.Join(rapid.SampledFrom(w.dirs).Draw(w.T, "parent"), w.names.Draw(w.T, "name"))
	// Nothing is written through links, nor to pipes and devices.
	info, err := os.Lstat(p)
	writable := err != nil || info.Mode().IsRegular()
	kinds := []string{"dir", "dir", "file", "file", "file", "sparse", "link", "symlink", "node", "remove"}
	switch rapid.SampledFrom(kinds).Draw(w.T, "kind") {
	case "dir":
		if err = os.Mkdir(p, 0o755); err == nil {
			w.dirs = append(w.dirs, p)
		}
	case "file":
		if !writable {
			return
		}
		sizes := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(1900, 2200), rapid.IntRange(3900, 4200), rapid.IntRange(0, 300_000))
		size := sizes.Draw(w.T, "size")
		err = os.WriteFile(p, bytes.Repeat([]byte(rapid.StringN(1, 40, 60).Draw(w.T, "content")), size)[:size], 0o644)
	case "sparse":
		if !writable {
			return
		}
		err = w.sparse(p)
	case "link":
		if len(w.files) > 0 {
			err = unix.Linkat(unix.AT_FDCWD, rapid.SampledFrom(w.files).Draw(w.T, "linked"), unix.AT_FDCWD, p, 0)
		}
	case "symlink":
		target := rapid.StringN(1, 200, 4095).Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
		err = os.Symlink(target.Draw(w.T, "target"), p)
	case "node":
		err = unix.Mknod(p, rapid.SampledFrom([]uint32{unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}).Draw(w.T, "type")|0o600,
			int(unix.Mkdev(rapid.Uint32Range(1, 4000).Draw(w.T, "major"), rapid.Uint32Range(0, 1<<20-1).Draw(w.T, "minor"))))
	case "remove":
		if p == w.dir {
			return
		}
		_ = os.RemoveAll(p) // what stays of it is compared like all else
		w.dirs = slices.DeleteFunc(w.dirs, func(d string) bool { return d == p || strings.HasPrefix(d, p+"/") })
		w.files = slices.DeleteFunc(w.files, func(f string) bool { return f == p || strings.HasPrefix(f, p+"/") })
		return
	}
	if err != nil {
		return
	}
	if info, err = os.Lstat(p); err != nil {
		return
	}
	if !info.IsDir() && !slices.Contains(w.files, p) {
		w.files = append(w.files, p)
	}
	w.attributes(p, info)
}

// sparse makes a file with holes, of up to a gibibyte.
func (w *world) sparse(p string) error {
	f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	size := rapid.OneOf(rapid.Int64Range(0, 100_000), rapid.Int64Range(0, 1<<30)).Draw(w.T, "size")
	for range rapid.IntRange(0, 4).Draw(w.T, "parts") {
		at := rapid.Int64Range(0, size).Draw(w.T, "at")
		part := rapid.SampledFrom([]string{"x", "\x00", "ab\x00"}).Draw(w.T, "part")
		length := rapid.IntRange(1, 30_000).Draw(w.T, "length")
		if _, err := f.WriteAt(bytes.Repeat([]byte(part), length), at); err != nil {
			return err
		}
	}
	if info, err := f.Stat(); err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}

func (w *world) attributes(p string, info fs.FileInfo) {
	id := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(65_500, 65_600), rapid.IntRange(0, 1<<32-2))
	_ = os.Lchown(p, id.Draw(w.T, "uid"), id.Draw(w.T, "gid"))
	if info.Mode().Type() != fs.ModeSymlink {
		_ = unix.Chmod(p, rapid.Uint32Range(0, 0o7777).Draw(w.T, "mode"))
	}
	for range rapid.IntRange(0, 3).Draw(w.T, "xattrs") {
		name := rapid.SampledFrom([]string{"trusted.a", "trusted.b." + strings.Repeat("b", 200), "user.c", "user.d", "security.capability",
			"system.posix_acl_access", "system.posix_acl_default"}).Draw(w.T, "xattr")
		value := rapid.StringN(0, 100, 900).Draw(w.T, "value")
		switch {
		case name == "security.capability":
			value = capability
		case isACL(name):
			value = acl
		}
		_ = unix.Lsetxattr(p, name, []byte(value), 0) // not every file can have every attribute
	}
}

// turn is one turn of a property test: what it makes and mounts goes away before the next.
type turn struct {
	testing.TB
	*rapid.T
}

func (t turn) Cleanup(f func())                  { t.T.Cleanup(f) }
func (t turn) Context() context.Context          { return t.TB.Context() }
func (t turn) Error(args ...any)                 { t.T.Error(args...) }
func (t turn) Errorf(format string, args ...any) { t.T.Errorf(format, args...) }
func (t turn) Fail()                             { t.T.Fail() }
func (t turn) FailNow()                          { t.T.FailNow() }
func (t turn) Failed() bool                      { return t.T.Failed() }
func (t turn) Fatal(args ...any)                 { t.T.Fatal(args...) }
func (t turn) Fatalf(format string, args ...any) { t.T.Fatalf(format, args...) }
func (t turn) Helper()                           { t.TB.Helper() }
func (t turn) Log(args ...any)                   { t.T.Log(args...) }
func (t turn) Logf(format string, args ...any)   { t.T.Logf(format, args...) }
func (t turn) Name() string                      { return t.TB.Name() }
func (t turn) Skip(args ...any)                  { t.T.Skip(args...) }
func (t turn) SkipNow()                          { t.T.SkipNow() }
func (t turn) Skipf(format string, args ...any)  { t.T.Skipf(format, args...) }

func (t turn) TempDir() string {
	dir, err := os.MkdirTemp("", "turn-") // the test's own would stay until all turns are over
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestTreeSurvives makes a random tree on a real file system, and a layer of it: mounted, it must be the same to the last attribute, and
// take no more space than its data. The same layer must come of it in another order.
func TestTreeSurvives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		t := turn{t, rt}
		dir := t.TempDir()
		if rapid.Bool().Draw(rt, "tmpfs") {
			dir = mount(t, "tmpfs", "tmpfs", "")
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w := &world{rt, anyName, dir, []string{dir}, nil}
		for range rapid.IntRange(0, 60).Draw(rt, "changes") {
			w.change()
		}
		s := newStore(t)
		d := layer(t, s, nil, func(l *Layer) error { return l.AddTree(t.Context(), dir, Options{}) })
		mounted := mount(t, "erofs", s.BlobPath(d), "")
		if diff := cmp.Diff(facts(t, dir), facts(t, mounted)); diff != "" {
			t.Fatalf("the mounted layer differs:\n%s", diff)
		}
		for _, f := range w.files {
			info, err := os.Lstat(f)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			// An address of four bytes for each block is what finding the holes may cost at most.
			may := dataOf(t, f)
			may = (may+4095)/4096*4096 + info.Size()/4096*4 + 8192
			if have := dataOf(t, mounted+strings.TrimPrefix(f, dir)); have > may {
				t.Errorf("%q has %d bytes of data, in the layer %d", f, dataOf(t, f), have)
			}
		}
		if backwards(t, s, dir) != d {
			t.Error("the order of entries changes the digest")
		}
	})
}

// backwards makes a layer of a tree, from its last entry to its first.
func backwards(t testing.TB, s *Store, dir string) slipway.Digest {
	return layer(t, s, nil, func(l *Layer) error {
		var list []func() error
		if err := walk(t.Context(), dir, func(rel string, n *node) (bool, error) {
			list = append(list, func() error { _, err := l.add("/"+rel, n, nil); return err })
			return true, nil
		}); err != nil {
			return err
		}
		for _, add := range slices.Backward(list) {
			if err := add(); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestTarSurvives takes the way by GNU tar.
func TestTarSurvives(t *testing.T) {
	// What PAX cannot say, names of any bytes, is for the format of GNU tar, which cannot say attributes.
	for _, format := range []struct {
		name  string
		flags []string
		names *rapid.Generator[string]
	}{
		{"gnu", []string{"--format=gnu"}, anyName},
		{"pax", []string{"--format=pax", "--xattrs", "--xattrs-include=*"}, rapid.StringMatching(`[a-zA-Z0-9 ._+-]{1,90}[a-z]`)},
	} {
		t.Run(format.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				t := turn{t, rt}
				dir := t.TempDir()
				w := &world{rt, format.names, dir, []string{dir}, nil}
				for range rapid.IntRange(0, 40).Draw(rt, "changes") {
					w.change()
				}
				want := facts(t, dir)
				for p, f := range want {
					if f.Mode&unix.S_IFMT == unix.S_IFSOCK || f.GID >= 1<<31 || f.UID >= 1<<31 { // tar leaves sockets out
						if err := os.RemoveAll(dir + p[:len(p)-1]); err != nil {
							t.Fatal(err)
						}
					}
				}
				want = facts(t, dir)
				for p, f := range want {
					if format.name == "gnu" {
						f.Xattrs = nil
					}
					switch f.Mode & unix.S_IFMT {
					case unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO: // GNU tar has no links to these
						f.Nlink, f.First = 1, p
					}
					want[p] = f
				}
				file := filepath.Join(t.TempDir(), "tar")
				command := exec.Command("tar", append(format.flags, "-C", dir, "-cSf", file, ".")...)
				if out, err := command.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				s := newStore(t)
				var layers []slipway.Digest
				for _, add := range []func(*Layer, *os.File) error{
					func(l *Layer, f *os.File) error { return l.AddTar(t.Context(), f, Options{}) },
					func(l *Layer, f *os.File) error { return l.addArchive(t.Context(), f, sizeOf(t, f), Options{}) },
				} {
					layers = append(layers, layer(t, s, nil, func(l *Layer) error {
						f, err := os.Open(file)
						if err != nil {
							return err
						}
						l.closers = append(l.closers, f)
						return add(l, f)
					}))
				}
				if layers[0] != layers[1] {
					t.Error("as a stream the archive gives another layer than as a file")
				}
				got := facts(t, mount(t, "erofs", s.BlobPath(layers[0]), ""))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the mounted layer differs:\n%s", diff)
				}
			})
		})
	}
}

func sizeOf(t testing.TB, f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestChangesSurvive changes a random tree in a mounted overlay again and again, and makes a layer of the changes each time. Mounted
// by itself the layer must be what overlayfs noted; on top of the others it must show what the overlay showed.
func TestChangesSurvive(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
	rapid.Check(t, func(rt *rapid.T) {
		t := turn{t, rt}
		s := newStore(t)
		var layers []slipway.Digest
		for range rapid.IntRange(1, 4).Draw(rt, "layers") {
			top := t.TempDir()
			upper, work := top+"/upper", top+"/work"
			for _, dir := range []string{upper, work} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			dir := mount(t, "overlay", "overlay", "lowerdir="+lowers(t, s, layers...)+
				",upperdir="+upper+",workdir="+work+",redirect_dir=off,metacopy=off,index=off")
			w := &world{T: rt, names: names, dir: dir}
			for p, f := range facts(t, dir) {
				if p = dir + p[:len(p)-1]; f.Mode&unix.S_IFMT == unix.S_IFDIR {
					w.dirs = append(w.dirs, p)
				} else {
					w.files = append(w.files, p)
				}
			}
			slices.Sort(w.dirs)
			slices.Sort(w.files)
			for range rapid.IntRange(0, 20).Draw(rt, "changes") {
				w.change()
			}
			layers = append(layers, layer(t, s, nil, func(l *Layer) error { return l.AddOverlay(t.Context(), upper, nil) }))
			noted, written := facts(t, upper), facts(t, mount(t, "erofs", s.BlobPath(layers[len(layers)-1]), ""))
			for p, f := range noted {
				maps.DeleteFunc(f.Xattrs, func(name, _ string) bool {
					return strings.HasPrefix(name, "trusted.overlay.") && name != opaqueXattr
				})
				if f.Mode&unix.S_IFMT == unix.S_IFCHR && f.Rdev == 0 {
					f.Nlink, f.First = 1, p // overlayfs links its whiteouts to each other
				}
				if len(f.Xattrs) == 0 {
					f.Xattrs = nil
				}
				noted[p] = f
			}
			if diff := cmp.Diff(noted, written); diff != "" {
				t.Fatalf("the layer is not what was changed:\n%s", diff)
			}
			if diff := cmp.Diff(shown(facts(t, dir)), shown(facts(t, stack(t, s, layers...)))); diff != "" {
				t.Fatalf("the layers do not show what the overlay did:\n%s", diff)
			}
			wantView(t, s, layers)
		}
	})
}

// shown leaves out of facts what overlayfs does not merge: counts of links, and its own notes.
func shown(all map[string]fact) map[string]fact {
	for p, f := range all {
		f.Nlink, f.First = 0, ""
		maps.DeleteFunc(f.Xattrs, func(name, _ string) bool { return strings.HasPrefix(name, "trusted.overlay.") })
		if len(f.Xattrs) == 0 {
			f.Xattrs = nil
		}
		all[p] = f
	}
	return all
}

// TestHardLinks wants one copy of the data, across directories and every way into a layer, also where options change the attributes.
func TestHardLinks(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("once"), 1<<18)
	for _, err := range []error{
		os.Mkdir(dir+"/a", 0o755), os.Mkdir(dir+"/b", 0o755),
		os.WriteFile(dir+"/a/f", content, 0o640),
		os.Link(dir+"/a/f", dir+"/b/g"), os.Link(dir+"/a/f", dir+"/h"), os.Link(dir+"/a/f", dir+"/skipped"),
		os.Symlink("f", dir+"/a/l"), os.Link(dir+"/a/l", dir+"/b/l"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	packed := filepath.Join(t.TempDir(), "tar")
	if out, err := exec.Command("tar", "-C", dir, "-cf", packed, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	archive, err := os.ReadFile(packed)
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	blob := put(t, s, archive)
	skip := func(p string) bool { return p == "/skipped" }
	o := Options{Owner: &Owner{7, 8}, Skip: skip}
	for name, add := range map[string]func(*Layer) error{
		"tree":    func(l *Layer) error { return l.AddTree(t.Context(), dir, o) },
		"tar":     func(l *Layer) error { return l.AddTar(t.Context(), bytes.NewReader(archive), o) },
		"archive": func(l *Layer) error { return l.AddArchive(t.Context(), blob, o) },
		"overlay": func(l *Layer) error { return l.AddOverlay(t.Context(), dir, skip) },
	} {
		t.Run(name, func(t *testing.T) {
			d, size, err := s.WriteLayer(t.Context(), nil, add)
			if err != nil {
				t.Fatal(err)
			}
			if size > int64(len(content))+32<<10 {
				t.Errorf("the layer has %d bytes for %d", size, len(content))
			}
			got := facts(t, mount(t, "erofs", s.BlobPath(d), ""))
			for p, want := range map[string]fact{
				"/a/f/": {Nlink: 3, First: "/a/f/"}, "/b/g/": {Nlink: 3, First: "/a/f/"}, "/h/": {Nlink: 3, First: "/a/f/"},
				"/a/l/": {Nlink: 2, First: "/a/l/"}, "/b/l/": {Nlink: 2, First: "/a/l/"},
			} {
				if got := got[p]; got.Nlink != want.Nlink || got.First != want.First || name != "overlay" && got.UID != 7 {
					t.Errorf("%s: %+v", p, got)
				}
			}
		})
	}
}

// TestHugeSparseFile wants a file of 10 GiB with 1 MiB of data to take about that much, and the kernel to find the holes again.
func TestHugeSparseFile(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := bytes.Repeat([]byte("data"), 1<<17)
	for _, at := range []int64{5<<30 + 123, 9 << 30} {
		if _, err := f.WriteAt(data, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(10 << 30); err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(t.TempDir(), "tar")
	if out, err := exec.Command("tar", "-C", dir, "--format=pax", "-cSf", packed, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := newStore(t)
	tree, size, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error { return l.AddTree(t.Context(), dir, Options{Mode: new(uint32)}) })
	if err != nil {
		t.Fatal(err)
	}
	if size > 3<<19+256<<10 {
		t.Errorf("the layer has %d bytes", size)
	}
	fromTar := layer(t, s, nil, func(l *Layer) error {
		r, err := os.Open(packed)
		if err != nil {
			return err
		}
		defer r.Close()
		return l.AddTar(t.Context(), r, Options{Mode: new(uint32)})
	})
	if fromTar != tree {
		t.Error("the tar gives another layer than the tree")
	}
	mounted := mount(t, "erofs", s.BlobPath(tree), "") + "/f"
	want, err := contentOf(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := contentOf(mounted); got != want || err != nil {
		t.Errorf("the content differs: %v", err)
	}
	if got := dataOf(t, mounted); got > 2<<20 {
		t.Errorf("the kernel finds %d bytes of data", got)
	}
}

// TestGrownSparseFile changes a file with holes while it is being put into a layer.
func TestGrownSparseFile(t *testing.T) {
	for size, want := range map[int64]error{1 << 20: nil, 1<<20 + 1: erofs.ErrLonger, 1 << 19: io.ErrUnexpectedEOF} {
		p := t.TempDir() + "/f"
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		fill := func() error {
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("data"), 1<<19); err != nil {
				return err
			}
			return f.Truncate(1 << 20)
		}
		if err := fill(); err != nil {
			t.Fatal(err)
		}
		s := newStore(t)
		_, _, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error {
			if err := l.AddTree(t.Context(), filepath.Dir(p), Options{}); err != nil {
				return err
			}
			return os.Truncate(p, size)
		})
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}

// TestManyFiles puts 50,000 files into one directory, and a layer on top of it that touches some.
func TestManyFiles(t *testing.T) {
	const count = 50_000
	s := newStore(t)
	name := func(i int) string { return fmt.Sprintf("/d/%d-%s", i, strings.Repeat("n", i%97)) }
	below := layer(t, s, nil, func(l *Layer) error {
		for i := range count {
			if err := l.AddFile(name(i), Attr{Mode: 0o644}, fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return nil
	})
	d := layer(t, s, []slipway.Digest{below}, func(l *Layer) error {
		for i := 0; i < count; i += 5 {
			if err := l.AddFile(name(i), Attr{Mode: 0o600}, fmt.Append(nil, -i)); err != nil {
				return err
			}
		}
		return nil
	})
	dir := stack(t, s, below, d)
	list, err := os.ReadDir(dir + "/d")
	if err != nil || len(list) != count {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for i := range count {
		want := fmt.Sprint(i)
		if i%5 == 0 {
			want = fmt.Sprint(-i)
		}
		if got, err := os.ReadFile(dir + name(i)); string(got) != want {
			t.Fatalf("%s: %q, %v", name(i), got, err)
		}
	}
}

// TestCancelledWhileReading ends the writing of a layer in the middle of a content that has no end.
func TestCancelledWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newStore(t)
	_, _, err := s.WriteLayer(ctx, nil, func(l *Layer) error {
		return l.addOne("/f", fileNode(Attr{}, 1<<32, func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })), nil
		}))
	})
	if err == nil || ctx.Err() == nil || slipway.CodeOf(err) != slipway.Internal {
		t.Errorf("got %v", err)
	}
	wantBlobs(t, s)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
