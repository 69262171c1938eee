package bake_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/image"
)

func copyLayer(c slipway.CopyLayer) slipway.Layer { return slipway.Layer{Copy: &c} }

func TestLayers(t *testing.T) {
	archive := tarOf(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o750, Uid: 7},
		tar.Header{Typeflag: tar.TypeReg, Name: "bin/x", Mode: 0o755, Uid: 7},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "y", Linkname: "bin/x"})
	context := []entry{
		{"dist", "dir", 0o700},
		{"dist/hello", "I am hello", 0o755},
		{"dist/etc/conf", "a=b", 0o640},
		{"dist/link", "link:etc/conf", 0},
		{"latest", "link:dist/hello", 0},
		{"app.tar", archive, 0o644},
		{"app.tar.gz", gzipped(t, archive), 0o644},
		{"t.tmpl", "{{.Application}}: {{.Values.greeting}}", 0o600},
	}
	for _, c := range []struct {
		name  string
		layer slipway.Layer
		want  []string
	}{
		{"a file", copyLayer(slipway.CopyLayer{From: "dist/hello", To: "/opt/app"}), []string{"d0755 /opt", `-0755 /opt/app "I am hello"`}},
		{
			"a file into a directory", copyLayer(slipway.CopyLayer{From: "dist/hello", To: "/opt/", Owner: "1000:100", Mode: "0500"}),
			[]string{"d0755 /opt", `-0500 1000:100 /opt/hello "I am hello"`},
		},
		{"what a link leads to", copyLayer(slipway.CopyLayer{From: "latest", To: "/opt/"}), []string{"d0755 /opt", `-0755 /opt/latest "I am hello"`}},
		{"a directory", copyLayer(slipway.CopyLayer{From: "dist", To: "/opt/app"}), []string{
			"d0755 /opt", "d0700 /opt/app", "d0755 /opt/app/etc", `-0640 /opt/app/etc/conf "a=b"`, `-0755 /opt/app/hello "I am hello"`, "l /opt/app/link -> etc/conf",
		}},
		{"a directory with modes", copyLayer(slipway.CopyLayer{From: "dist/etc", To: "/etc", Owner: "5:6", Mode: "0440"}), []string{
			"d0550 5:6 /etc", `-0440 5:6 /etc/conf "a=b"`,
		}},
		{"a tar", copyLayer(slipway.CopyLayer{From: "app.tar", To: "/opt", Unpack: true}), []string{
			"d0755 /opt", "d0750 /opt/bin", `-0755 /opt/bin/x "bin/x"`, "l /opt/y -> bin/x",
		}},
		{"a tar.gz", copyLayer(slipway.CopyLayer{From: "app.tar.gz", To: "/opt", Unpack: true, Owner: "1:2"}), []string{
			"d0755 1:2 /opt", "d0750 1:2 /opt/bin", `-0755 1:2 /opt/bin/x "bin/x"`, "l /opt/y 1:2 -> bin/x",
		}},
		{
			"a template", slipway.Layer{Template: &slipway.TemplateLayer{From: "t.tmpl", To: "/etc/motd", Values: map[string]string{"greeting": "hi"}}},
			[]string{"d0755 /etc", `-0644 /etc/motd "hello: hi"`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, other := newBakery(t), newBakery(t)
			req := b.request("scratch", context, c.layer)
			layers, bakes, _, err := b.bake(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if bakes[0].Cached {
				t.Error("the first bake was cached")
			}
			if _, bakes, _, _ := b.bake(t.Context(), req); !bakes[0].Cached || bakes[0].Digest != layers[0].Digest {
				t.Errorf("the second bake gave %+v, want %s, cached", bakes[0], layers[0].Digest)
			}
			if again := other.mustBake(other.request("scratch", context, c.layer)); again[0] != layers[0] {
				t.Errorf("another data directory gave %v, want %v", again[0], layers[0])
			}
			wantLines(t, b.list(layers[0]), c.want...)
		})
	}
}

// A copy on top of a system goes where the system's links lead, and leaves the directories on the way as they are.
func TestCopyOnTop(t *testing.T) {
	b := newBakery(t)
	context := []entry{{"base.tar", tarOf(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		tar.Header{Typeflag: tar.TypeDir, Name: "usr/bin/", Mode: 0o711, Uid: 3},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin"}), 0o644},
		{"tree/tmp/x", "x", 0o644}, {"tree/bin/y", "y", 0o755}}
	layers := b.mustBake(b.request("rootfs:base.tar", context, copyLayer(slipway.CopyLayer{From: "tree", To: "/"})))
	wantLines(t, b.list(layers[1]), "d1777 /tmp", `-0644 /tmp/x "x"`, "d0755 /usr", "d0711 3:0 /usr/bin", `-0755 /usr/bin/y "y"`)
}

func TestRootfs(t *testing.T) {
	b := newBakery(t)
	file := tar.Header{Typeflag: tar.TypeReg, Name: "etc/x", Mode: 0o644, Uid: 9}
	fine := tarOf(t, file,
		tar.Header{Typeflag: tar.TypeSymlink, Name: "etc/alternative", Linkname: "/usr/bin/x"},
		tar.Header{Typeflag: tar.TypeDir, Name: "dev/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3})
	want := []string{"d0755 /dev", "d0755 /etc", "l /etc/alternative -> /usr/bin/x", `-0644 9:0 /etc/x "etc/x"`}
	wantLines(t, b.list(b.mustBake(b.request("rootfs:r.tar", []entry{{"r.tar", fine, 0o644}}))[0]), want...)
	wantLines(t, b.list(b.mustBake(b.request("rootfs:r.tar.gz", []entry{{"r.tar.gz", gzipped(t, fine), 0o644}}))[0]), want...)

	for _, c := range []struct {
		name, content, place, message string
	}{
		{"device", tarOf(t, file, tar.Header{Typeflag: tar.TypeBlock, Name: "etc/sda", Devmajor: 8}), `image.from: archive entry "etc/sda"`, "device node"},
		{"parent", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "a/../../x"}), `image.from: archive entry "a/../../x"`, "leads out"},
		{"absolute", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "/x"}), `image.from: archive entry "/x"`, "leads out"},
		{"hard link", tarOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "../x"}), `image.from: archive entry "x"`, "leads out"},
		{"no archive", "hello", "image.from", "cannot unpack the root file system"},
		{"cut short", gzipped(t, fine)[:40], "image.from", "cannot unpack the root file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := b.bake(t.Context(), b.request("rootfs:r.tar", []entry{{"r.tar", c.content, 0o644}}))
			wantError(t, err, slipway.Invalid, c.place, c.message)
		})
	}
}

func TestBadInput(t *testing.T) {
	b := newBakery(t)
	context := []entry{
		{"dist/hello", "hello", 0o755},
		{"evil.tar", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "../evil"}), 0o644},
		{"bad.tmpl", "line one\n{{.Values.missing}}", 0o644},
		{"broken.tmpl", "\n\n{{if}}", 0o644},
		{"endless.tmpl", `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, 0o644},
		{"provision/setup.sh", "exit 1", 0o755},
	}
	for _, c := range []struct {
		name           string
		layer          slipway.Layer
		place, message string
	}{
		{"missing artifact", copyLayer(slipway.CopyLayer{From: "dist/helo", To: "/x"}), ".copy.from", "cannot find dist/helo in the build context; did you mean dist/hello?"},
		{"missing, nothing like it", copyLayer(slipway.CopyLayer{From: "elsewhere", To: "/x"}), ".copy.from", "cannot find elsewhere in the build context"},
		{"unpack no archive", copyLayer(slipway.CopyLayer{From: "dist/hello", To: "/x", Unpack: true}), ".copy.from", "no tar, tar.gz, tar.zst or zip archive"},
		{"unpack a directory", copyLayer(slipway.CopyLayer{From: "dist", To: "/x", Unpack: true}), ".copy.from", "it is a directory"},
		{"archive that escapes", copyLayer(slipway.CopyLayer{From: "evil.tar", To: "/x", Unpack: true}), ".copy.from: archive entry ../evil", "cannot unpack"},
		{"missing value", slipway.Layer{Template: &slipway.TemplateLayer{From: "bad.tmpl", To: "/x"}}, ".template.from", `bad.tmpl:2:9: executing "bad.tmpl" at <.Values.missing>: map has no entry`},
		{"broken template", slipway.Layer{Template: &slipway.TemplateLayer{From: "broken.tmpl", To: "/x"}}, ".template.from", "broken.tmpl:3: missing value for if"},
		{"endless template", slipway.Layer{Template: &slipway.TemplateLayer{From: "endless.tmpl", To: "/x"}}, ".template.from", "endless.tmpl"},
		{"missing template", slipway.Layer{Template: &slipway.TemplateLayer{From: "etc/app.tmpl", To: "/x"}}, ".template.from", "cannot find etc/app.tmpl"},
		{"missing script", slipway.Layer{Run: &slipway.RunLayer{Script: "setup.sh"}}, ".run.script", "did you mean provision/setup.sh?"},
		{"missing input", slipway.Layer{Run: &slipway.RunLayer{Script: "provision/setup.sh", Inputs: []string{"dist/*", "etc/**"}}}, ".run.inputs[1]", "cannot find etc/**"},
		{"malformed input", slipway.Layer{Run: &slipway.RunLayer{Script: "provision/setup.sh", Inputs: []string{"[a"}}}, ".run.inputs[0]", "cannot use [a as a pattern"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := copyLayer(slipway.CopyLayer{From: "dist/hello", To: "/hello"})
			_, _, _, err := b.bake(t.Context(), b.request("scratch", context, first, c.layer))
			wantError(t, err, slipway.Invalid, "image.layers[1]"+c.place, c.message)
			b.wantNothingLeft()
		})
	}
	t.Run("not uploaded", func(t *testing.T) {
		req := b.request("scratch", context, copyLayer(slipway.CopyLayer{From: "dist/hello", To: "/hello"}))
		req.Context[0].Digest = slipway.DigestOf([]byte("never sent"))
		_, _, _, err := b.bake(t.Context(), req)
		wantError(t, err, slipway.NotFound, "image.layers[0].copy.from", "cannot find blob")
	})
}

func TestCacheMiss(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b *bakery, l slipway.LayerInfo) error
	}{
		{"blob gone", func(b *bakery, l slipway.LayerInfo) error { return os.Remove(b.images.BlobPath(l.Digest)) }},
		{"blob cut short", func(b *bakery, l slipway.LayerInfo) error {
			return os.Truncate(b.images.BlobPath(l.Digest), l.Size/2)
		}},
		{"entry cut short", func(b *bakery, l slipway.LayerInfo) error {
			return os.Truncate(filepath.Join(b.dir, "cache/layers", l.Key.Hex()+".json"), 10)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			req := b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}))
			layer := b.mustBake(req)[0]
			if err := c.spoil(b, layer); err != nil {
				t.Fatal(err)
			}
			_, bakes, _, err := b.bake(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if bakes[0].Cached || bakes[0].Digest != layer.Digest {
				t.Errorf("got %+v, want %s built again", bakes[0], layer.Digest)
			}
			wantLines(t, b.list(bakes[0].LayerInfo), `-0644 /x "x"`)
		})
	}
}

func TestKey(t *testing.T) {
	b := newBakery(t)
	make := func(change func(*slipway.BakeRequest)) slipway.Digest {
		req := b.request("scratch", []entry{{"dist/x", "x", 0o644}, {"README", "read me", 0o644}}, copyLayer(slipway.CopyLayer{From: "dist", To: "/x"}))
		change(req)
		return b.Key(bake.Job{Request: req})
	}
	first := make(func(*slipway.BakeRequest) {})
	for _, c := range []struct {
		name   string
		change func(*slipway.BakeRequest)
		same   bool
	}{
		{"nothing", func(*slipway.BakeRequest) {}, true},
		{"label", func(r *slipway.BakeRequest) { r.Version = "2" }, true},
		{"unused file", func(r *slipway.BakeRequest) { r.Context[1].Digest = slipway.DigestOf(nil) }, true},
		{"environments", func(r *slipway.BakeRequest) { r.Spec.Environments = map[string]slipway.Environment{"dev": {}} }, true},
		{"used file", func(r *slipway.BakeRequest) { r.Context[0].Digest = slipway.DigestOf(nil) }, false},
		{"its mode", func(r *slipway.BakeRequest) { r.Context[0].Mode = 0o755 }, false},
		{"application", func(r *slipway.BakeRequest) { r.Spec.Application = "other" }, false},
		{"service", func(r *slipway.BakeRequest) { r.Spec.Image.Service.Port = 80 }, false},
		{"irreversible", func(r *slipway.BakeRequest) { r.Spec.Image.Irreversible = true }, false},
		{"layers", func(r *slipway.BakeRequest) { r.Spec.Image.Layers[0].Copy.Owner = "1:1" }, false},
	} {
		if got := make(c.change); (got == first) != c.same {
			t.Errorf("%s changed: got the same key: %v, want %v", c.name, got == first, c.same)
		}
	}
}

func TestImage(t *testing.T) {
	b := newBakery(t)
	req := b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}))
	layers := b.mustBake(req)
	first, err := b.Image(t.Context(), req, layers)
	if err != nil {
		t.Fatal(err)
	}
	req.Version, req.Spec.Image.Tests = "2", []slipway.Test{{TCP: &slipway.TCPTest{}}}
	second, err := b.Image(t.Context(), req, layers)
	if err != nil {
		t.Fatal(err)
	}
	if first.State != slipway.ImageReady || second.State != slipway.ImageUntested {
		t.Errorf("got states %s without and %s with tests", first.State, second.State)
	}
	if first.Digest != second.Digest {
		t.Errorf("got digests %s and %s, want the same", first.Digest, second.Digest)
	}
	req.Spec.Image.Irreversible = true
	if third, err := b.Image(t.Context(), req, layers); err != nil || !third.Irreversible || third.Digest == first.Digest {
		t.Errorf("an irreversible image became %+v, %v: want it to say so, and another digest than %s", third, err, first.Digest)
	}
	if first.Version != "1" || second.Version != "2" || len(first.Layers) != 1 {
		t.Errorf("got %+v and %+v", first, second)
	}
	if read, err := b.images.ReadImage(t.Context(), first.Digest); err != nil || read.Layers[0] != layers[0] {
		t.Errorf("read back %+v, %v", read, err)
	}
}

// A bake of the same layer by many at once builds it once.
func TestConcurrent(t *testing.T) {
	b := newBakery(t)
	req := b.request("scratch", []entry{{"x", strings.Repeat("x", 4<<20), 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}))
	var all sync.WaitGroup
	digests := make([]slipway.Digest, 8)
	for i := range digests {
		all.Go(func() {
			layers, err := b.Build(t.Context(), bake.Job{Request: req, Watch: watch(io.Discard)})
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = layers[0].Digest
		})
	}
	all.Wait()
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("got %v", digests)
		}
	}
}

// The layer of a 20 MB artifact, beside hashing and copying that artifact.
func BenchmarkCopy(b *testing.B) {
	content := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	dir := b.TempDir()
	images, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		b.Fatal(err)
	}
	baker := bake.New(bake.Config{Images: images, Dir: filepath.Join(dir, "cache"), Log: slog.New(slog.DiscardHandler)})
	n := 0
	artifact := func() (*slipway.BakeRequest, string) {
		n++
		copy(content, strconv.Itoa(n))
		d := slipway.DigestOf(content)
		if err := images.PutBlob(b.Context(), d, int64(len(content)), bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
		return &slipway.BakeRequest{
			Spec:    slipway.Spec{Image: slipway.ImageSpec{From: "scratch", Layers: []slipway.Layer{copyLayer(slipway.CopyLayer{From: "app", To: "/app"})}}},
			Context: []slipway.ContextEntry{{Path: "app", Mode: 0o755, Digest: d, Size: int64(len(content))}},
		}, images.BlobPath(d)
	}
	b.Run("bake", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			req, _ := artifact()
			b.StartTimer()
			if _, err := baker.Build(b.Context(), bake.Job{Request: req, Watch: watch(io.Discard)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash and copy", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			_, path := artifact()
			b.StartTimer()
			text, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			sha256.Sum256(text)
			if err := os.WriteFile(filepath.Join(dir, "copy"), text, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
