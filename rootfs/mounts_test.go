package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
)

// store is a directory of blobs, made with the reference tool so that nothing here depends on how images are written.
type store struct{ dir string }

func (s store) BlobPath(d slipway.Digest) string { return filepath.Join(s.dir, d.Hex()) }

func (s store) Verify(_ context.Context, d slipway.Digest) error {
	b, err := os.ReadFile(s.BlobPath(d))
	if err != nil {
		return err
	}
	if got := slipway.DigestOf(b); got != d {
		return slipway.Errorf(slipway.Corrupt, "cannot use blob %s: its content is %s", d, got)
	}
	return nil
}

func (s store) layer(t *testing.T, files map[string]string) slipway.Digest {
	t.Helper()
	if _, err := exec.LookPath("mkfs.erofs"); err != nil {
		t.Skip("needs mkfs.erofs")
	}
	tree, blob := t.TempDir(), filepath.Join(t.TempDir(), "blob")
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mkfs.erofs", "--all-root", blob, tree).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	d := slipway.DigestOf(content)
	if err := os.WriteFile(s.BlobPath(d), content, 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

func mounts(t *testing.T, dir string) (*Mounts, store) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s := store{dir: t.TempDir()}
	m := New(dir, s)
	t.Cleanup(func() {
		if err := m.Prune(func(slipway.Digest) bool { return false }); err != nil {
			t.Error(err)
		}
	})
	return m, s
}

// overlay mounts layers and returns the root and the upper directory.
func overlay(t *testing.T, m *Mounts, layers ...slipway.Digest) (root, upper string) {
	t.Helper()
	dir := t.TempDir()
	root, upper = filepath.Join(dir, "root"), filepath.Join(dir, "upper")
	if err := m.Overlay(t.Context(), root, layers, upper, filepath.Join(dir, "work")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unmount(root); err != nil {
			t.Error(err)
		}
	})
	return root, upper
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOverlay(t *testing.T) {
	for _, dir := range []string{"plain", "odd, na:me\\"} {
		t.Run(dir, func(t *testing.T) {
			m, s := mounts(t, filepath.Join(t.TempDir(), dir))
			low := s.layer(t, map[string]string{"both": "low", "low": "low"})
			high := s.layer(t, map[string]string{"both": "high"})
			root, upper := overlay(t, m, low, high)
			if got := read(t, filepath.Join(root, "both")) + read(t, filepath.Join(root, "low")); got != "highlow" {
				t.Errorf("read %q", got)
			}
			if err := os.WriteFile(filepath.Join(root, "new"), []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := read(t, filepath.Join(upper, "new")); got != "new" {
				t.Errorf("upper has %q", got)
			}
			if info, err := os.Stat(root); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("root directory: %v, %v", info.Mode(), err)
			}
		})
	}
}

// A layer may be there twice, as those of two scripts that change nothing. The kernel takes a lower directory only once.
func TestOverlayOfTheSameLayerTwice(t *testing.T) {
	m, s := mounts(t, t.TempDir())
	one, two := s.layer(t, map[string]string{"a": "one"}), s.layer(t, map[string]string{"a": "two", "b": "two"})
	root, _ := overlay(t, m, one, two, one, one)
	if a, b := read(t, filepath.Join(root, "a")), read(t, filepath.Join(root, "b")); a != "one" || b != "two" {
		t.Errorf("a is %q, b is %q, want the topmost of each", a, b)
	}
}

func TestOverlayOfNoLayers(t *testing.T) {
	m, _ := mounts(t, t.TempDir())
	root, _ := overlay(t, m)
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v; want an empty directory", entries, err)
	}
}

func TestOverlayOfManyLayers(t *testing.T) {
	m, s := mounts(t, filepath.Join(t.TempDir(), strings.Repeat("long", 20)))
	var layers []slipway.Digest
	for i := range 60 {
		layers = append(layers, s.layer(t, map[string]string{fmt.Sprint(i): fmt.Sprint(i)}))
	}
	root, _ := overlay(t, m, layers...)
	for i := range layers {
		if got := read(t, filepath.Join(root, fmt.Sprint(i))); got != fmt.Sprint(i) {
			t.Errorf("layer %d: read %q", i, got)
		}
	}
}

func TestLayerIsSharedAndFoundAgain(t *testing.T) {
	dir := t.TempDir()
	m, s := mounts(t, dir)
	d := s.layer(t, map[string]string{"file": "content"})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := m.Layer(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	path, err := New(dir, s).Layer(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	mountinfo := read(t, "/proc/self/mountinfo")
	if n := strings.Count(mountinfo, path); n != 1 {
		t.Errorf("mounted %d times, want once", n)
	}
}

func TestCorruptLayer(t *testing.T) {
	m, s := mounts(t, t.TempDir())
	d := s.layer(t, map[string]string{"file": strings.Repeat("content ", 1000)})
	good := []byte(read(t, s.BlobPath(d)))
	bad := bytes.Clone(good)
	bad[len(bad)-1]++
	damage := func() {
		t.Helper()
		if err := os.WriteFile(s.BlobPath(d), bad, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	damage()
	if _, err := m.Layer(t.Context(), d); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("never mounted: got %v, want Corrupt", err)
	}
	repair := func() {
		t.Helper()
		fresh := s.BlobPath(d) + ".new"
		if err := errors.Join(os.WriteFile(fresh, good, 0o644), os.Rename(fresh, s.BlobPath(d))); err != nil {
			t.Fatal(err)
		}
	}
	repair()
	root, _ := overlay(t, m, d)
	damage()
	if _, err := m.Layer(t.Context(), d); slipway.CodeOf(err) != slipway.Corrupt {
		t.Errorf("already mounted: got %v, want Corrupt", err)
	}
	repair()
	path, err := m.Layer(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, root} {
		if got := read(t, filepath.Join(dir, "file")); !strings.HasPrefix(got, "content") {
			t.Errorf("%s: read %.20q", dir, got)
		}
	}
}

func TestMissingLayer(t *testing.T) {
	m, _ := mounts(t, t.TempDir())
	if _, err := m.Layer(t.Context(), slipway.DigestOf(nil)); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestPruneSparesOverlays(t *testing.T) {
	m, s := mounts(t, t.TempDir())
	kept, dropped := s.layer(t, map[string]string{"kept": "a"}), s.layer(t, map[string]string{"dropped": "b"})
	root, _ := overlay(t, m, kept, dropped)
	if err := m.Prune(func(d slipway.Digest) bool { return d == kept }); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(root, "kept")) + read(t, filepath.Join(root, "dropped")); got != "ab" {
		t.Errorf("read %q", got)
	}
	if _, err := os.Stat(filepath.Join(m.dir, dropped.Hex())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dropped layer: %v", err)
	}
	if mounted, err := isMount(filepath.Join(m.dir, kept.Hex())); !mounted || err != nil {
		t.Errorf("kept layer: %v, %v", mounted, err)
	}
}

func TestUnmount(t *testing.T) {
	m, s := mounts(t, t.TempDir())
	root, _ := overlay(t, m, s.layer(t, map[string]string{"a": "a"}))
	busy, err := os.Open(filepath.Join(root, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for range 2 {
		if err := m.Unmount(root); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Unmount(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

func TestMountLoop(t *testing.T) {
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("needs loop devices")
	}
	_, s := mounts(t, t.TempDir())
	dir := t.TempDir()
	d := s.layer(t, map[string]string{"file": "content"})
	if err := mountLoop(s.BlobPath(d), dir); err != nil {
		t.Fatal(err)
	}
	got := read(t, filepath.Join(dir, "file"))
	if err := unmount(dir); err != nil || got != "content" {
		t.Errorf("read %q, %v", got, err)
	}
}
