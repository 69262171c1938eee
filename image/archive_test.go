package image

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == 0 {
			content = "content of " + h.Name
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarEntry is one file, without the end of an archive.
func tarEntry(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipOf makes an archive of entries "name", "name/", or "name -> target".
func zipOf(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		name, content, link := strings.Cut(e, " -> ")
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		switch {
		case link:
			h.SetMode(fs.ModeSymlink | 0o777)
		case strings.HasSuffix(name, "/"):
			h.SetMode(fs.ModeDir | 0o755)
		default:
			h.SetMode(0o644)
			content = "content of " + name
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestUntrustedArchives has one archive a line and what is wrong with it. No line must leave anything but the uploaded archive behind.
func TestUntrustedArchives(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
	}
	hard := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
	}
	deep := strings.Repeat("d/", 2100) + "x"
	for _, test := range []struct {
		name, place, err string
		archive          []byte
	}{
		{"dot dot", "../etc/passwd", "leads out", tarOf(t, file("ok"), file("../etc/passwd"))},
		{"dot dot inside", "a/../../x", "leads out", tarOf(t, file("a/../../x"))},
		{"absolute", "/etc/passwd", "is absolute", tarOf(t, file("/etc/passwd"))},
		{"device", "null", "device node", tarOf(t, tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3})},
		{"whiteout", "gone", "device node", tarOf(t, tar.Header{Name: "gone", Typeflag: tar.TypeChar})},
		{"block device", "sda", "device node", tarOf(t, tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8})},
		{"fifo", "pipe", "FIFO", tarOf(t, tar.Header{Name: "pipe", Typeflag: tar.TypeFifo})},
		{"absolute link", "l", `link to "/etc"`, tarOf(t, link("l", "/etc"))},
		{"link that leaves", "a/l", `link to "../../etc"`, tarOf(t, link("a/l", "../../etc"))},
		{"link that leaves and comes back", "l", "out of the archive", tarOf(t, link("l", "../app/x"))},
		{"link that leaves through another", "a/b/c/m", "out of the archive", tarOf(t, dir("a/b/c/"), link("a/b/c/l", "../../.."), link("a/b/c/m", "l/../x"))},
		{"the same, last link first", "a/b/c/m", "out of the archive", tarOf(t, link("a/b/c/m", "l/../x"), link("a/b/c/l", "../../.."))},
		{"below a link", "l/x", "below", tarOf(t, dir("d/"), link("l", "d"), file("l/x"))},
		{"directory below a link", "l/x/", "below", tarOf(t, dir("d/"), link("l", "d"), dir("l/x/"))},
		{"file in place of a link", "l", "twice", tarOf(t, file("f"), link("l", "f"), file("l"))},
		{"link in place of a file", "f", "twice", tarOf(t, file("g"), file("f"), link("f", "g"))},
		{"link in place of a directory", "d", "twice", tarOf(t, dir("d/"), file("d/f"), link("d", "e"))},
		{"directory in place of a link", "l/", "twice", tarOf(t, dir("d/"), link("l", "d"), dir("l/"))},
		{"hard link out", "h", "leads out", tarOf(t, hard("h", "../../etc/shadow"))},
		{"absolute hard link", "h", "is absolute", tarOf(t, hard("h", "/etc/shadow"))},
		{"hard link to nothing", "h", "no file before it", tarOf(t, hard("h", "later"), file("later"))},
		{"hard link to what is below", "h", "no file before it", tarOf(t, hard("h", "installed"))},
		{"hard link to a link", "h", "to a symbolic link", tarOf(t, file("f"), link("l", "f"), hard("h", "l"))},
		{"hard link through a link", "h", "below", tarOf(t, file("d/f"), link("l", "d"), hard("h", "l/f"))},
		{"too deep", "d/", "longer than", tarOf(t, file(deep))},
		{"file as directory", "f/x", "no directory", tarOf(t, file("f"), file("f/x"))},
		{"directory as file", "d", "is a directory", tarOf(t, dir("d/"), file("d"))},
		{"unknown type", "x", "not supported", tarOf(t, tar.Header{Name: "x", Typeflag: 'Z'})},
		{"escape codes are not shown raw", `"\x1b[2J/../x"`, "leads out", tarOf(t, file("\x1b[2J/../x"))},
		{"gzip of the same", "../x", "leads out", gzipOf(t, tarOf(t, file("../x")))},
		{"zip dot dot", "../x", "leads out", zipOf(t, "../x")},
		{"zip absolute", "/x", "is absolute", zipOf(t, "/x")},
		{"zip backslash", `"..\\x"`, "separate", zipOf(t, `..\x`)},
		{"zip link that leaves", "l", "out of the archive", zipOf(t, "l -> ../x")},
		{"zip below a link", "l/x", "below", zipOf(t, "d/", "l -> d", "l/x")},
		{"cut tar", "f", "cut short", tarOf(t, file("f"))[:520]},
		{"cut gzip", "", "cannot read the tar archive", gzipOf(t, tarOf(t, file("f")))[:60]},
		{"cut zip", "", "cannot read the zip archive", zipOf(t, "f")[:60]},
		{"damaged zip", "f", "checksum error", bytes.Replace(zipStored(t, "f"), []byte("content"), []byte("CONTENT"), 1)},
		{"no archive", "", "no tar, tar.gz, tar.zst or zip", []byte("#!/bin/sh\n")},
		{"empty file", "", "no tar, tar.gz, tar.zst or zip", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			below := layer(t, s, nil, func(l *Layer) error { return l.AddFile("/app/installed", Attr{}, []byte("secret")) })
			archive := put(t, s, test.archive)
			_, _, err := s.WriteLayer(t.Context(), []slipway.Digest{below}, func(l *Layer) error {
				return l.AddArchive(t.Context(), archive, Options{To: "/app", Untrusted: true})
			})
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != slipway.Invalid || !strings.Contains(e.Message, test.err) {
				t.Fatalf("got %v, want Invalid: …%s…", err, test.err)
			}
			if test.place == "" && e.Place != "" || !strings.HasPrefix(e.Place, strings.TrimSuffix("archive entry "+test.place, "archive entry ")) {
				t.Errorf("the error names %q, want %q", e.Place, test.place)
			}
			wantBlobs(t, s, below, archive)
		})
	}
}

func zipStored(t testing.TB, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "the content"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchivesAgree packs one tree in every supported form and wants the same layer from each: of those that keep holes with a file that
// has one, of the others with the same file full of zeros.
func TestArchivesAgree(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		d := filepath.Join(dir, fmt.Sprintf("d%d", i%7), "sub")
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/f%d", d, i), bytes.Repeat([]byte{byte(i)}, i*i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Chmod(dir, 0o755),
		os.Chmod(dir+"/d1/sub/f1", 0o755),
		os.Symlink("../d1/sub", dir+"/d2/link"),
		os.WriteFile(dir+"/hole", nil, 0o644),
		os.Truncate(dir+"/hole", 5<<20),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t)
	o := Options{To: "/opt/app", Owner: &Owner{7, 8}, Untrusted: true}
	want := layer(t, s, nil, func(l *Layer) error { return l.AddTree(t.Context(), dir, o) })
	const filled = "fill"
	for _, command := range []string{
		"tar -C %s --format=pax -cSf %s .",
		"tar -C %s --format=gnu -cSf %s .",
		"tar -C %s --format=gnu -cSzf %s .",
		filled,
		"tar -C %s --format=gnu -cf %s .",
		"tar -C %s --format=ustar -cf %s .",
		"tar -C %s --format=v7 -cf %s .",
		"tar -C %s --sort=name --mtime=@7 -czf %s .",
		"tar -C %s --zstd -cf %s .",
	} {
		if command == filled {
			if err := os.WriteFile(dir+"/hole", make([]byte, 5<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			sparse := want
			if want = layer(t, s, nil, func(l *Layer) error { return l.AddTree(t.Context(), dir, o) }); want == sparse {
				t.Error("a hole is the same as zeros")
			}
			continue
		}
		t.Run(command, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a")
			if out, err := exec.Command("sh", "-c", fmt.Sprintf(command, dir, file)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			archive, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := put(t, s, archive)
			if got := layer(t, s, nil, func(l *Layer) error { return l.AddArchive(t.Context(), d, o) }); got != want {
				t.Errorf("the layer differs:\n%s\n%s", listing(t, mount(t, "erofs", s.BlobPath(got), "")), listing(t, mount(t, "erofs", s.BlobPath(want), "")))
			}
		})
	}
	t.Run("zip", func(t *testing.T) {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		if err := w.AddFS(withoutLinks{os.DirFS(dir)}); err != nil {
			t.Fatal(err)
		}
		if f, err := w.CreateHeader(zipLinkHeader("d2/link")); err != nil {
			t.Fatal(err)
		} else if _, err := io.WriteString(f, "../d1/sub"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		d := put(t, s, b.Bytes())
		if got := layer(t, s, nil, func(l *Layer) error { return l.AddArchive(t.Context(), d, o) }); got != want {
			t.Errorf("the layer differs:\n%s\n%s", listing(t, mount(t, "erofs", s.BlobPath(got), "")), listing(t, mount(t, "erofs", s.BlobPath(want), "")))
		}
	})
}

func zipLinkHeader(name string) *zip.FileHeader {
	h := &zip.FileHeader{Name: name}
	h.SetMode(fs.ModeSymlink | 0o777)
	return h
}

// withoutLinks leaves symbolic links out, which zip.Writer.AddFS refuses.
type withoutLinks struct{ fs.FS }

func (w withoutLinks) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(w.FS, name)
	kept := list[:0]
	for _, e := range list {
		if e.Type() != fs.ModeSymlink {
			kept = append(kept, e)
		}
	}
	return kept, err
}

func TestOptions(t *testing.T) {
	mode := uint32(0o640)
	setuid := uint32(0o4755)
	archive := tarOf(t,
		tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o2775, Uid: 1, Gid: 2},
		tar.Header{Name: "bin/su", Mode: 0o4755, Uid: 1, Gid: 2, PAXRecords: map[string]string{paxXattr + "user.a": "b", paxXattr + "security.capability": capability}},
		tar.Header{Name: "etc/skip/me", Mode: 0o600},
		tar.Header{Name: "etc/twice", Mode: 0o600},
		tar.Header{Name: "etc/twice", Mode: 0o644},
	)
	twice := slipway.DigestOf([]byte("content of etc/twice")).Short()
	su := slipway.DigestOf([]byte("content of bin/su")).Short()
	for _, test := range []struct {
		name string
		o    Options
		want string
	}{
		{"as in the archive", Options{To: "/a"}, `/a/bin 42775 1:2
/a/bin/su 104755 1:2 17 ` + su + ` security.capability=` + fmt.Sprintf("%q", capability) + ` user.a="b"
/a/etc 40755 0:0
/a/etc/twice 100644 0:0 20 ` + twice},
		{"untrusted", Options{To: "/a", Untrusted: true}, `/a/bin 40775 1:2
/a/bin/su 100755 1:2 17 ` + su + ` user.a="b"
/a/etc 40755 0:0
/a/etc/twice 100644 0:0 20 ` + twice},
		{"owner and mode", Options{To: "/a", Owner: &Owner{3, 4}, Mode: &mode, Untrusted: true}, `/a/bin 40750 3:4
/a/bin/su 100640 3:4 17 ` + su + ` user.a="b"
/a/etc 40750 3:4
/a/etc/twice 100640 3:4 20 ` + twice},
		{"setuid by the user's wish", Options{To: "/a", Owner: &Owner{0, 0}, Mode: &setuid, Untrusted: true}, `/a/bin 40755 0:0
/a/bin/su 104755 0:0 17 ` + su + ` user.a="b"
/a/etc 40755 0:0
/a/etc/twice 104755 0:0 20 ` + twice},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			test.o.Skip = func(p string) bool { return p == "/a/etc/skip" }
			d := layer(t, s, nil, func(l *Layer) error { return l.AddTar(t.Context(), bytes.NewReader(archive), test.o) })
			var lines []string
			for line := range strings.Lines(listing(t, mount(t, "erofs", s.BlobPath(d), ""))) {
				if strings.HasPrefix(line, "/a/") {
					lines = append(lines, line)
				}
			}
			if got := strings.Join(lines, ""); got != test.want+"\n" {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

// capability is cap_net_bind_service+ep.
const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// TestTrustedTar adds what only a root file system may have.
func TestTrustedTar(t *testing.T) {
	s := newStore(t)
	archive := tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./usr/bin/perl", Mode: 0o755},
		tar.Header{Name: "./bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"},
		tar.Header{Name: "./usr/bin/perl5", Typeflag: tar.TypeLink, Linkname: "./usr/bin/perl"},
		tar.Header{Name: "./bin/via-link", Typeflag: tar.TypeLink, Linkname: "./bin/perl"},
		tar.Header{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "./etc/mtab", Typeflag: tar.TypeSymlink, Linkname: "/proc/mounts"},
	)
	d := layer(t, s, nil, func(l *Layer) error { return l.AddTar(t.Context(), bytes.NewReader(archive), Options{}) })
	perl := " 100755 0:0 25 " + slipway.DigestOf([]byte("content of ./usr/bin/perl")).Short()
	want := `/ 40755 0:0
/bin 120777 0:0 -> "usr/bin"
/dev 40755 0:0
/dev/null 20666 0:0 ` + fmt.Sprint(unix.Mkdev(1, 3)) + `
/etc 40755 0:0
/etc/mtab 120777 0:0 -> "/proc/mounts"
/usr 40755 0:0
/usr/bin 40755 0:0
/usr/bin/perl` + perl + `
/usr/bin/perl5` + perl + `
/usr/bin/via-link` + perl + "\n"
	if got := listing(t, mount(t, "erofs", s.BlobPath(d), "")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
