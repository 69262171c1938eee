package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// base is a root with what makes adding files to it hard: merged /usr, a sticky /tmp, a private directory.
func base(t testing.TB, s *Store) slipway.Digest {
	return layer(t, s, nil, func(l *Layer) error {
		for _, err := range []error{
			l.AddDir("/", Attr{Mode: 0o711, GID: 5}),
			l.AddDir("/tmp", Attr{Mode: 0o1777}),
			l.AddDir("/srv/private", Attr{Mode: 0o700, UID: 33, GID: 33, Xattrs: map[string]string{"user.note": "keep"}}),
			l.AddFile("/usr/bin/sh", Attr{Mode: 0o755}, []byte("sh")),
			l.AddFile("/etc/passwd", Attr{Mode: 0o644}, []byte("root")),
			l.AddSymlink("/bin", "usr/bin", Attr{}),
			l.AddSymlink("/var/run", "/run", Attr{}),
			l.AddDir("/run", Attr{Mode: 0o755}),
			l.AddSymlink("/data", "mnt/../mnt/disk", Attr{}),
			l.AddSymlink("/loop", "loop", Attr{}),
			l.AddSymlink("/up", "../../../etc", Attr{}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// TestParents adds one file or directory on top of a base and looks at what the machine then sees.
func TestParents(t *testing.T) {
	s := newStore(t)
	b := base(t, s)
	before := listing(t, stack(t, s, b))
	file := func(p string) func(*Layer) error {
		return func(l *Layer) error { return l.AddFile(p, Attr{Mode: 0o644}, []byte("new")) }
	}
	const content = " 100644 0:0 3 11507a0e2f5e\n"
	for _, test := range []struct {
		name string
		add  func(*Layer) error
		want []string // lines that were not there
		err  string
	}{
		{"parents keep their attributes", file("/tmp/x"), []string{"/tmp/x" + content}, ""},
		{"and their extended ones", file("/srv/private/x"), []string{"/srv/private/x" + content}, ""},
		{"through a link to a directory", file("/bin/x"), []string{"/usr/bin/x" + content}, ""},
		{"through an absolute link", file("/var/run/x"), []string{"/run/x" + content}, ""},
		{"through a dangling link", file("/data/x"), []string{"/mnt 40755 0:0\n", "/mnt/disk 40755 0:0\n", "/mnt/disk/x" + content}, ""},
		{"links cannot leave the root", file("/up/x"), []string{"/etc/x" + content}, ""},
		{"new parents", file("/a/b/x"), []string{"/a 40755 0:0\n", "/a/b 40755 0:0\n", "/a/b/x" + content}, ""},
		{"dots are cleaned", file("/a/../../tmp/./x"), []string{"/tmp/x" + content}, ""},
		{"a directory that exists", func(l *Layer) error { return l.AddDir("/tmp", Attr{Mode: 0o700, UID: 9}) }, nil, ""},
		{"a directory over a link", func(l *Layer) error { return l.AddDir("/bin", Attr{Mode: 0o700, UID: 9}) }, nil, ""},
		{"a new directory", func(l *Layer) error { return l.AddDir("/a", Attr{Mode: 0o700, UID: 9}) }, []string{"/a 40700 9:0\n"}, ""},
		{"parent is a file", file("/etc/passwd/x"), nil, `cannot add "/etc/passwd": /etc/passwd is no directory`},
		{"file over a directory", file("/tmp"), nil, `cannot add "/tmp": /tmp is a directory`},
		{"directory over a file", func(l *Layer) error { return l.AddDir("/etc/passwd", Attr{}) }, nil, `/etc/passwd is no directory`},
		{"file over the root", file("/"), nil, "/ is a directory"},
		{"links in a circle", file("/loop/x"), nil, "too many symbolic links"},
		{"name too long", file("/" + strings.Repeat("n", 256)), nil, "a name is longer than 255 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.err != "" {
				_, _, err := s.WriteLayer(t.Context(), []slipway.Digest{b}, test.add)
				if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(strings.ReplaceAll(err.Error(), " to the layer", ""), test.err) {
					t.Errorf("got %v, want Invalid: …%s…", err, test.err)
				}
				return
			}
			after := listing(t, stack(t, s, b, layer(t, s, []slipway.Digest{b}, test.add)))
			for _, line := range test.want {
				if !strings.Contains(after, "\n"+line) {
					t.Errorf("%q is missing", line)
				}
				after = strings.Replace(after, "\n"+line, "\n", 1)
			}
			if after != before {
				t.Errorf("got\n%swant\n%s", after, before)
			}
		})
	}
}

// TestOverlay turns what was done to a mounted overlay into a layer, twice over, and wants the layers to show the same as the overlay did.
func TestOverlay(t *testing.T) {
	s := newStore(t)
	b := layer(t, s, nil, func(l *Layer) error {
		for i := range 4 {
			for _, p := range []string{"/d%d/f", "/d%d/sub/f", "/f%d"} {
				if err := l.AddFile(fmt.Sprintf(p, i), Attr{Mode: 0o644}, []byte(p)); err != nil {
					return err
				}
			}
		}
		return l.AddSymlink("/l", "d0", Attr{})
	})
	steps := []func(dir string) []error{
		func(d string) []error {
			return []error{
				os.Remove(d + "/f0"),
				os.RemoveAll(d + "/d0"),
				os.RemoveAll(d + "/d1"), os.Mkdir(d+"/d1", 0o750), os.WriteFile(d+"/d1/new", []byte("n"), 0o600), // opaque
				os.RemoveAll(d + "/d2/sub"), os.WriteFile(d+"/d2/sub", []byte("was a directory"), 0o644),
				os.Chmod(d+"/d3", 0o711), os.Chown(d+"/d3/f", 5, 6),
				os.Link(d+"/f1", d+"/f1-link"),
				os.Rename(d+"/f2", d+"/f2-moved"),
				unix.Setxattr(d+"/f3", "user.x", []byte("y"), 0),
				unix.Mknod(d+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
				unix.Mkfifo(d+"/fifo", 0o600),
				os.Remove(d + "/l"), os.Symlink("d3", d+"/l"),
				os.Chmod(d, 0o751),
			}
		},
		func(d string) []error {
			return []error{
				os.Mkdir(d+"/d0", 0o755), os.WriteFile(d+"/d0/again", []byte("a"), 0o644), // on top of a whiteout
				os.WriteFile(d+"/d1/more", []byte("m"), 0o644), // in an opaque directory
				os.RemoveAll(d + "/d3"),
				os.WriteFile(d+"/f0", []byte("back"), 0o644),
			}
		},
	}
	layers := []slipway.Digest{b}
	for i, step := range steps {
		upper, work := t.TempDir(), t.TempDir()
		if err := os.Chmod(upper, 0o755); err != nil {
			t.Fatal(err)
		}
		lower := stack(t, s, layers...)
		dir := mount(t, "overlay", "overlay", "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
		for k, err := range step(dir) {
			if err != nil {
				t.Fatalf("step %d, change %d: %v", i, k, err)
			}
		}
		want := listing(t, dir)
		add := func(l *Layer) error { return l.AddOverlay(t.Context(), upper, nil) }
		d := layer(t, s, layers, add)
		if again := layer(t, s, layers, add); again != d {
			t.Errorf("step %d: %s, then %s", i, d, again)
		}
		layers = append(layers, d)
		if got := listing(t, stack(t, s, layers...)); got != want {
			t.Errorf("step %d: got\n%swant\n%s", i, got, want)
		}
		wantView(t, s, layers)
	}
}

// wantView fails unless the reader of stacked layers sees what the kernel sees.
func wantView(t testing.TB, s *Store, layers []slipway.Digest) {
	t.Helper()
	v, closeView, err := s.openView(t.Context(), layers)
	if err != nil {
		t.Fatal(err)
	}
	defer closeView()
	dir := stack(t, s, layers...)
	for _, p := range []string{"/none", "/d0/f", "/d1/f", "/d2/sub/f", "/d3/none/none"} {
		n, err := v.lookup(p)
		if _, statErr := os.Lstat(dir + p); err != nil || (n == nil) != (statErr != nil) {
			t.Errorf("view has %s: %v (%v), kernel: %v", p, n != nil, err, statErr)
		}
	}
	if err := walk(t.Context(), dir, func(rel string, want *node) (bool, error) {
		got, err := v.lookup(filepath.Join("/", rel))
		if err != nil {
			return false, err
		}
		if got == nil || got.mode != want.mode || got.uid != want.uid || got.gid != want.gid || got.target != want.target || got.rdev != want.rdev {
			t.Errorf("view has /%s as %+v, the kernel as %+v", rel, got, want)
		}
		return true, nil
	}); err != nil {
		t.Error(err)
	}
}
