package erofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	reader "github.com/erofs/go-erofs"
	"golang.org/x/sys/unix"
)

const mtime = 946684800

func file(content string) *Inode {
	return &Inode{Mode: regular | 0o644, Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func dir(entries map[string]*Inode) *Inode { return &Inode{Mode: directory | 0o755, Entries: entries} }

// write writes a file system, has fsck.erofs look at it, and returns its file.
func write(t testing.TB, root *Inode) string {
	t.Helper()
	m, err := Plan(root, mtime)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.WriteTo(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != m.Size() {
		t.Errorf("%d bytes, want %d (%v)", info.Size(), m.Size(), err)
	}
	if out, err := exec.Command("fsck.erofs", f.Name()).CombinedOutput(); err != nil {
		t.Errorf("fsck.erofs: %v: %s", err, out)
	}
	return f.Name()
}

func mount(t testing.TB, image string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(image, dir, "erofs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestBoundaries has contents of every length that is next to one where something changes, each behind extended attributes of several
// lengths: the kernel and go-erofs must read them all.
func TestBoundaries(t *testing.T) {
	lengths := []int{1, 2, 31, 32, 33, maxInline - 1, maxInline, maxInline + 1, block - 65, block - 64, block - 33, block - 32, block - 1}
	entries, contents := map[string]*Inode{"empty": file("")}, map[string]string{"empty": ""}
	text := strings.Repeat("0123456789abcdef", block)
	for _, xattr := range []int{0, 1, 500, maxInline, block - 1, block, 3 * block, 60_000} {
		for _, length := range append(lengths, block, block+1, 2*block, 2*block+maxInline) {
			for _, uid := range []uint32{0, 1 << 20} {
				name := fmt.Sprintf("%d-%d-%d", xattr, length, uid)
				f := file(text[length%16:][:length])
				f.UID = uid
				contents[name] = text[length%16:][:length]
				if xattr > 0 {
					f.Xattrs = map[string]string{"user.a": text[:xattr], "trusted.b": ""}
				}
				entries[name] = f
				if length < block {
					entries["link-"+name] = &Inode{Mode: symlink | 0o777, UID: uid, Target: text[1:][:length], Xattrs: f.Xattrs}
				}
			}
		}
	}
	image := write(t, dir(entries))
	mounted := mount(t, image)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, err := reader.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range contents {
		if got, err := os.ReadFile(filepath.Join(mounted, name)); string(got) != want {
			t.Errorf("%s: the kernel reads %d bytes, %v", name, len(got), err)
		}
		if got, err := fs.ReadFile(read, name); string(got) != want {
			t.Errorf("%s: go-erofs reads %d bytes, %v", name, len(got), err)
		}
	}
	value := make([]byte, 1<<16)
	for name, want := range entries {
		p := filepath.Join(mounted, name)
		if want.Mode&typeMask == symlink {
			if got, err := os.Readlink(p); got != want.Target {
				t.Errorf("%s: a link to %d bytes, %v", name, len(got), err)
			}
		}
		for xattr, content := range want.Xattrs {
			if n, err := unix.Lgetxattr(p, xattr, value); err != nil && want.Mode&typeMask == regular || n >= 0 && string(value[:n]) != content {
				t.Errorf("%s: %s has %d bytes, %v", name, xattr, n, err)
			}
		}
		if info, err := os.Lstat(p); err != nil || info.ModTime().Unix() != mtime {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDirectories has directories with every number of entries around where their blocks are full, and names that come before "." and "..".
func TestDirectories(t *testing.T) {
	root := map[string]*Inode{}
	empty := file("")
	for _, length := range []int{1, 100, MaxName} {
		for count := range 3 * block / (direntSize + length) {
			if count > 40 && count%37 > 2 {
				continue
			}
			entries := map[string]*Inode{}
			for i := range count {
				entries[fmt.Sprintf("%0*d", max(length, 4), i)] = empty
			}
			for _, name := range []string{"!", "-", ".a", "...", "\x01", "\xff"} {
				entries[name] = empty
			}
			root[fmt.Sprintf("%d-%d", length, count)] = dir(entries)
		}
	}
	many := map[string]*Inode{}
	for i := range 1 << 16 {
		many[fmt.Sprint(i)] = empty
	}
	root["many"] = dir(many)
	mounted := mount(t, write(t, dir(root)))
	links := 0
	for name, want := range root {
		list, err := os.ReadDir(filepath.Join(mounted, name))
		if err != nil || len(list) != len(want.Entries) {
			t.Errorf("%s: %d entries, want %d (%v)", name, len(list), len(want.Entries), err)
		}
		for entry := range want.Entries {
			if _, err := os.Lstat(filepath.Join(mounted, name, entry)); err != nil {
				t.Error(err)
			}
		}
		links += len(want.Entries)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(mounted, "1-0", "-"), &st); err != nil || int(st.Nlink) != links || links <= 1<<16 {
		t.Errorf("%d links, want %d, more than a compact inode can count (%v)", st.Nlink, links, err)
	}
}

func TestChunksOf(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, test := range []struct {
		name string
		data []Extent
		size int64
		want chunks
	}{
		{"nothing but a hole", []Extent{}, 10 * gib, chunks{bits: 30, count: 10}},
		{"no hole worth the addresses", []Extent{{0, 2*block - 1}}, 2 * block, chunks{}},
		{"one block of two", []Extent{{block, 1}}, 2 * block, chunks{bits: 12, count: 2, blocks: 1}},
		{"its last byte", []Extent{{gib, 1}}, gib + 1, chunks{bits: 30, count: 2, blocks: 1}},
		{"one block far away", []Extent{{5 * gib, block}}, 10 * gib, chunks{bits: 18, count: 40960, blocks: 64}},
		{"a mebibyte, aligned", []Extent{{5 * gib, mib}}, 10 * gib, chunks{bits: 20, count: 10240, blocks: 256}},
		{"extents in one chunk count once", []Extent{{0, 1}, {2, 1}, {block + 1, 1}}, 8 * block, chunks{bits: 13, count: 4, blocks: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := chunksOf(test.data, test.size); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	twice := dir(nil)
	with := func(n *Inode) *Inode { return dir(map[string]*Inode{"f": n}) }
	for _, test := range []struct {
		err  string
		root *Inode
	}{
		{"the root is no directory", file("")},
		{"/d/f: 0170000 is no type", dir(map[string]*Inode{"d": with(&Inode{Mode: typeMask})})},
		{"two names", dir(map[string]*Inode{"a": twice, "b": twice})},
		{"cannot be a name", dir(map[string]*Inode{"a/b": file("")})},
		{"cannot be a name", dir(map[string]*Inode{"..": file("")})},
		{"cannot be a name", dir(map[string]*Inode{"": file("")})},
		{"longer than 255 bytes", dir(map[string]*Inode{strings.Repeat("n", 256): file("")})},
		{"has 1 to 4095 bytes", with(&Inode{Mode: symlink})},
		{"has 1 to 4095 bytes", with(&Inode{Mode: symlink, Target: strings.Repeat("n", 4096)})},
		{"not in order", with(&Inode{Mode: regular, Size: 10, Data: []Extent{{4, 2}, {5, 1}}})},
		{"not in order", with(&Inode{Mode: regular, Size: 10, Data: []Extent{{4, 7}}})},
		{"is negative", with(&Inode{Mode: regular, Size: -1})},
		{"longer than", with(&Inode{Mode: regular, Size: MaxSize})},
		{`attribute "system.nfs4_acl" cannot be kept`, with(&Inode{Mode: regular, Xattrs: map[string]string{"system.nfs4_acl": ""}})},
		{"cannot be kept", with(&Inode{Mode: regular, Xattrs: map[string]string{"user.": ""}})},
		{"cannot be kept", with(&Inode{Mode: regular, Xattrs: map[string]string{"user.a": strings.Repeat("v", 1<<16)}})},
	} {
		if _, err := Plan(test.root, mtime); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("got %v, want …%s…", err, test.err)
		}
	}
}

func TestWriteToFails(t *testing.T) {
	opened := errors.New("cannot be opened")
	short, long, closed := file("12345"), file("12345"), file("12345")
	short.Size, long.Size = 6, 4
	closed.Open = func(context.Context) (io.ReadCloser, error) { return nil, opened }
	for _, test := range []struct {
		f    *Inode
		want error
	}{{short, io.ErrUnexpectedEOF}, {long, ErrLonger}, {closed, opened}} {
		m, err := Plan(dir(map[string]*Inode{"f": test.f}), mtime)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteTo(t.Context(), io.Discard); !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), "/f: ") {
			t.Errorf("got %v, want /f: …%v", err, test.want)
		}
	}
	// A file that would take all day to write, into what is full after the first megabyte.
	m, err := Plan(dir(map[string]*Inode{"f": {Mode: regular, Size: 1 << 43, Open: func(context.Context) (io.ReadCloser, error) {
		return os.Open("/dev/zero")
	}}}), mtime)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if err := m.WriteTo(t.Context(), writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := m.WriteTo(ctx, writer(func(b []byte) (int, error) { cancel(); return len(b), nil })); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestSuperblock wants the kernel to find a superblock right, and damage to it wrong.
func TestSuperblock(t *testing.T) {
	image := write(t, dir(map[string]*Inode{"f": file("content")}))
	mount(t, image)
	content, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	content[superOffset+64] ^= 1 // in the volume's name, which nobody looks at
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(image, t.TempDir(), "erofs", unix.MS_RDONLY, ""); !errors.Is(err, unix.EBADMSG) {
		t.Errorf("got %v, want %v", err, unix.EBADMSG)
	}
}

// TestSmallChanges wants what did not change to stay where it is, and other trees to have other UUIDs.
func TestSmallChanges(t *testing.T) {
	big := strings.Repeat("big", block)
	images := map[string][]byte{}
	for name, entries := range map[string]map[string]*Inode{
		"one":     {"a": file(big), "b": file("small"), "c": file(big)},
		"same":    {"c": file(big), "b": file("small"), "a": file(big)},
		"content": {"a": file(big[:5000] + "B" + big[5001:]), "b": file("small"), "c": file(big)},
		"mode":    {"a": file(big), "b": {Mode: regular | 0o600, Size: 5, Open: file("small").Open}, "c": file(big)},
	} {
		content, err := os.ReadFile(write(t, dir(entries)))
		if err != nil {
			t.Fatal(err)
		}
		images[name] = content
	}
	blocks := func(a, b []byte) (n int) {
		for ; len(a) > 0 && len(b) > 0; a, b = a[block:], b[block:] {
			if !bytes.Equal(a[:block], b[:block]) {
				n++
			}
		}
		return n + (len(a)+len(b))/block
	}
	for name, want := range map[string]int{"same": 0, "content": 1, "mode": 2} { // the superblock has the UUID of the tree
		if got := blocks(images["one"], images[name]); got != want {
			t.Errorf("%s: %d blocks differ, want %d", name, got, want)
		}
	}
	uuid := func(name string) string { return string(images[name][superOffset+48:][:16]) }
	if uuid("one") == uuid("mode") || uuid("one") == string(make([]byte, 16)) {
		t.Error("trees have the same UUID")
	}
}
