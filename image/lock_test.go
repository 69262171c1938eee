package image_test

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// A layer's lock is part of its image: it comes back with it, and two images that differ in it alone are two.
func TestLock(t *testing.T) {
	s, err := image.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	want := slipway.Lock{Packages: []slipway.LockedPackage{{Name: "nginx", Version: "1.22.1-9", Architecture: "amd64", Digest: slipway.DigestOf([]byte("deb")), Size: 3}}}
	lock, err := s.WriteLock(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.WriteLock(ctx, want); err != nil || again != lock {
		t.Errorf("got %s, %v, want %s again", again, err, lock)
	}
	if got, err := s.ReadLock(ctx, lock); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	layer, size, err := s.WriteLayer(ctx, nil, func(*image.Layer) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	img := slipway.Image{Application: "hello", From: "scratch", Layers: []slipway.LayerInfo{{Digest: layer, Size: size, Step: "packages nginx"}}}
	without, err := s.WriteImage(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	img.Layers[0].Lock = lock
	with, err := s.WriteImage(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	if with == without {
		t.Error("the lock is not part of the image's digest")
	}
	if got, err := s.ReadImage(ctx, with); err != nil || got.Layers[0].Lock != lock {
		t.Errorf("got %+v, %v, want the lock %s", got, err, lock)
	}

	if err := os.Chmod(s.BlobPath(lock), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.BlobPath(lock), []byte(`{"packages":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *slipway.Error
	if _, err := s.ReadLock(ctx, lock); !errors.As(err, &e) || e.Code != slipway.Corrupt {
		t.Errorf("got %v, want it %s", err, slipway.Corrupt)
	}
}

// An image from elsewhere may call anything its lock. Its parts are known all the same, or nothing could be collected any more.
func TestPartsOfImageWithoutTrueLock(t *testing.T) {
	s, err := image.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	layer, size, err := s.WriteLayer(ctx, nil, func(l *image.Layer) error {
		return l.AddFile("/etc/file", image.Attr{Mode: 0o644}, bytes.Repeat([]byte("no lock"), 3<<20))
	})
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("no lock")
	if err := s.PutBlob(ctx, slipway.DigestOf(text), int64(len(text)), bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for name, lock := range map[string]slipway.Digest{
		"a layer": layer, "a text": slipway.DigestOf(text), "no digest": "../../../etc/passwd", "nothing that is stored": slipway.DigestOf(nil),
	} {
		t.Run(name, func(t *testing.T) {
			d, err := s.WriteImage(ctx, slipway.Image{
				Application: "hello", From: "scratch", Layers: []slipway.LayerInfo{{Digest: layer, Size: size, Step: "copy x", Lock: lock}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if parts, err := s.Parts(ctx, d); err != nil || !slices.Contains(parts, layer) {
				t.Errorf("got %v, %v, want the layer among them", parts, err)
			}
		})
	}
}
