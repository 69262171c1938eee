package bases_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bases"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/registry"
	"github.com/slipway-sh/slipway/sqlstore"
)

// world is a resolver on a store and an image store of its own, and a registry that can be switched off.
type world struct {
	*bases.Resolver
	t     *testing.T
	store *sqlstore.Store
	blobs *image.Store
	host  string
	down  atomic.Bool
	asked atomic.Int32 // how often the registry was
	clock time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	blobs, err := image.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store, blobs: blobs, clock: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	inner := served.New(served.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		if w.down.Load() {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	w.Resolver = bases.New(bases.Config{
		Store: store, Blobs: blobs, Dir: t.TempDir(),
		Registry: registry.New(registry.Config{Patience: registry.Patience{Pauses: []time.Duration{}}}),
	})
	return w
}

// image records an image and its application, and stores a layer that is its own. change, if not nil, makes it otherwise.
func (w *world) image(application, version string, change func(*slipway.Image)) slipway.Image {
	w.t.Helper()
	w.clock = w.clock.Add(time.Minute)
	content := []byte(fmt.Sprint(application, version, w.clock))
	layer := slipway.LayerInfo{Digest: slipway.DigestOf(content), Size: int64(len(content)), Step: "copy x"}
	img := slipway.Image{
		Digest: slipway.DigestOf(append(content, "image"...)), Application: application, Version: version, State: slipway.ImageReady,
		From: "scratch", Layers: []slipway.LayerInfo{layer}, Created: w.clock,
	}
	if change != nil {
		change(&img)
	}
	w.must(w.blobs.PutBlob(w.t.Context(), layer.Digest, layer.Size, bytes.NewReader(content)))
	w.must(w.store.PutImage(w.t.Context(), img))
	w.must(w.store.PutApplication(w.t.Context(), slipway.Spec{Application: application, Image: slipway.ImageSpec{From: img.From}}))
	return img
}

// on makes an image one that was built on another.
func on(base slipway.Image, ref string) func(*slipway.Image) {
	return func(i *slipway.Image) {
		i.From = "image:" + base.Application + ref
		i.Base = &slipway.Base{From: i.From, Digest: base.Digest, Application: base.Application, Version: base.Version, Layers: len(base.Layers)}
	}
}

func (w *world) channel(application, name string, img slipway.Image) {
	w.t.Helper()
	_, err := w.store.MoveChannel(w.t.Context(), slipway.ChannelMove{Application: application, Name: name, Image: img.Digest, Create: true, At: w.clock})
	w.must(err)
}

func (w *world) revoke(img slipway.Image, reason string) {
	w.t.Helper()
	_, err := w.store.RevokeImage(w.t.Context(), img.Digest, &slipway.Revocation{At: w.clock, Reason: reason})
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// want resolves a base of the application "web" and compares.
func (w *world) want(from string, previous *slipway.Base, refresh bool, after []slipway.Bake, want slipway.Image) slipway.Base {
	w.t.Helper()
	base, layers, err := w.Resolve(w.t.Context(), "web", from, previous, refresh, after)
	if err != nil {
		w.t.Fatalf("%s: %v", from, err)
	}
	if base.Digest != want.Digest || base.From != from || base.Application != want.Application || base.Version != want.Version ||
		base.Layers != len(want.Layers) || len(layers) != len(want.Layers) || layers[0] != want.Layers[0] {
		w.t.Errorf("%s: got %+v with %v, want %s with %v", from, base, layers, want.Name(), want.Layers)
	}
	return base
}

func (w *world) wantError(application, from string, previous *slipway.Base, code slipway.Code, parts ...string) {
	w.t.Helper()
	base, _, err := w.Resolve(w.t.Context(), application, from, previous, false, nil)
	if slipway.CodeOf(err) != code {
		w.t.Fatalf("%s: got %+v, %v (%s), want %s", from, base, err, slipway.CodeOf(err), code)
	}
	for _, part := range append(parts, "image.from: cannot") {
		if !strings.Contains(err.Error(), part) {
			w.t.Errorf("%s: got %q, want …%s…", from, err, part)
		}
	}
}

func TestImageByName(t *testing.T) {
	w := newWorld(t)
	first := w.image("base", "1.0", nil)
	second := w.image("base", "1.1", nil)
	w.image("base", "1.2", func(i *slipway.Image) { i.State = slipway.ImageFailed })
	w.channel("base", "stable", first)
	w.want("image:base", nil, false, nil, second)
	w.want("image:base@latest", nil, false, nil, second)
	w.want("image:base@1.0", nil, false, nil, first)
	w.want("image:base@stable", nil, false, nil, first)
	w.want("image:base@"+string(first.Digest), nil, false, nil, first)
	w.want("image:base@"+first.Digest.Hex()[:12], nil, false, nil, first)
}

// A bake stays on the base it had, until someone asks to refresh.
func TestImageStays(t *testing.T) {
	w := newWorld(t)
	first := w.image("base", "1.0", nil)
	w.channel("base", "stable", first)
	for _, from := range []string{"image:base", "image:base@stable"} {
		previous := w.want(from, nil, false, nil, first)
		second := w.image("base", "1.1", nil)
		w.channel("base", "stable", second)
		w.want(from, &previous, false, nil, first)
		moved := w.want(from, &previous, true, nil, second)
		w.want(from, &moved, false, nil, second)

		other := previous
		other.From = "image:base@1.0"
		w.want(from, &other, false, nil, second) // was written otherwise, and so says nothing
		first = second
	}
}

// What bakes that had to end first have made is meant, unless a digest says otherwise.
func TestImageAfter(t *testing.T) {
	w := newWorld(t)
	first := w.image("base", "1.0", nil)
	w.channel("base", "stable", first)
	previous := w.want("image:base@stable", nil, false, nil, first)
	second := w.image("base", "1.1", nil)
	bake := func(application string, image slipway.Image) slipway.Bake {
		return slipway.Bake{Application: application, State: slipway.BakeSucceeded, Image: image.Digest}
	}
	after := []slipway.Bake{bake("other", slipway.Image{Digest: "no"}), bake("base", second)}
	w.want("image:base@stable", &previous, false, after, second)
	w.want("image:base", nil, false, after, second)
	w.want("image:base@"+string(first.Digest), nil, false, after, first)
	w.want("image:base@"+first.Digest.Hex()[:8], nil, false, after, first)
	w.want("image:base@1.0", nil, false, after[:1], first)
}

// A base whose record was removed is looked up again.
func TestImageRemoved(t *testing.T) {
	w := newWorld(t)
	first := w.image("base", "1.0", nil)
	previous := w.want("image:base", nil, false, nil, first)
	second := w.image("base", "1.1", nil)
	w.must(w.store.DeleteImage(t.Context(), first.Digest, time.Now()))
	w.want("image:base", &previous, false, nil, second)
}

func TestImageThatCannotBe(t *testing.T) {
	w := newWorld(t)
	w.wantError("web", "image:base", nil, slipway.Invalid, "no image of an application base", "there are no images at all yet")
	good := w.image("base", "1.0", nil)
	w.channel("base", "stable", good)
	failed := w.image("base", "1.1", func(i *slipway.Image) { i.State = slipway.ImageFailed })
	untested := w.image("base", "1.2", func(i *slipway.Image) { i.State = slipway.ImageUntested })
	w.wantError("web", "image:bass", nil, slipway.Invalid, "no image of an application bass", "there are images of base")
	w.wantError("web", "image:base@stabel", nil, slipway.Invalid, `base has no channel, version or image of that name`, "it has stable, 1.2, 1.1, 1.0")
	w.wantError("web", "image:base@1.1", nil, slipway.Refused, "the tests of image "+failed.Name()+" failed")
	w.wantError("web", "image:base@1.2", nil, slipway.Refused, untested.Name()+" is not tested yet")

	w.revoke(good, "CVE-2026-1")
	w.wantError("web", "image:base@stable", nil, slipway.Refused, "was revoked on 2026-03-04", "CVE-2026-1")
	previous := &slipway.Base{From: "image:base@stable", Digest: good.Digest}
	w.wantError("web", "image:base@stable", previous, slipway.Refused, "CVE-2026-1",
		"`slipway bake --refresh` starts from what image:base@stable means now")

	lost := w.image("lost", "1", nil)
	w.must(os.Remove(w.blobs.BlobPath(lost.Layers[0].Digest)))
	w.wantError("web", "image:lost", nil, slipway.NotFound, "1 of 1 layers are not stored any more", "bake lost again")
	w.image("broken", "1", func(i *slipway.Image) { i.State = slipway.ImageFailed })
	w.wantError("web", "image:broken", nil, slipway.Invalid, "none of its images is ready; the newest, 1 (", "is failed")
}

// An image that stands on itself, by what was built or by what would be built next, is refused, and the circle is drawn.
func TestCircles(t *testing.T) {
	w := newWorld(t)
	a := w.image("a", "1", nil)
	b := w.image("b", "1", on(a, ""))
	c := w.image("c", "1", on(b, "@1"))
	w.wantError("a", "image:b", nil, slipway.Invalid, "cannot bake a on image:b", "a → b → a")
	w.wantError("a", "image:c", nil, slipway.Invalid, "a → c → b → a")
	w.wantError("b", "image:c@"+string(c.Digest), nil, slipway.Invalid, "b → c → b")
	w.want("image:c", nil, false, nil, c)

	// By what applications say by now, though what was built is no circle yet.
	x := w.image("x", "1", nil)
	w.must(w.store.PutApplication(t.Context(), slipway.Spec{Application: "x", Image: slipway.ImageSpec{From: "image:y@stable"}}))
	w.must(w.store.PutApplication(t.Context(), slipway.Spec{Application: "y", Image: slipway.ImageSpec{From: "image:z"}}))
	w.wantError("z", "image:x", nil, slipway.Invalid, "z → x → y → z")
	if _, _, err := w.Resolve(t.Context(), "z", "image:x@"+string(x.Digest), nil, false, nil); err != nil {
		t.Errorf("an image with a digest does not move: %v", err)
	}

	// A circle of others is theirs to mend.
	w.must(w.store.PutApplication(t.Context(), slipway.Spec{Application: "y", Image: slipway.ImageSpec{From: "image:x"}}))
	w.want("image:x", nil, false, nil, x)
}

func TestOCI(t *testing.T) {
	w := newWorld(t)
	push := func(layers int64) slipway.Digest {
		img, err := random.Image(1000, layers)
		w.must(err)
		ref, err := name.ParseReference(w.host + "/base:1")
		w.must(err)
		w.must(remote.Write(ref, img))
		d, err := img.Digest()
		w.must(err)
		return slipway.Digest(d.String())
	}
	first := push(2)
	from := "oci:" + w.host + "/base:1"
	want := func(what, from string, previous *slipway.Base, refresh bool, digest slipway.Digest, layers int) slipway.Base {
		t.Helper()
		base, below, err := w.Resolve(t.Context(), "web", from, previous, refresh, nil)
		if err != nil || base != (slipway.Base{From: from, Digest: digest, Layers: layers}) || below != nil {
			t.Errorf("%s: got %+v, %v, %v, want %s with %d layers", what, base, below, err, digest, layers)
		}
		return base
	}
	previous := want("the first time", from, nil, false, first, 2)
	second := push(3)

	w.down.Store(true)
	w.asked.Store(0)
	want("the second time", from, nil, false, first, 2)
	want("with what it was", from, &previous, false, first, 2)
	want("by digest", from+"@"+string(first), nil, false, first, 2)
	if n := w.asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times for what is known", n)
	}
	_, _, err := w.Resolve(t.Context(), "web", from, &previous, true, nil)
	if slipway.CodeOf(err) != slipway.DeadlinePast || !strings.HasPrefix(err.Error(), "image.from: cannot look up "+w.host+"/base:1: ") {
		t.Errorf("refreshing from a registry that is down: got %v", err)
	}
	want("after a failed refresh", from, nil, false, first, 2)

	w.down.Store(false)
	moved := want("refreshed", from, &previous, true, second, 3)
	want("with what it was for another", from, &previous, false, first, 2)
	want("from then on", from, &moved, false, second, 3)
	w.wantError("web", "oci:"+w.host+"/base:2", nil, slipway.Invalid, "has no such image")
}

func TestOutdated(t *testing.T) {
	w := newWorld(t)
	first := w.image("base", "1.0", nil)
	w.channel("base", "stable", first)
	floating, onChannel := w.image("web", "1", on(first, "")), w.image("web", "2", on(first, "@stable"))
	pinned := w.image("web", "3", on(first, "@"+string(first.Digest)))
	want := func(img slipway.Image, text string) {
		t.Helper()
		n, err := bases.Outdated(t.Context(), w.store, img)
		w.must(err)
		got := ""
		if n != nil {
			got = n.String()
		}
		if got != text {
			t.Errorf("%s: got %q, want %q", img.From, got, text)
		}
	}
	for _, img := range []slipway.Image{first, floating, onChannel, pinned} {
		want(img, "")
	}
	second := w.image("base", "1.1", nil)
	want(floating, "parent is outdated: base is now "+second.Name()+"; `slipway bake --refresh` builds on it")
	want(onChannel, "")
	w.channel("base", "stable", second)
	want(onChannel, "parent is outdated: base@stable is now "+second.Name()+"; `slipway bake --refresh` builds on it")
	want(pinned, "")
	w.revoke(first, "CVE-2026-1")
	want(pinned, "parent is revoked: "+first.Name()+" was, on 2026-03-04 05:11 UTC: CVE-2026-1")
}
