package diff_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/erofs/go-erofs"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/image/diff"
)

func (b *bed) layer(t testing.TB, add func(l *image.Layer) []error) slipway.Digest {
	t.Helper()
	digest, _, err := b.store.WriteLayer(t.Context(), nil, func(l *image.Layer) error {
		for _, err := range add(l) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (b *bed) compare(t testing.TB, older, newer slipway.Image) slipway.ImageDiff {
	t.Helper()
	d, err := diff.Images(t.Context(), b.store, older, newer)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wants[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

// lines says what differs, a line each.
func lines(files []slipway.FileDiff) string {
	var text strings.Builder
	for _, f := range files {
		fmt.Fprintln(&text, f)
	}
	return text.String()
}

func TestFiles(t *testing.T) {
	b := newBed(t)
	plain := image.Attr{Mode: 0o644}
	older := b.layer(t, func(l *image.Layer) []error {
		return []error{
			l.AddFile("/same", plain, []byte("same")), l.AddFile("/longer", plain, []byte("abc")), l.AddFile("/other", plain, []byte("abc")),
			l.AddFile("/mode", plain, nil), l.AddFile("/owner", plain, nil), l.AddFile("/gone", plain, nil), l.AddDir("/gone-too/sub", image.Attr{Mode: 0o755}),
			l.AddSymlink("/link", "same", image.Attr{}), l.AddFile("/kind", plain, nil), l.AddNode("/node", 0o020000, 0x103, plain),
			l.AddFile("/ping", image.Attr{Mode: 0o755, Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + strings.Repeat("\x00", 12)}}, nil),
			l.AddFile("/noted", image.Attr{Mode: 0o644, Xattrs: map[string]string{"user.note": "a"}}, nil),
		}
	})
	newer := b.layer(t, func(l *image.Layer) []error {
		return []error{
			l.AddFile("/same", plain, []byte("same")), l.AddFile("/longer", plain, []byte("abcdef")), l.AddFile("/other", plain, []byte("xyz")),
			l.AddFile("/mode", image.Attr{Mode: 0o4755}, nil), l.AddFile("/owner", image.Attr{Mode: 0o600, UID: 33, GID: 4}, nil), l.AddFile("/new/file", plain, nil),
			l.AddSymlink("/link", "other", image.Attr{}), l.AddSymlink("/kind", "same", image.Attr{}), l.AddNode("/node", 0o020000, 0x105, plain),
			l.AddFile("/ping", image.Attr{Mode: 0o755}, nil),
			l.AddFile("/noted", image.Attr{Mode: 0o644, Xattrs: map[string]string{"user.note": "b", "user.more": "c"}}, nil),
		}
	})
	d := b.compare(t, imageOf([]slipway.Digest{older}), imageOf([]slipway.Digest{newer}))
	wants(t, "files", `/gone: removed
/gone-too: removed
/gone-too/sub: removed
/kind: type file → symlink
/link: target same → other
/longer: content 3 B → 6 B
/mode: mode 0644 → 4755
/new: added
/new/file: added
/node: device 1:3 → 1:5
/noted: user.more none → c, user.note a → b
/other: content
/owner: mode 0644 → 0600, owner 0:0 → 33:4
/ping: security.capability cap_net_raw=ep → none
`, lines(d.Files))
	if same := b.compare(t, imageOf([]slipway.Digest{older}), imageOf([]slipway.Digest{older})); len(same.Files) > 0 {
		t.Errorf("an image differs from itself: %v", same.Files)
	}
}

// counter counts the bytes that are read of one blob.
type counter struct {
	slipway.Blobs
	of   slipway.Digest
	read atomic.Int64
}

func (c *counter) OpenBlob(ctx context.Context, d slipway.Digest) (io.ReadCloser, error) {
	blob, err := c.Blobs.OpenBlob(ctx, d)
	if err != nil || d != c.of {
		return blob, err
	}
	return counted{blob, blob.(io.ReaderAt), c}, nil
}

type counted struct {
	io.ReadCloser
	at io.ReaderAt
	c  *counter
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	c.c.read.Add(int64(len(p)))
	return c.at.ReadAt(p, off)
}

// TestSharedBase sees that a base both images have is looked at no more than their upper layers reach into it.
func TestSharedBase(t *testing.T) {
	b := newBed(t)
	base := b.layer(t, func(l *image.Layer) (errs []error) {
		for i := range 500 {
			errs = append(errs, l.AddFile(fmt.Sprintf("/usr/%d/file", i), image.Attr{Mode: 0o644}, bytes.Repeat([]byte{byte(i)}, 10_000)))
		}
		return append(errs, l.AddFile("/etc/motd", image.Attr{Mode: 0o644}, []byte("old\n")))
	})
	change := func(text string) slipway.Digest {
		return b.change(t, []slipway.Digest{base}, func(dir string) { os.WriteFile(dir+"/etc/motd", []byte(text), 0o644) })
	}
	older, newer := imageOf([]slipway.Digest{base, change("one\n")}), imageOf([]slipway.Digest{base, change("two\n")})
	blobs := &counter{Blobs: b.store, of: base}
	d, err := diff.Images(t.Context(), blobs, older, newer)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "files", "/etc/motd: content\n", lines(d.Files))
	if n := blobs.read.Load(); n > 100<<10 {
		t.Errorf("%d bytes of the base were read", n)
	}
}

func TestTexts(t *testing.T) {
	b := newBed(t)
	files := func(contents map[string]string) slipway.Image {
		return imageOf([]slipway.Digest{b.layer(t, func(l *image.Layer) (errs []error) {
			for name, content := range contents {
				errs = append(errs, l.AddFile(name, image.Attr{Mode: 0o644}, []byte(content)))
			}
			return errs
		})})
	}
	long := strings.Repeat("line\n", 20_000)
	d := b.compare(t, files(map[string]string{
		"/etc/app.conf": "port 80\nuser www\n", "/etc/binary": "a\x00b", "/etc/latin": "caf\xe9", "/etc/long": long + "a\n",
		"/usr/share/x": "a\n", "/usr/share/long": long + "a\n", "/etc/every": strings.Repeat("a\n", 20_000),
	}), files(map[string]string{
		"/etc/app.conf": "port 8080\nuser www\n", "/etc/binary": "a\x00c", "/etc/latin": "caf\xe8", "/etc/long": long + "b\n",
		"/usr/share/x": "b\n", "/usr/share/long": long + "b\n", "/etc/every": strings.Repeat("b\n", 20_000),
	}))
	texts := map[string]string{}
	for _, f := range d.Files {
		texts[f.Path] = f.Text
	}
	wants(t, "a configuration file", "--- a/etc/app.conf\n+++ b/etc/app.conf\n@@ -1,2 +1,2 @@\n-port 80\n+port 8080\n user www\n", texts["/etc/app.conf"])
	wants(t, "a long configuration file", "--- a/etc/long\n+++ b/etc/long\n@@ -19998,4 +19998,4 @@\n line\n line\n line\n-a\n+b\n", texts["/etc/long"])
	wants(t, "a text elsewhere", "--- a/usr/share/x\n+++ b/usr/share/x\n@@ -1 +1 @@\n-a\n+b\n", texts["/usr/share/x"])
	for _, name := range []string{"/etc/binary", "/etc/latin", "/usr/share/long"} {
		wants(t, name, "", texts[name])
	}
	if text := texts["/etc/every"]; len(text) > 33<<10 || !strings.HasSuffix(text, "\n-a\n… cut short\n") {
		t.Errorf("a long difference has %d bytes and ends with %q", len(text), text[max(0, len(text)-30):])
	}
}

func TestPackages(t *testing.T) {
	b := newBed(t)
	paragraph := func(name, version, status string) string {
		return fmt.Sprintf("Package: %s\nStatus: %s\nArchitecture: amd64\nDescription: about it\n Version: 9 of what\nVersion: %s\n\n", name, status, version)
	}
	const good, config = "install ok installed", "deinstall ok config-files"
	machine := func(status string, single map[string]string) slipway.Image {
		return imageOf([]slipway.Digest{b.layer(t, func(l *image.Layer) []error {
			errs := []error{l.AddFile("/var/lib/dpkg/status", image.Attr{Mode: 0o644}, []byte(status))}
			for name, text := range single {
				errs = append(errs, l.AddFile("/var/lib/dpkg/status.d/"+name, image.Attr{Mode: 0o644}, []byte(text)))
			}
			return errs
		})})
	}
	older := machine(paragraph("libc6", "2.36-9", good)+paragraph("nginx", "1.22.1-9", good)+paragraph("perl", "5.36", good)+paragraph("vim", "9.0", config),
		map[string]string{"tzdata": "Package: tzdata\nVersion: 2024a\n", "tzdata.md5sums": "abc  usr/share\n"})
	newer := machine(paragraph("curl", "7.88", good)+paragraph("libc6", "2.36-9", good)+paragraph("nginx", "1.22.1-9+deb12u1", good)+paragraph("perl", "5.36", config),
		map[string]string{"tzdata": "Package: tzdata\nVersion: 2024b\n", "tzdata.md5sums": "abd  usr/share\n"})
	const amd64 = "amd64"
	wants(t, "packages", []slipway.PackageDiff{
		{Kind: slipway.DiffAdded, Name: "curl", Architecture: amd64, New: "7.88"},
		{Kind: slipway.DiffChanged, Name: "nginx", Architecture: amd64, Old: "1.22.1-9", New: "1.22.1-9+deb12u1"},
		{Kind: slipway.DiffRemoved, Name: "perl", Architecture: amd64, Old: "5.36"},
		{Kind: slipway.DiffChanged, Name: "tzdata", Old: "2024a", New: "2024b"},
	}, b.compare(t, older, newer).Packages)
	bare := imageOf([]slipway.Digest{b.layer(t, func(l *image.Layer) []error { return nil })})
	wants(t, "packages of a machine without", 3, len(b.compare(t, newer, bare).Packages)-1) // curl, libc6, nginx; and tzdata
}

func TestLayersServiceAndEnvironments(t *testing.T) {
	b := newBed(t)
	layer := func(name string) slipway.LayerInfo {
		d := b.layer(t, func(l *image.Layer) []error { return []error{l.AddFile("/"+name, image.Attr{Mode: 0o644}, nil)} })
		return slipway.LayerInfo{Digest: d, Step: "copy " + name, Size: int64(len(name))}
	}
	request := func(size int, greeting string) slipway.Digest {
		text, err := json.Marshal(slipway.BakeRequest{Spec: slipway.Spec{Environments: map[string]slipway.Environment{
			"prod": {Size: slipway.Size{Min: 1, Desired: size, Max: 2_000_000}, Config: map[string]string{"GREETING": greeting}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		d := slipway.DigestOf(text)
		if err := b.store.PutBlob(t.Context(), d, -1, bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	base, one, two, three := layer("base"), layer("one"), layer("two"), layer("three")
	older := slipway.Image{
		Application: "hello", Version: "v1", Digest: slipway.DigestOf([]byte("1")), Layers: []slipway.LayerInfo{base, one, three}, Request: request(2, "hi"),
		Service: slipway.Service{Command: []string{"/one"}, Port: 80, Env: map[string]string{"A": "1", "B": "2"}, Health: slipway.Health{HTTP: "/"}},
	}
	newer := slipway.Image{
		Application: "hello", Version: "v2", Digest: slipway.DigestOf([]byte("2")), Layers: []slipway.LayerInfo{base, two, three}, Request: request(3, "hi"),
		Service:      slipway.Service{Command: []string{"/two", "-x"}, Port: 80, User: "www", Env: map[string]string{"A": "1", "C": ""}, Drain: slipway.Duration(time.Minute)},
		Irreversible: true,
	}
	d := b.compare(t, older, newer)
	wants(t, "layers", []slipway.LayerDiff{
		{Kind: slipway.DiffRemoved, Digest: one.Digest, Step: "copy one", Size: 3},
		{Kind: slipway.DiffSame, Digest: base.Digest, Step: "copy base", Size: 4},
		{Kind: slipway.DiffAdded, Digest: two.Digest, Step: "copy two", Size: 3},
		{Kind: slipway.DiffSame, Digest: three.Digest, Step: "copy three", Size: 5},
	}, d.Layers)
	wants(t, "sizes", [2]int64{12, 12}, [2]int64{d.Old.Size, d.New.Size})
	wants(t, "service", []slipway.Change{
		{Input: "command", Old: `["/one"]`, New: `["/two","-x"]`},
		{Input: "drain", New: "1m0s"},
		{Input: "env.B", Old: "2"},
		{Input: "env.C"},
		{Input: "health.http", Old: "/"},
		{Input: "irreversible", New: "true"},
		{Input: "user", New: "www"},
	}, d.Service)
	wants(t, "environments", []slipway.Change{{Input: "prod.size.desired", Old: "2", New: "3"}}, d.Environments)

	newer.Request = slipway.DigestOf([]byte("was collected"))
	wants(t, "environments that are not known", []slipway.Change{}, b.compare(t, older, newer).Environments)
}

func TestLayers(t *testing.T) {
	b := newBed(t)
	base := []slipway.Digest{b.change(t, nil, func(dir string) {
		os.WriteFile(dir+"/a", []byte("a"), 0o644)
		os.MkdirAll(dir+"/d/e", 0o755)
	})}
	older := b.change(t, base, func(dir string) {
		os.Remove(dir + "/a")
		os.WriteFile(dir+"/b", []byte("b"), 0o644)
		os.WriteFile(dir+"/c", []byte("b"), 0o644)
	})
	newer := b.change(t, base, func(dir string) {
		os.WriteFile(dir+"/a", []byte("a"), 0o600)
		os.WriteFile(dir+"/b", []byte("B"), 0o644)
		os.WriteFile(dir+"/c", []byte("b"), 0o644)
		os.RemoveAll(dir + "/d")
		os.Mkdir(dir+"/d", 0o755)
	})
	got, err := diff.Layers(t.Context(), b.store, older, newer)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "layers", []string{"/a: type character device → file", "/b: content", "/d: added"}, got)
	got, err = diff.Layers(t.Context(), b.store, older, older)
	wants(t, "a layer and itself", []string{}, got)
	wants(t, "error", nil, err)
}

func TestUnreadable(t *testing.T) {
	b := newBed(t)
	good := b.layer(t, func(l *image.Layer) []error {
		return []error{l.AddFile("/a", image.Attr{Mode: 0o644}, bytes.Repeat([]byte("a"), 1<<20))}
	})
	other := b.layer(t, func(l *image.Layer) []error {
		return []error{l.AddFile("/a", image.Attr{Mode: 0o644}, append(bytes.Repeat([]byte("a"), 1<<20-1), 'b'))}
	})
	text := []byte("no file system")
	junk := slipway.DigestOf(text)
	if err := b.store.PutBlob(t.Context(), junk, -1, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		layer slipway.Digest
		code  slipway.Code
	}{"missing": {slipway.DigestOf([]byte("missing")), slipway.NotFound}, "no layer": {junk, slipway.Corrupt}} {
		for _, pair := range [][2]slipway.Digest{{good, c.layer}, {c.layer, good}} {
			_, err := diff.Images(t.Context(), b.store, imageOf(pair[:1]), imageOf(pair[1:]))
			if slipway.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := diff.Images(done, b.store, imageOf([]slipway.Digest{good}), imageOf([]slipway.Digest{other})); err == nil {
		t.Error("it goes on though nobody waits for it")
	}
	if err := os.Truncate(b.store.BlobPath(good), 64<<10); err != nil {
		t.Fatal(err)
	}
	if _, err := diff.Images(t.Context(), b.store, imageOf([]slipway.Digest{good}), imageOf([]slipway.Digest{other})); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("a layer that is cut short: %v, want Corrupt", err)
	}
}

// TestCircle compares with a layer whose only directory is made to be the root again.
func TestCircle(t *testing.T) {
	b := newBed(t)
	plain := b.layer(t, func(l *image.Layer) []error { return []error{l.AddDir("/a", image.Attr{Mode: 0o755})} })
	blob, err := os.ReadFile(b.store.BlobPath(plain))
	if err != nil {
		t.Fatal(err)
	}
	root, err := erofs.Open(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) []byte {
		info, err := fs.Stat(root, name)
		if err != nil {
			t.Fatal(err)
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(info.Sys().(*erofs.Stat).Ino))
	}
	round := bytes.ReplaceAll(blob, number("a"), number("."))
	circle := slipway.DigestOf(round)
	if err := b.store.PutBlob(t.Context(), circle, -1, bytes.NewReader(round)); err != nil || circle == plain {
		t.Fatalf("cannot make a circle: %v", err)
	}
	if _, err := diff.Images(t.Context(), b.store, imageOf([]slipway.Digest{plain}), imageOf([]slipway.Digest{circle})); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("%v, want Corrupt", err)
	}
}

// TestHoles compares a file with holes with one that has zeros in their place, and with one that differs in its last byte.
func TestHoles(t *testing.T) {
	b := newBed(t)
	const size = 40 << 20
	write := func(holes bool, last string) slipway.Image {
		return imageOf([]slipway.Digest{b.change(t, nil, func(dir string) {
			content := make([]byte, size)
			copy(content, "first")
			copy(content[size-4:], last)
			if !holes {
				os.WriteFile(dir+"/disk", content, 0o644)
				return
			}
			f, err := os.Create(dir + "/disk")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.WriteAt(content[:5], 0)
			f.WriteAt(content[size-4:], size-4)
		})})
	}
	sparse := write(true, "last")
	wants(t, "zeros", "", lines(b.compare(t, sparse, write(false, "last")).Files))
	wants(t, "another end", "/disk: content\n", lines(b.compare(t, sparse, write(true, "lasT")).Files))
	if st, err := os.Stat(b.store.BlobPath(sparse.Layers[0].Digest)); err != nil || st.Size() > size/2 {
		t.Errorf("the layer has no holes: %v, %v", st.Size(), err)
	}
}

func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		set, want string // what setcap(8) is asked for, and what is shown
	}{
		{"cap_net_raw=ep", "cap_net_raw=ep"},
		{"cap_net_bind_service,cap_net_raw=p", "cap_net_bind_service,cap_net_raw=p"},
		{"cap_sys_admin=ei", "cap_sys_admin=ei"},
		{"cap_checkpoint_restore=eip", "cap_checkpoint_restore=eip"},
		{"cap_chown=p cap_bpf=i", "cap_chown=p cap_bpf=i"},
	} {
		t.Run(c.set, func(t *testing.T) {
			if _, err := exec.LookPath("setcap"); err != nil {
				t.Skip("needs setcap")
			}
			b := newBed(t)
			older := b.change(t, nil, func(dir string) { os.WriteFile(dir+"/a", nil, 0o755) })
			newer := b.change(t, nil, func(dir string) {
				os.WriteFile(dir+"/a", nil, 0o755)
				if out, err := exec.Command("setcap", c.set, dir+"/a").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			})
			d := b.compare(t, imageOf([]slipway.Digest{older}), imageOf([]slipway.Digest{newer}))
			wants(t, "files", "/a: security.capability none → "+c.want+"\n", lines(d.Files))
		})
	}
}
