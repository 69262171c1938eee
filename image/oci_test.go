package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/slipway-sh/slipway"
)

// paths are the paths of a listing, without the root.
func paths(listing string) []string {
	var list []string
	for line := range strings.Lines(listing) {
		if p, _, _ := strings.Cut(line, " "); p != "/" {
			list = append(list, p)
		}
	}
	return list
}

// TestOCIWhiteouts adds one layer of an OCI image a line, in both orders of its entries, and looks at what is left of the layer below.
func TestOCIWhiteouts(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o750} }
	for _, test := range []struct {
		name    string
		entries []tar.Header
		want    string // paths
		raw     string // what the layer has by itself, other than that: it must hide nothing that is not there
	}{
		{"nothing", nil, "/d /d/f /d/sub /d/sub/g /f /l", ""},
		{"a file is gone", []tar.Header{file(".wh.f")}, "/d /d/f /d/sub /d/sub/g /l", "/f"},
		{"a directory is gone", []tar.Header{file(".wh.d")}, "/f /l", "/d"},
		{"deeper", []tar.Header{file("d/sub/.wh.g")}, "/d /d/f /d/sub /f /l", "/d /d/sub /d/sub/g"},
		{"through a link", []tar.Header{file("l/.wh.g")}, "/d /d/f /d/sub /f /l", "/d /d/sub /d/sub/g"},
		{"what was never there", []tar.Header{file(".wh.none"), file("none/.wh.f")}, "/d /d/f /d/sub /d/sub/g /f /l", ""},
		{"an opaque directory", []tar.Header{dir("d/"), file("d/.wh..wh..opq"), file("d/new")}, "/d /d/new /f /l", "/d /d/new"},
		{"opaque and whiteouts", []tar.Header{file("d/.wh..wh..opq"), file("d/.wh.f")}, "/d /f /l", "/d"},
		{"an opaque root", []tar.Header{file(".wh..wh..opq"), file("f"), file("new")}, "/f /new", "/d /f /l /new"},
		{"gone and made anew", []tar.Header{file(".wh.d"), dir("d/"), file("d/new")}, "/d /d/new /f /l", "/d /d/new"},
		{"gone and made anew by implication", []tar.Header{file(".wh.d"), file("d/new")}, "/d /d/new /f /l", "/d /d/new"},
		{"gone and another of the name", []tar.Header{file(".wh.f"), file("f")}, "/d /d/f /d/sub /d/sub/g /f /l", "/f"},
		{"gone twice", []tar.Header{file(".wh.d"), file("d/.wh.f"), file("d/sub/.wh..wh..opq")}, "/d /d/sub /f /l", "/d /d/sub"},
		{"AUFS's own", []tar.Header{dir(".wh..wh.plnk/"), file(".wh..wh.aufs")}, "/d /d/f /d/sub /d/sub/g /f /l", ""},
		{"a file in place of a directory", []tar.Header{file("d")}, "/d /f /l", "/d"},
		{"a directory in place of a file", []tar.Header{dir("f/"), file("f/x")}, "/d /d/f /d/sub /d/sub/g /f /f/x /l", "/f /f/x"},
		{"a directory in place of a link", []tar.Header{dir("l/")}, "/d /d/f /d/sub /d/sub/g /f /l", "/l"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			below := layer(t, s, nil, func(l *Layer) error {
				return errors.Join(l.AddFile("/d/f", Attr{}, nil), l.AddFile("/d/sub/g", Attr{}, nil), l.AddFile("/f", Attr{}, nil),
					l.AddSymlink("/l", "d/sub", Attr{}))
			})
			add := func(entries ...tar.Header) slipway.Digest {
				return layer(t, s, []slipway.Digest{below}, func(l *Layer) error {
					return l.AddTar(t.Context(), bytes.NewReader(tarOf(t, entries...)), Options{OCIWhiteouts: true})
				})
			}
			d := add(test.entries...)
			if got := strings.Join(paths(listing(t, stack(t, s, below, d))), " "); got != test.want {
				t.Errorf("on the layer below: got  %s\nwant %s", got, test.want)
			}
			raw := test.raw
			if got := strings.Join(paths(listing(t, mount(t, "erofs", s.BlobPath(d), ""))), " "); got != raw {
				t.Errorf("by itself: got  %s\nwant %s", got, raw)
			}
			if test.name == "a directory in place of a file" || len(test.entries) == 0 {
				return
			}
			backwards := make([]tar.Header, 0, len(test.entries))
			for _, h := range test.entries {
				backwards = append([]tar.Header{h}, backwards...)
			}
			if again := add(backwards...); again != d {
				t.Errorf("another order of entries gives\n%s", listing(t, mount(t, "erofs", s.BlobPath(again), "")))
			}
		})
	}
}

// TestOCIAttributes wants a directory of an OCI layer to get that layer's attributes, and a hard link to what is below to be a copy.
func TestOCIAttributes(t *testing.T) {
	s := newStore(t)
	content := strings.Repeat("content", 2000)
	below := layer(t, s, nil, func(l *Layer) error {
		return errors.Join(l.AddDir("/d", Attr{Mode: 0o755}), l.AddFile("/d/f", Attr{Mode: 0o640, UID: 7}, []byte(content)))
	})
	d := layer(t, s, []slipway.Digest{below}, func(l *Layer) error {
		return l.AddTar(t.Context(), bytes.NewReader(tarOf(t,
			tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o711},
			tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 3},
			tar.Header{Name: "d/g", Typeflag: tar.TypeLink, Linkname: "d/f"},
		)), Options{OCIWhiteouts: true})
	})
	f := " 100640 7:0 14000 " + slipway.DigestOf([]byte(content)).Short() + "\n"
	want := "/ 40711 0:0\n/d 41777 3:0\n/d/f" + f + "/d/g" + f
	if diff := cmp.Diff(want, listing(t, stack(t, s, below, d))); diff != "" {
		t.Error(diff)
	}
}

// TestCompressedTars reads one archive in every compression, to the end of the stream: where a checksum is looked at.
func TestCompressedTars(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "f"})
	pack := func(w io.WriteCloser, b *bytes.Buffer) []byte {
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var zipped, zstandard bytes.Buffer
	z, err := zstd.NewWriter(&zstandard)
	if err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"plain": plain, "gzip": pack(gzip.NewWriter(&zipped), &zipped), "zstd": pack(z, &zstandard)} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			add := func(r io.Reader) (slipway.Digest, error) {
				d, _, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error { return l.AddTar(t.Context(), r, Options{}) })
				return d, err
			}
			d, err := add(iotest.OneByteReader(bytes.NewReader(packed)))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(paths(listing(t, mount(t, "erofs", s.BlobPath(d), ""))), " "); got != "/f" {
				t.Errorf("got %s", got)
			}
			if _, err := add(bytes.NewReader(packed[:min(516, len(packed)/3)])); slipway.CodeOf(err) != slipway.Invalid {
				t.Errorf("cut short: %v, want Invalid", err)
			}
			mismatch := errors.New("checksum mismatch")
			if _, err := add(io.MultiReader(bytes.NewReader(packed), iotest.ErrReader(mismatch))); !errors.Is(err, mismatch) {
				t.Errorf("an error at the end: %v, want %v", err, mismatch)
			}
		})
	}
}
