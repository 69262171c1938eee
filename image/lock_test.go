package image_test

import (
	"errors"
	"os"
	"reflect"
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
