package image

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// FuzzAddTar gives any bytes for a tar archive. Either they are refused in a way that says whose fault it is, and nothing stays; or
// they give a layer: the same one twice, that can be read from end to end.
func FuzzAddTar(f *testing.F) {
	dir := f.TempDir()
	file, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("data"), 1<<20); err != nil {
		f.Fatal(err)
	}
	file.Close()
	for _, format := range []string{"gnu", "pax", "oldgnu"} {
		packed, err := exec.Command("tar", "-C", dir, "--format="+format, "-cS", ".").Output()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, false, false)
	}
	everything := tarOf(f,
		tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o1777},
		tar.Header{Name: "d/f", Uid: 1 << 20, PAXRecords: map[string]string{paxXattr + "user.a": "b", paxXattr + "none.a": "b"}},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"},
		tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "d/f"},
		tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "pipe", Typeflag: tar.TypeFifo},
		tar.Header{Name: "d/.wh.f"}, tar.Header{Name: ".wh.below"}, tar.Header{Name: "kept/.wh..wh..opq"}, tar.Header{Name: ".wh..wh..opq"},
		tar.Header{Name: "copy", Typeflag: tar.TypeLink, Linkname: "kept/file"},
	)
	for _, untrusted := range []bool{false, true} {
		for _, oci := range []bool{false, true} {
			f.Add(everything, untrusted, oci)
			f.Add(gzipOf(f, everything), untrusted, oci)
		}
	}
	// A file system that is soon full: archives of zeros do not hold the test up.
	s, err := Open(mount(f, "tmpfs", "tmpfs", "size=16m"))
	if err != nil {
		f.Fatal(err)
	}
	below, _, err := s.WriteLayer(f.Context(), nil, func(l *Layer) error {
		if err := l.AddSymlink("/below", "kept", Attr{}); err != nil {
			return err
		}
		return l.AddFile("/kept/file", Attr{Mode: 0o4755, Xattrs: map[string]string{"user.a": "b"}}, []byte("content"))
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, archive []byte, untrusted, oci bool) {
		write := func() (slipway.Digest, error) {
			d, _, err := s.WriteLayer(t.Context(), []slipway.Digest{below}, func(l *Layer) error {
				return l.AddTar(t.Context(), bytes.NewReader(archive), Options{Untrusted: untrusted, OCIWhiteouts: oci})
			})
			return d, err
		}
		d, err := write()
		if left, _ := os.ReadDir(s.ingest()); len(left) > 0 {
			t.Errorf("%d files left", len(left))
		}
		if err != nil {
			if code := slipway.CodeOf(err); code != slipway.Invalid && code != slipway.Unprepared {
				t.Errorf("%s: %v", code, err)
			}
			return
		}
		defer os.Remove(s.BlobPath(d))
		if again, err := write(); again != d || err != nil {
			t.Errorf("then %s, %v", again, err)
		}
		if out, err := exec.Command("fsck.erofs", s.BlobPath(d)).CombinedOutput(); err != nil {
			t.Errorf("fsck.erofs: %v: %s", err, out)
		}
		readAll(t, s, d)
	})
}

// readAll looks at every entry of a layer.
func readAll(t testing.TB, s *Store, d slipway.Digest) {
	v, closeView, err := s.openView(t.Context(), []slipway.Digest{d})
	if err != nil {
		t.Fatal(err)
	}
	defer closeView()
	var down func(p string)
	down = func(p string) {
		names, err := v.names(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			p := strings.TrimSuffix(p, "/") + "/" + name
			n, err := v.lookup(p)
			switch {
			case err != nil:
				t.Fatalf("%q: %v", p, err)
			case n != nil && n.isDir():
				down(p)
			}
		}
	}
	down("/")
}
