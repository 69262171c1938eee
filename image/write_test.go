package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

// TestWriteLayerLeavesNothing ends a layer in every way but well.
func TestWriteLayerLeavesNothing(t *testing.T) {
	failure := errors.New("no")
	ended, cancel := context.WithCancel(t.Context())
	shrunk := t.TempDir() + "/f"
	for _, test := range []struct {
		name  string
		ctx   context.Context
		below []slipway.Digest
		build func(*Layer) error
		is    error
		code  slipway.Code
	}{
		{"build fails", t.Context(), nil, func(l *Layer) error { return failure }, failure, slipway.Internal},
		{"ended meanwhile", ended, nil, func(l *Layer) error {
			cancel()
			return l.AddFile("/x", Attr{}, make([]byte, 1<<20))
		}, context.Canceled, slipway.Internal},
		{"no such layer below", t.Context(), []slipway.Digest{slipway.DigestOf(nil)}, nil, nil, slipway.NotFound},
		{"no such blob", t.Context(), nil, func(l *Layer) error {
			return l.AddBlob(t.Context(), "/x", Attr{}, slipway.DigestOf(nil))
		}, nil, slipway.NotFound},
		{"a file shrinks", t.Context(), nil, func(l *Layer) error {
			if err := os.WriteFile(shrunk, make([]byte, 100_000), 0o600); err != nil {
				return err
			}
			if err := l.AddTree(t.Context(), strings.TrimSuffix(shrunk, "/f"), Options{}); err != nil {
				return err
			}
			return os.Truncate(shrunk, 5)
		}, nil, slipway.Internal},
		{"a file grows", t.Context(), nil, func(l *Layer) error {
			if err := os.WriteFile(shrunk, make([]byte, 5), 0o600); err != nil {
				return err
			}
			if err := l.AddTree(t.Context(), strings.TrimSuffix(shrunk, "/f"), Options{}); err != nil {
				return err
			}
			return os.Truncate(shrunk, 100_000)
		}, erofs.ErrLonger, slipway.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			_, _, err := s.WriteLayer(test.ctx, test.below, test.build)
			if slipway.CodeOf(err) != test.code || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("WriteLayer = %v, want %s %v", err, test.code, test.is)
			}
			wantBlobs(t, s)
		})
	}
}

// TestFullDisk fills a disk in every way there is.
func TestFullDisk(t *testing.T) {
	s, err := Open(mount(t, "tmpfs", "tmpfs", "size=8m"))
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 16<<20)
	archive := tarOf(t)
	packed := gzipOf(t, append(tarEntry(t, "big", big), archive...))
	d := put(t, s, packed)
	for _, test := range []struct {
		name, err string
		do        func() error
	}{
		{"blob of known size", "16777216 bytes needed, ", func() error {
			return s.PutBlob(t.Context(), slipway.DigestOf(big), int64(len(big)), bytes.NewReader(big))
		}},
		{"blob of unknown size", "no space left", func() error {
			return s.PutBlob(t.Context(), slipway.DigestOf(big), -1, bytes.NewReader(big))
		}},
		{"layer", "bytes needed, ", func() error {
			_, _, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error { return l.AddFile("/big", Attr{}, big) })
			return err
		}},
		{"archive that unpacks to more", "bytes needed, ", func() error {
			_, _, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error {
				return l.AddArchive(t.Context(), d, Options{Untrusted: true})
			})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.do(); slipway.CodeOf(err) != slipway.Unprepared || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), s.dir) {
				t.Errorf("got %v, want Unprepared: …%s…%s", err, test.err, s.dir)
			}
			wantBlobs(t, s, d)
		})
	}
	put(t, s, []byte("there is space for this"))
}

// TestConcurrentWriters stores the same blob, layer and image from many goroutines at once.
func TestConcurrentWriters(t *testing.T) {
	s := newStore(t)
	b := base(t, s)
	content := bytes.Repeat([]byte("x"), 3<<20)
	blob := slipway.DigestOf(content)
	var g errgroup.Group
	digests := make([]slipway.Digest, 8)
	for i := range digests {
		g.Go(func() error {
			if err := s.PutBlob(t.Context(), blob, int64(len(content)), bytes.NewReader(content)); err != nil {
				return err
			}
			d, size, err := s.WriteLayer(t.Context(), []slipway.Digest{b}, func(l *Layer) error { return l.AddBlob(t.Context(), "/bin/x", Attr{Mode: 0o755}, blob) })
			if err != nil {
				return err
			}
			image, err := s.WriteImage(t.Context(), slipway.Image{Application: "a", Layers: []slipway.LayerInfo{{Digest: d, Size: size}}})
			digests[i] = image
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("images differ: %v", digests)
		}
	}
	if left, _ := os.ReadDir(s.ingest()); len(left) > 0 {
		t.Errorf("%d temporary files left", len(left))
	}
}

// TestWideAndDeep makes a directory of many blocks, long names, and a deep path.
func TestWideAndDeep(t *testing.T) {
	s := newStore(t)
	deep := strings.Repeat("/deep", 200)
	d := layer(t, s, nil, func(l *Layer) error {
		for i := range 5000 {
			if err := l.AddFile(fmt.Sprintf("/wide/%d-%s", i, strings.Repeat("n", i%240)), Attr{Mode: 0o644}, nil); err != nil {
				return err
			}
		}
		return l.AddFile(deep, Attr{Mode: 0o644}, []byte("x"))
	})
	dir := mount(t, "erofs", s.BlobPath(d), "")
	list, err := os.ReadDir(dir + "/wide")
	if err != nil || len(list) != 5000 {
		t.Errorf("%d entries, %v", len(list), err)
	}
	for i := range 5000 {
		if _, err := os.Lstat(fmt.Sprintf("%s/wide/%d-%s", dir, i, strings.Repeat("n", i%240))); err != nil {
			t.Fatal(err)
		}
	}
	if content, err := os.ReadFile(dir + deep); string(content) != "x" {
		t.Errorf("deep file: %q, %v", content, err)
	}
}

func TestOverlayMustBeComplete(t *testing.T) {
	s := newStore(t)
	upper := t.TempDir()
	if err := os.Mkdir(upper+"/d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(upper+"/d", "trusted.overlay.redirect", []byte("/e"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.WriteLayer(t.Context(), nil, func(l *Layer) error { return l.AddOverlay(t.Context(), upper, nil) }); err == nil {
		t.Error("a redirected directory was taken")
	}
	d := layer(t, s, nil, func(l *Layer) error {
		return l.AddOverlay(t.Context(), upper, func(p string) bool { return p == "/d" })
	})
	if got := listing(t, mount(t, "erofs", s.BlobPath(d), "")); strings.Contains(got, "/d") {
		t.Errorf("what was skipped is there:\n%s", got)
	}
}

// TestEveryEnd makes layers whose last inode ends at every place in a block: readers look past it.
func TestEveryEnd(t *testing.T) {
	s := newStore(t)
	for _, uid := range []uint32{0, 70000} {
		for n := 1; n < 128; n++ {
			d := layer(t, s, nil, func(l *Layer) error {
				if err := l.AddSymlink("/a", strings.Repeat("x", 32*n-16), Attr{}); err != nil {
					return err
				}
				return l.AddFile("/z", Attr{Mode: 0o644, UID: uid}, nil)
			})
			v, closeView, err := s.openView(t.Context(), []slipway.Digest{d})
			if err != nil {
				t.Fatal(err)
			}
			if z, err := v.lookup("/z"); err != nil || z == nil || z.uid != uid {
				t.Errorf("%d: /z is %v, %v", n, z, err)
			}
			closeView()
		}
	}
}
