package image

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// layer writes a layer and has fsck.erofs look at it.
func layer(t testing.TB, s *Store, below []slipway.Digest, build func(*Layer) error) slipway.Digest {
	t.Helper()
	d, size, err := s.WriteLayer(t.Context(), below, build)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(s.BlobPath(d)); err != nil || st.Size() != size {
		t.Errorf("WriteLayer says %d bytes, stored are %d (%v)", size, st.Size(), err)
	}
	if err := s.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
	if out, err := exec.Command("fsck.erofs", s.BlobPath(d)).CombinedOutput(); err != nil {
		t.Errorf("fsck.erofs: %v: %s", err, out)
	}
	return d
}

// mount mounts a file system for the length of the test.
func mount(t testing.TB, fstype, source, options string) string {
	t.Helper()
	dir := t.TempDir()
	flags := uintptr(0)
	if fstype == "erofs" {
		flags = unix.MS_RDONLY
	}
	if err := unix.Mount(source, dir, fstype, flags, options); err != nil {
		t.Fatalf("mount %s %s: %v", fstype, options, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// stack mounts layers, lowest first, as a machine sees them.
func stack(t testing.TB, s *Store, layers ...slipway.Digest) string {
	t.Helper()
	return mount(t, "overlay", "overlay", "lowerdir="+lowers(t, s, layers...))
}

// lowers mounts layers, lowest first, and returns the directories as overlayfs wants them.
func lowers(t testing.TB, s *Store, layers ...slipway.Digest) string {
	t.Helper()
	var dirs []string
	for _, d := range layers {
		dirs = append([]string{mount(t, "erofs", s.BlobPath(d), "")}, dirs...)
	}
	nothing := t.TempDir() // overlayfs wants two directories, or an upper one
	if err := os.Chmod(nothing, 0o755); err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(dirs, nothing, t.TempDir()), ":")
}

// listing describes a tree, an entry a line: what a program in the machine can see of it.
func listing(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := walk(t.Context(), dir, func(rel string, n *node) (bool, error) {
		fmt.Fprintf(&b, "%s %o %d:%d", printable("/"+rel), n.mode, n.uid, n.gid)
		switch {
		case n.isFile():
			content, err := os.ReadFile(filepath.Join(dir, rel))
			if err != nil {
				return false, err
			}
			fmt.Fprintf(&b, " %d %s", n.size, slipway.DigestOf(content).Short())
		case n.isLink():
			fmt.Fprintf(&b, " -> %q", n.target)
		case !n.isDir():
			fmt.Fprintf(&b, " %d", n.rdev)
		}
		for _, name := range slices.Sorted(maps.Keys(n.xattrs)) {
			if !strings.HasPrefix(name, "trusted.overlay.") {
				fmt.Fprintf(&b, " %s=%q", name, n.xattrs[name])
			}
		}
		b.WriteByte('\n')
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLayerOfEverything(t *testing.T) {
	s := newStore(t)
	big := []byte(strings.Repeat("0123456789abcdef", 100_000))
	d := put(t, s, big)
	l := layer(t, s, nil, func(l *Layer) error {
		for _, err := range []error{
			l.AddDir("/tmp", Attr{Mode: 0o1777}),
			l.AddFile("/etc/hostname", Attr{Mode: 0o644}, []byte("m\n")),
			l.AddFile("/empty", Attr{Mode: 0o600, UID: 70000, GID: 80000}, nil),
			l.AddBlob(t.Context(), "/opt/app", Attr{Mode: 0o4755, UID: 7, GID: 8, Xattrs: map[string]string{"user.a": "b"}}, d),
			l.AddSymlink("/bin", "usr/bin", Attr{}),
			l.AddFile("/bin/sh", Attr{Mode: 0o755}, []byte("#!")),
			l.AddNode("/dev/null", unix.S_IFCHR, unix.Mkdev(1, 3), Attr{Mode: 0o666}),
			l.AddNode("/dev/far", unix.S_IFBLK, unix.Mkdev(259, 300), Attr{Mode: 0o660}),
			l.AddNode("/run/fifo", unix.S_IFIFO, 0, Attr{Mode: 0o600}),
			l.AddFile("/opt/acl", Attr{Mode: 0o640, Xattrs: map[string]string{"system.posix_acl_access": acl}}, []byte("x")),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	got := listing(t, mount(t, "erofs", s.BlobPath(l), ""))
	want := fmt.Sprintf(`/ 40755 0:0
/bin 120777 0:0 -> "usr/bin"
/dev 40755 0:0
/dev/far 60660 0:0 %d
/dev/null 20666 0:0 259
/empty 100600 70000:80000 0 e3b0c44298fc
/etc 40755 0:0
/etc/hostname 100644 0:0 2 %s
/opt 40755 0:0
/opt/acl 100640 0:0 1 2d711642b726 system.posix_acl_access=%q
/opt/app 104755 7:8 1600000 %s user.a="b"
/run 40755 0:0
/run/fifo 10600 0:0 0
/tmp 41777 0:0
/usr 40755 0:0
/usr/bin 40755 0:0
/usr/bin/sh 100755 0:0 2 %s
`, unix.Mkdev(259, 300), slipway.DigestOf([]byte("m\n")).Short(), acl, d.Short(), slipway.DigestOf([]byte("#!")).Short())
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// acl is user::rw-, user:1:r--, group::r--, mask::r--, other::---.
const acl = "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x01\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
