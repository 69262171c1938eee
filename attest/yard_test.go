package attest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/attest"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/sbom"
)

// yard is an image store with a key, and what signs and verifies in it.
type yard struct {
	t        testing.TB
	dir      string // of the layout
	images   *image.Store
	keys     *attest.Keyring
	signer   *attest.Signer
	verifier *attest.Verifier
}

func newYard(t testing.TB) *yard {
	t.Helper()
	return openYard(t, t.TempDir())
}

// openYard opens what is in dir, as the next process would.
func openYard(t testing.TB, dir string) *yard {
	t.Helper()
	y := &yard{t: t, dir: filepath.Join(dir, "images")}
	var err error
	if y.images, err = image.Open(y.dir); err != nil {
		t.Fatal(err)
	}
	if y.keys, err = attest.OpenKeyring(filepath.Join(dir, "keys"), ""); err != nil {
		t.Fatal(err)
	}
	y.signer = &attest.Signer{Shelf: y.images, Key: y.keys.Signing(), Inventory: sbom.New(y.images, filepath.Join(dir, "sbom")), Version: "1.0"}
	y.verifier = &attest.Verifier{Layout: y.images, Trusted: y.keys.Trusted, Signing: y.keys.Signing().ID()}
	return y
}

// baked returns an image of a layer for each text, baked and tested, with all that a request can have.
func (y *yard) baked(texts ...string) (slipway.Image, slipway.Bake, *slipway.BakeRequest) {
	y.t.Helper()
	img := slipway.Image{
		Application: "hello", From: "debian:bookworm", State: slipway.ImageReady, Bake: "b-first",
		Base:   &slipway.Base{From: "debian:bookworm", Layers: 1},
		Tests:  &slipway.TestReport{Passed: true, Bake: "b-first", Results: []slipway.TestResult{{Name: "http /", Passed: true, Took: time.Millisecond}}},
		Source: &slipway.Source{Repository: "https://bot:hunter2@git.example.com/hello.git", Commit: "c0ffee", Branch: "main", Dirty: true},
	}
	lock, err := y.images.WriteLock(y.t.Context(), slipway.Lock{Packages: []slipway.LockedPackage{
		{Name: "nginx", Version: "1.22.1-9+deb12u3", Architecture: "amd64", Digest: slipway.DigestOf([]byte("deb")), Size: 3},
	}})
	if err != nil {
		y.t.Fatal(err)
	}
	var below []slipway.Digest
	for i, text := range texts {
		d, size, err := y.images.WriteLayer(y.t.Context(), below, func(l *image.Layer) error {
			return l.AddFile("/srv/requirements.txt", image.Attr{Mode: 0o644}, []byte(text))
		})
		if err != nil {
			y.t.Fatal(err)
		}
		below = append(below, d)
		info := slipway.LayerInfo{Digest: d, Size: size, Step: "copy " + text, Key: slipway.DigestOf([]byte(text))}
		if i == 0 {
			info.Lock = lock
		}
		img.Layers = append(img.Layers, info)
	}
	if img.Digest, err = y.images.WriteImage(y.t.Context(), img); err != nil {
		y.t.Fatal(err)
	}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bake := slipway.Bake{ID: "b-first", Application: "hello", State: slipway.BakeSucceeded, Image: img.Digest, Started: started, Finished: started.Add(time.Second)}
	req := &slipway.BakeRequest{
		Spec: slipway.Spec{Application: "hello", Image: slipway.ImageSpec{
			From:   "debian:bookworm",
			Layers: []slipway.Layer{{Run: &slipway.RunLayer{Script: "setup.sh", Env: map[string]string{"A": "b"}, Secrets: []string{"npm_token"}}}},
		}},
		Context: []slipway.ContextEntry{{Path: "setup.sh", Mode: 0o755, Digest: slipway.DigestOf([]byte("script")), Size: 6}, {Path: "dir", Dir: true, Mode: 0o755}},
		Version: "v1", Secrets: "a-handle", Source: img.Source,
	}
	return img, bake, req
}

func (y *yard) attest(img slipway.Image, bake slipway.Bake, req *slipway.BakeRequest) {
	y.t.Helper()
	if err := y.signer.Attest(y.t.Context(), img, bake, req); err != nil {
		y.t.Fatal(err)
	}
}

// signed returns an image that is baked, tested and signed.
func (y *yard) signed(texts ...string) slipway.Image {
	y.t.Helper()
	img, bake, req := y.baked(texts...)
	y.attest(img, bake, req)
	return img
}

// offline returns a verifier that has the layout and the public key, and nothing else.
func (y *yard) offline() (*attest.Verifier, error) {
	layout, err := attest.OpenDirectory(y.dir)
	return &attest.Verifier{Layout: layout, Trusted: y.keys.Trusted}, err
}

// blob reads a stored blob.
func (y *yard) blob(d slipway.Digest) []byte {
	y.t.Helper()
	text, err := os.ReadFile(y.images.BlobPath(d))
	if err != nil {
		y.t.Fatal(err)
	}
	return text
}

// overwrite puts other bytes where a blob is, as someone who can write to the disk would.
func (y *yard) overwrite(d slipway.Digest, text []byte) {
	y.t.Helper()
	path := y.images.BlobPath(d)
	if err := os.Chmod(path, 0o644); err != nil {
		y.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		y.t.Fatal(err)
	}
}
