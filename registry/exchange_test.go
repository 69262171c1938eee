package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/registry"
	"github.com/slipway-sh/slipway/sqlstore"
)

// host is one slipwayd's images, records and exchange.
type host struct {
	*registry.Exchange
	t      *testing.T
	images *image.Store
	store  *sqlstore.Store
	dir    string

	mu   sync.Mutex
	told []slipway.Transfer
}

func newHost(t *testing.T, trust slipway.ImageVerifier) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	var err error
	if h.images, err = image.Open(filepath.Join(h.dir, "images")); err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.Open(t.Context(), filepath.Join(h.dir, "slipway.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.store.Close() })
	h.Exchange = registry.NewExchange(registry.ExchangeConfig{
		Client: registry.New(registry.Config{Patience: quick}), Images: h.images, Store: h.store, Trust: trust, Dir: h.dir,
	})
	return h
}

// tell notes what a transfer tells.
func (h *host) tell(t slipway.Transfer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, t)
}

// last returns what the last transfer told last.
func (h *host) last() slipway.Transfer { return h.told[len(h.told)-1] }

// layer stores a layer of one file.
func (h *host) layer(content string) slipway.LayerInfo {
	h.t.Helper()
	d, size, err := h.images.WriteLayer(h.t.Context(), nil, func(l *image.Layer) error {
		return l.AddFile("/etc/file", image.Attr{Mode: 0o644}, []byte(content))
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return slipway.LayerInfo{Digest: d, Size: size, Step: "copy " + content, Key: slipway.DigestOf([]byte(content))}
}

// bake registers a ready image with two documents about it.
func (h *host) bake(application, version string, layers ...slipway.LayerInfo) slipway.Image {
	h.t.Helper()
	img := slipway.Image{
		Application: application, Version: version, State: slipway.ImageReady, From: "scratch", Layers: layers,
		Service: slipway.Service{Command: []string{"/bin/" + application}}, Irreversible: true, Created: time.Now().UTC(),
	}
	var err error
	if img.Digest, err = h.images.WriteImage(h.t.Context(), img); err != nil {
		h.t.Fatal(err)
	}
	for _, kind := range []string{"sbom", "report"} {
		if _, err := h.images.PutReferrer(h.t.Context(), img.Digest, "application/vnd.test."+kind, []byte(kind+" of "+application), nil); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := h.store.PutImage(h.t.Context(), img); err != nil {
		h.t.Fatal(err)
	}
	return img
}

func (h *host) push(img slipway.Image, to string) (string, error) {
	return h.Push(h.t.Context(), img, to, h.tell)
}

func (h *host) pull(from string) (slipway.Image, error) {
	return h.Pull(h.t.Context(), from, "", h.tell)
}

// wantNothing fails the test if an image is registered, or listed in the layout.
func (h *host) wantNothing() {
	h.t.Helper()
	if images, err := h.store.Images(h.t.Context(), ""); err != nil || len(images) > 0 {
		h.t.Errorf("registered: %v, %v", images, err)
	}
	if text, err := os.ReadFile(filepath.Join(h.dir, "images/index.json")); err == nil && strings.Contains(string(text), image.ArtifactType) {
		h.t.Errorf("listed: %s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "images/ingest/*")); len(left) > 0 {
		h.t.Errorf("left behind: %v", left)
	}
}

// An image goes to a registry and comes back elsewhere as what it was, with the documents about it; what is there already stays where it is.
func TestPushAndPull(t *testing.T) {
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers API %v", api), func(t *testing.T) {
			s := serve(t, served.WithReferrersSupport(api))
			here, there := newHost(t, nil), newHost(t, nil)
			img := here.bake("hello", "1.0", here.layer("a"), here.layer("b"))
			ref, err := here.push(img, s.ref("team/hello"))
			if err != nil || ref != s.ref("team/hello@")+string(img.Digest) {
				t.Fatalf("got %s, %v", ref, err)
			}
			// Two layers, the config, two documents and their one empty config.
			if last := here.last(); last.Blobs != 6 || last.BlobsTotal != 6 || last.There != 0 || last.Bytes != last.BytesTotal {
				t.Errorf("told at the end: %+v", last)
			}

			got, err := there.pull(s.ref("team/hello:1.0"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Digest != img.Digest || got.Application != "hello" || got.Version != "1.0" || got.State != slipway.ImageUntested ||
				!slices.Equal(got.Layers, img.Layers) || got.Service.Command[0] != "/bin/hello" || !got.Irreversible {
				t.Errorf("got %+v, want %+v, untested", got, img)
			}
			if last := there.last(); last.Blobs != 6 || last.There != 0 || last.Bytes != last.BytesTotal {
				t.Errorf("told at the end: %+v", last)
			}
			documents, err := there.images.Referrers(t.Context(), img.Digest, "")
			if err != nil || len(documents) != 2 {
				t.Fatalf("documents: %v, %v", documents, err)
			}
			if body, err := there.images.ReferrerBlob(t.Context(), documents[1]); err != nil || string(body) != "sbom of hello" {
				t.Errorf("got %q, %v", body, err)
			}

			s.mends()
			if _, err := here.push(img, s.ref("team/hello:1.0")); err != nil || s.count("PATCH", "") != 0 || here.last().There != 6 {
				t.Errorf("pushed again: %v, %d blobs sent", err, s.count("PATCH", ""))
			}
			if _, err := there.pull(s.ref("team/hello:1.0")); err != nil || s.count("GET", "/blobs/") != 0 || there.last().There != 6 {
				t.Errorf("pulled again: %v, %d blobs fetched", err, s.count("GET", "/blobs/"))
			}
			if again, err := there.pull(s.ref("team/hello@" + string(img.Digest))); err != nil || again.Version != "1.0" || !again.Created.Equal(got.Created) {
				t.Errorf("pulled by digest: got %+v, %v, want what was known", again, err)
			}
		})
	}
}

// What a push that broke off has sent is not sent again, and nothing names the image before all of it is there.
func TestPushGoesOn(t *testing.T) {
	s := serve(t)
	h := newHost(t, nil)
	img := h.bake("hello", "1.0", h.layer("a"), h.layer("b"))
	last := 0
	s.breaks("/blobs/uploads/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch && r.ContentLength == img.Layers[1].Size {
			if last++; last > 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	})
	_, err := h.push(img, s.ref("hello"))
	wantError(t, err, slipway.DeadlinePast, "cannot push blob", "hello image 1.0 (", "500 Internal Server Error, 3 times")
	r, _ := name.ParseReference(s.ref("hello:1.0"))
	if _, err := remote.Head(r); err == nil {
		t.Error("half an image has a tag")
	}
	s.mends()
	if _, err := h.push(img, s.ref("hello")); err != nil {
		t.Fatal(err)
	}
	if sent := s.count("PATCH", ""); sent < 1 || sent > 3 || h.last().There != 6-sent || h.last().Bytes != h.last().BytesTotal {
		t.Errorf("%d blobs sent, told %+v", sent, h.last())
	}
}

// A registry that has a layer in another repository is asked to share it.
func TestPushMounts(t *testing.T) {
	s := serve(t)
	h := newHost(t, nil)
	shared := h.layer("base")
	if _, err := h.push(h.bake("base", "1", shared), s.ref("team/base")); err != nil {
		t.Fatal(err)
	}
	s.mends()
	mounted := ""
	s.breaks("/v2/team/web/blobs/", func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, string(shared.Digest)) && mounted == "":
			w.WriteHeader(http.StatusNotFound) // real registries keep repositories apart
		case r.Method == http.MethodPost && q.Get("mount") == string(shared.Digest):
			mounted = q.Get("from")
			w.WriteHeader(http.StatusCreated)
		}
	})
	if _, err := h.push(h.bake("web", "1", shared, h.layer("web")), s.ref("team/web")); err != nil {
		t.Fatal(err)
	}
	if mounted != "team/base" {
		t.Errorf("mounted from %q, want team/base", mounted)
	}
}

func TestPushThatCannotBe(t *testing.T) {
	s := serve(t)
	h := newHost(t, nil)
	img := h.bake("hello", "1.0", h.layer("a"))
	_, err := h.push(img, s.ref("hello@"+string(slipway.DigestOf(nil))))
	wantError(t, err, slipway.Invalid, "that is the digest of another")
	_, err = h.push(img, "UPPER")
	wantError(t, err, slipway.Invalid, "cannot use \"UPPER\"")
	labelled := img
	labelled.Version = "1.0+build"
	_, err = h.push(labelled, s.ref("hello"))
	wantError(t, err, slipway.Invalid, "its version label can be no tag")
	revoked := img
	revoked.Revoked = &slipway.Revocation{Reason: "CVE-2026-1"}
	_, err = h.push(revoked, s.ref("hello"))
	wantError(t, err, slipway.Refused, "CVE-2026-1")
	if n := s.count("", "/"); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}

	blob := h.images.BlobPath(img.Layers[0].Digest)
	if err := errors.Join(os.Chmod(blob, 0o600), os.WriteFile(blob, make([]byte, img.Layers[0].Size), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = h.push(img, s.ref("hello"))
	wantError(t, err, slipway.Corrupt, "its content has the digest")
	if s.count("PUT", "/manifests/") != 0 {
		t.Error("a damaged image has a manifest in the registry")
	}
}

// What comes from a registry and is not what it should be is not registered; once the registry is well, it is.
func TestPullFaults(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		path  string
		fault http.HandlerFunc
		code  slipway.Code
		part  string
	}{
		"401":                     {"/v2/", status(401), slipway.Unprepared, "cannot log in to"},
		"500":                     {"/blobs/", status(500), slipway.DeadlinePast, "500 Internal Server Error, 3 times"},
		"gone":                    {"/manifests/", status(404), slipway.NotFound, "has no such image"},
		"a blob that is another":  {"/blobs/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }, slipway.Corrupt, "cannot fetch blob"},
		"a document that is gone": {"/referrers/", status(503), slipway.DeadlinePast, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, served.WithReferrersSupport(true))
			here, there := newHost(t, nil), newHost(t, nil)
			img := here.bake("hello", "1.0", here.layer("a"))
			if _, err := here.push(img, s.ref("hello")); err != nil {
				t.Fatal(err)
			}
			s.breaks(c.path, c.fault)
			_, err := there.pull(s.ref("hello:1.0"))
			wantError(t, err, c.code, c.part)
			if c.path != "/referrers/" {
				there.wantNothing()
			} else if _, err := there.store.Image(t.Context(), img.Digest); slipway.CodeOf(err) != slipway.NotFound {
				t.Errorf("registered: %v", err)
			}
			s.mends()
			if got, err := there.pull(s.ref("hello:1.0")); err != nil || got.Digest != img.Digest {
				t.Errorf("once it is well again: got %v, %v", got, err)
			}
		})
	}
}

func TestPullThatCannotBe(t *testing.T) {
	s := serve(t)
	here, there := newHost(t, nil), newHost(t, nil)
	s.push(t, "base:1", randomImage(t, 1))
	_, err := there.pull(s.ref("base:1"))
	wantError(t, err, slipway.Invalid, "it is no machine image of Slipway; to start one from it write image.from: oci:"+s.ref("base:1"))

	if _, err := here.push(here.bake("hello", "1.0", here.layer("a")), s.ref("hello")); err != nil {
		t.Fatal(err)
	}
	s.mends()
	_, err = there.Pull(t.Context(), s.ref("hello:1.0"), "web", there.tell)
	wantError(t, err, slipway.Conflict, "for web: it is an image of hello")
	if n := s.count("GET", "/blobs/"); n != 1 {
		t.Errorf("%d blobs were fetched to find that out, want the config alone", n)
	}
	_, err = registry.New(registry.Config{Patience: quick}).Layers(t.Context(), s.ref("hello:1.0"), imageDigest(t, s.ref("hello:1.0")))
	wantError(t, err, slipway.Invalid, "it is a machine image of Slipway; take it with `slipway image pull")

	evil := here.bake("../../etc", "1.0", here.layer("a"))
	if _, err := here.push(evil, s.ref("evil")); err != nil {
		t.Fatal(err)
	}
	_, err = there.pull(s.ref("evil:1.0"))
	wantError(t, err, slipway.Invalid, "what it says of itself cannot be")
	there.wantNothing()
}

// Whoever may write to a repository may say something about an image in it. What nobody would want to have is passed over.
func TestPullPassesOverHugeDocuments(t *testing.T) {
	part := func(size int64) string {
		return fmt.Sprintf(`{"mediaType": "text/plain", "digest": %q, "size": %d}`, slipway.DigestOf(fmt.Append(nil, size)), size)
	}
	for name, layers := range map[string][]string{
		"a big manifest": {fmt.Sprintf(`{"mediaType": "text/plain", "digest": %q, "size": 2, "annotations": {"note": %q}}`,
			slipway.DigestOf([]byte("{}")), strings.Repeat("x", 64<<10))},
		"many parts":                     slices.Repeat([]string{part(1)}, 17),
		"big parts":                      {part(60 << 20), part(61 << 20), part(62 << 20)},
		"more bytes than can be counted": {part(1<<63 - 1), part(1<<63 - 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, served.WithReferrersSupport(true))
			here, there := newHost(t, nil), newHost(t, nil)
			img := here.bake("hello", "1.0", here.layer("a"))
			if _, err := here.push(img, s.ref("hello")); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf(`{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "application/spam",
				"config": %s, "layers": [%s], "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": %q, "size": 1}}`,
				part(2), strings.Join(layers, ", "), img.Digest)
			url := s.URL + "/v2/hello/manifests/" + string(slipway.DigestOf([]byte(text)))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusCreated {
				t.Fatalf("cannot put the document: %s", answer.Status)
			}
			if _, err := there.pull(s.ref("hello:1.0")); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(there.told, func(t slipway.Transfer) bool {
				return strings.HasPrefix(t.Message, "passed over the document application/spam")
			}) {
				t.Error("nobody is told")
			}
			documents, err := there.images.Referrers(t.Context(), img.Digest, "")
			if err != nil || len(documents) != 2 {
				t.Errorf("got %d documents, %v, want the image's own two", len(documents), err)
			}
		})
	}
}

func imageDigest(t *testing.T, ref string) slipway.Digest {
	t.Helper()
	d, err := registry.New(registry.Config{Patience: quick}).Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// verdict is a verifier that says the same of every image.
type verdict struct{ err error }

func (v verdict) VerifyImage(context.Context, slipway.Digest) (slipway.Verification, error) {
	return slipway.Verification{}, v.err
}

// A pulled image is ready only if what is signed about it can be trusted, and is not registered if it is not what was signed.
func TestPullTrusts(t *testing.T) {
	s := serve(t)
	here := newHost(t, nil)
	if _, err := here.push(here.bake("hello", "1.0", here.layer("a")), s.ref("hello")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err   error
		state slipway.ImageState
	}{{nil, slipway.ImageReady}, {slipway.Errorf(slipway.Refused, "cannot trust it"), slipway.ImageUntested}} {
		there := newHost(t, verdict{c.err})
		got, err := there.pull(s.ref("hello:1.0"))
		if err != nil || got.State != c.state {
			t.Errorf("verified with %v: got %s, %v, want %s", c.err, got.State, err, c.state)
		}
		if last := there.last().Message; c.err != nil && last != "the image stays untested: cannot trust it" {
			t.Errorf("told last: %q", last)
		}
	}
	there := newHost(t, verdict{slipway.Errorf(slipway.Corrupt, "cannot verify it: a part is another")})
	_, err := there.pull(s.ref("hello:1.0"))
	wantError(t, err, slipway.Corrupt, "a part is another")
	if images, err := there.store.Images(t.Context(), ""); err != nil || len(images) > 0 {
		t.Errorf("registered: %v, %v", images, err)
	}

	// What was pulled before its key was trusted is ready once it is pulled again.
	later := &verdict{slipway.Errorf(slipway.Refused, "cannot trust it yet")}
	there = newHost(t, later)
	if _, err := there.pull(s.ref("hello:1.0")); err != nil {
		t.Fatal(err)
	}
	later.err = nil
	if got, err := there.pull(s.ref("hello:1.0")); err != nil || got.State != slipway.ImageReady {
		t.Errorf("pulled again: got %s, %v, want it ready", got.State, err)
	}
}

// Giving up ends a transfer, and leaves nothing that counts.
func TestPullGivenUp(t *testing.T) {
	s := serve(t)
	here, there := newHost(t, nil), newHost(t, nil)
	img := here.bake("hello", "1.0", here.layer("a"))
	if _, err := here.push(img, s.ref("hello")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.breaks("/blobs/"+string(img.Layers[0].Digest), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(img.Layers[0].Size))
		io.WriteString(w, "some")
		w.(*seenWriter).ResponseWriter.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	_, err := there.Pull(ctx, s.ref("hello:1.0"), "", there.tell)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	there.wantNothing()
}
