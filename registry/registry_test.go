package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/registry"
)

// quick is a patience for tests: faults that pass are tried again at once.
var quick = registry.Patience{Pauses: []time.Duration{time.Millisecond, time.Millisecond}}

// server is a registry in this process, with a fault that can be switched on, and a note of all it was asked.
type server struct {
	*httptest.Server
	host string

	mu    sync.Mutex
	fault http.HandlerFunc // answers instead of the registry unless it returns without having written anything
	asked []string         // "GET /v2/…"
}

func serve(t *testing.T, options ...served.Option) *server {
	t.Helper()
	inner := served.New(append(options, served.Logger(log.New(io.Discard, "", 0)))...)
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		fault := s.fault
		s.mu.Unlock()
		if fault != nil {
			seen := &seenWriter{ResponseWriter: w}
			if fault(seen, r); seen.seen {
				return
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(s.URL, "http://")
	return s
}

type seenWriter struct {
	http.ResponseWriter
	seen bool
}

func (w *seenWriter) WriteHeader(status int) { w.seen = true; w.ResponseWriter.WriteHeader(status) }
func (w *seenWriter) Write(p []byte) (int, error) {
	w.seen = true
	return w.ResponseWriter.Write(p)
}
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// breaks makes requests whose path contains part be answered by fault, one after the other.
func (s *server) breaks(part string, fault http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var turn sync.Mutex
	s.fault = func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, part) {
			turn.Lock()
			defer turn.Unlock()
			fault(w, r)
		}
	}
}

func (s *server) mends() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.asked = nil, nil
}

// count returns how often a request with that method and part of a path was asked.
func (s *server) count(method, part string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.HasPrefix(a, method+" ") && strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func (s *server) ref(name string) string { return s.host + "/" + name }

func (s *server) push(t *testing.T, ref string, img v1.Image) slipway.Digest {
	t.Helper()
	r, err := name.ParseReference(s.ref(ref))
	if err == nil {
		err = remote.Write(r, img, remote.WithNondistributable)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return slipway.Digest(d.String())
}

func randomImage(t *testing.T, layers int64) v1.Image {
	t.Helper()
	img, err := random.Image(5000, layers)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func wantError(t *testing.T, err error, code slipway.Code, parts ...string) {
	t.Helper()
	if slipway.CodeOf(err) != code {
		t.Fatalf("got %v (%s), want %s", err, slipway.CodeOf(err), code)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want …%s…", err, part)
		}
	}
}

// fetch returns the bytes of a layer, and how often they were begun.
func fetch(ctx context.Context, c *registry.Client, ref string, l slipway.RemoteLayer) (content []byte, begun int, err error) {
	err = c.FetchLayer(ctx, ref, l, func(r io.Reader) (err error) {
		begun++
		content, err = io.ReadAll(r)
		return err
	})
	return content, begun, err
}

func TestResolveAndFetch(t *testing.T) {
	s := serve(t)
	img := randomImage(t, 3)
	digest := s.push(t, "team/base:1", img)
	c := registry.New(registry.Config{Patience: quick})
	got, err := c.Resolve(t.Context(), s.ref("team/base:1"))
	if err != nil || got != digest {
		t.Fatalf("got %s, %v, want %s", got, err, digest)
	}
	layers, err := c.Layers(t.Context(), s.ref("team/base:1"), digest)
	if err != nil || len(layers) != 3 {
		t.Fatalf("got %v, %v, want three layers", layers, err)
	}
	for _, l := range layers {
		content, _, err := fetch(t.Context(), c, s.ref("team/base:1"), l)
		if err != nil || slipway.DigestOf(content) != l.Digest || int64(len(content)) != l.Size {
			t.Errorf("got %d bytes, %v, want those of %v", len(content), err, l)
		}
	}
}

// A reference with a digest means that digest; nobody is asked.
func TestResolveDigestAsksNobody(t *testing.T) {
	s := serve(t)
	digest := slipway.DigestOf([]byte("x"))
	got, err := registry.New(registry.Config{}).Resolve(t.Context(), s.ref("base@"+string(digest)))
	if err != nil || got != digest || s.count("", "/") != 0 {
		t.Errorf("got %s, %v after asking %v", got, err, s.asked)
	}
}

// Of an index the image for this host is meant.
func TestResolveIndex(t *testing.T) {
	s := serve(t)
	mine, other := randomImage(t, 1), randomImage(t, 1)
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: randomImage(t, 1), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}},
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
		mutate.IndexAddendum{Add: mine, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}})
	r, err := name.ParseReference(s.ref("base:multi"))
	if err == nil {
		err = remote.WriteIndex(r, index)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := registry.New(registry.Config{Patience: quick})
	want, _ := mine.Digest()
	got, err := c.Resolve(t.Context(), s.ref("base:multi"))
	if err != nil || string(got) != want.String() {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	ofIndex, _ := index.Digest()
	if layers, err := c.Layers(t.Context(), s.ref("base:multi"), slipway.Digest(ofIndex.String())); err != nil || len(layers) != 1 {
		t.Errorf("layers of the index itself: got %v, %v, want those of the image for this host", layers, err)
	}

	only := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}},
	})
	if err := remote.WriteIndex(r, only); err != nil {
		t.Fatal(err)
	}
	_, err = c.Resolve(t.Context(), s.ref("base:multi"))
	wantError(t, err, slipway.Invalid, "no image for linux/"+runtime.GOARCH, "only for: linux/s390x")
}

// What a registry answers instead of an image is told in words that help, and is asked again only if that can help.
func TestRegistryFaults(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "never mind", status) }
	}
	for _, c := range []struct {
		name  string
		fault http.HandlerFunc
		code  slipway.Code
		parts []string
		tries int // 0: any number
	}{
		{"401", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			answer(401)(w, r)
		}, slipway.Unprepared, []string{"cannot log in to 127.0.0.1", "401 Unauthorized", "config.json"}, 1},
		{"403", answer(403), slipway.Unprepared, []string{"cannot log in to", "403 Forbidden"}, 1},
		{"404", answer(404), slipway.NotFound, []string{"has no such image", "404"}, 1},
		{"429", answer(429), slipway.DeadlinePast, []string{"429 Too Many Requests, 3 times"}, 3},
		{"500", answer(500), slipway.DeadlinePast, []string{"500 Internal Server Error, 3 times"}, 3},
		{"503", answer(503), slipway.DeadlinePast, []string{"503 Service Unavailable, 3 times"}, 3},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			slipway.DeadlinePast, []string{"cannot be reached, 3 times"}, 0}, // net/http tries once more of its own accord
		{"says nothing", func(w http.ResponseWriter, r *http.Request) { w.(*seenWriter).seen = true; <-r.Context().Done() },
			slipway.DeadlinePast, []string{"does not answer in time, 3 times"}, 3},
		{"talks nonsense", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			w.Write([]byte("<html>"))
		}, slipway.Invalid, []string{"its index cannot be read"}, 1},
		{"has something else", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte("<html>"))
		}, slipway.Invalid, []string{`it is no image but "text/html"`}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			digest := s.push(t, "base:1", randomImage(t, 1))
			patience := quick
			patience.Answer = 100 * time.Millisecond
			client := registry.New(registry.Config{Patience: patience})
			s.mends()
			s.breaks("/manifests/", c.fault)
			_, err := client.Resolve(t.Context(), s.ref("base:1"))
			wantError(t, err, c.code, append(c.parts, s.ref("base:1"))...)
			if got := s.count("GET", "/manifests/"); got != c.tries && c.tries > 0 {
				t.Errorf("asked %d times, want %d", got, c.tries)
			}
			s.mends()
			if got, err := client.Resolve(t.Context(), s.ref("base:1")); err != nil || got != digest {
				t.Errorf("once it is well again: got %s, %v", got, err)
			}
		})
	}
}

// A fault that passes is not noticed.
func TestTriesAgain(t *testing.T) {
	s := serve(t)
	digest := s.push(t, "base:1", randomImage(t, 1))
	left := 2
	s.breaks("/manifests/", func(w http.ResponseWriter, _ *http.Request) {
		if left--; left >= 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	if got, err := registry.New(registry.Config{Patience: quick}).Resolve(t.Context(), s.ref("base:1")); err != nil || got != digest {
		t.Errorf("got %s, %v, want %s", got, err, digest)
	}
}

// A manifest that is not what its digest names is refused.
func TestWrongManifest(t *testing.T) {
	s := serve(t)
	digest := s.push(t, "base:1", randomImage(t, 1))
	s.breaks("/manifests/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
		w.Write([]byte(`{"schemaVersion":2}`))
	})
	_, err := registry.New(registry.Config{Patience: quick}).Layers(t.Context(), s.ref("base:1"), digest)
	wantError(t, err, slipway.Corrupt, "cannot be used", "does not match")
}

// A blob that is not what its digest names never ends well for whoever reads it.
func TestWrongBlobs(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		length func(int) int // that is announced
		code   slipway.Code
		part   string
		begun  int
	}{
		{"another", func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) }, nil, slipway.Corrupt, "its content has the digest sha256:", 1},
		{"longer", func(b []byte) []byte { return append(b, "more"...) }, nil, slipway.Corrupt, "it is longer than", 1},
		{"shorter", func(b []byte) []byte { return b[:100] }, nil, slipway.Corrupt, "sent 100 of", 3},
		{"cut off", func(b []byte) []byte { return b[:100] }, func(n int) int { return n }, slipway.DeadlinePast, "cannot be reached, 3 times", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			img := randomImage(t, 1)
			digest := s.push(t, "base:1", img)
			client := registry.New(registry.Config{Patience: quick})
			layers, err := client.Layers(t.Context(), s.ref("base:1"), digest)
			if err != nil {
				t.Fatal(err)
			}
			good, _, err := fetch(t.Context(), client, s.ref("base:1"), layers[0])
			if err != nil {
				t.Fatal(err)
			}
			s.breaks("/blobs/", func(w http.ResponseWriter, _ *http.Request) {
				if c.length != nil {
					w.Header().Set("Content-Length", "5000")
				}
				w.Write(c.change(bytes.Clone(good)))
			})
			_, begun, err := fetch(t.Context(), client, s.ref("base:1"), layers[0])
			wantError(t, err, c.code, c.part)
			if begun != c.begun {
				t.Errorf("begun %d times, want %d", begun, c.begun)
			}
		})
	}
}

// A blob whose connection breaks in the middle is fetched again.
func TestBlobBreaks(t *testing.T) {
	s := serve(t)
	digest := s.push(t, "base:1", randomImage(t, 1))
	client := registry.New(registry.Config{Patience: quick})
	layers, err := client.Layers(t.Context(), s.ref("base:1"), digest)
	if err != nil {
		t.Fatal(err)
	}
	broken := false
	s.breaks("/blobs/", func(w http.ResponseWriter, _ *http.Request) {
		if !broken {
			broken = true
			w.Header().Set("Content-Length", "5000")
			w.Write([]byte("only this"))
		}
	})
	content, begun, err := fetch(t.Context(), client, s.ref("base:1"), layers[0])
	if err != nil || begun != 2 || slipway.DigestOf(content) != layers[0].Digest {
		t.Errorf("got %d bytes after %d tries, %v", len(content), begun, err)
	}
}

// A reader's own trouble ends the fetch at once, and is what is told.
func TestTakeFails(t *testing.T) {
	s := serve(t)
	digest := s.push(t, "base:1", randomImage(t, 1))
	client := registry.New(registry.Config{Patience: quick})
	layers, err := client.Layers(t.Context(), s.ref("base:1"), digest)
	if err != nil {
		t.Fatal(err)
	}
	full, begun := errors.New("disk full"), 0
	err = client.FetchLayer(t.Context(), s.ref("base:1"), layers[0], func(io.Reader) error { begun++; return full })
	if !errors.Is(err, full) || begun != 1 {
		t.Errorf("got %v after %d tries", err, begun)
	}
}

// Giving up ends a fetch that hangs, and is told as that.
func TestCancel(t *testing.T) {
	s := serve(t)
	s.push(t, "base:1", randomImage(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	s.breaks("/manifests/", func(w http.ResponseWriter, r *http.Request) {
		w.(*seenWriter).seen = true
		cancel()
		<-r.Context().Done()
	})
	_, err := registry.New(registry.Config{}).Resolve(ctx, s.ref("base:1"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// Layers that must not be distributed, or are no archives, are refused before anything is fetched.
func TestLayersThatCannotBe(t *testing.T) {
	for media, part := range map[types.MediaType]string{
		types.DockerForeignLayer: "it must not be distributed",
		types.OCIRestrictedLayer: "it must not be distributed",
		"application/wasm":       `it is no tar archive but "application/wasm"`,
	} {
		s := serve(t)
		img, err := mutate.Append(randomImage(t, 1), mutate.Addendum{Layer: static.NewLayer([]byte("x"), media), MediaType: media})
		if err != nil {
			t.Fatal(err)
		}
		digest := s.push(t, "base:1", img)
		_, err = registry.New(registry.Config{Patience: quick}).Layers(t.Context(), s.ref("base:1"), digest)
		wantError(t, err, slipway.Invalid, "layer 2 of 2", part)
	}
}

// Credentials are Docker's. Wrong ones are refused without being told to anyone.
func TestCredentials(t *testing.T) {
	s := serve(t)
	digest := s.push(t, "base:1", randomImage(t, 1))
	s.breaks("/", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "opensesame" {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	client := registry.New(registry.Config{Patience: quick})
	for _, c := range []struct {
		password string
		good     bool
	}{{"", false}, {"swordfish", false}, {"opensesame", true}} {
		config := `{}`
		if c.password != "" {
			config = `{"auths": {"` + s.host + `": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("ann:"+c.password)) + `"}}}`
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := client.Resolve(t.Context(), s.ref("base:1"))
		if c.good {
			if err != nil || got != digest {
				t.Errorf("with the right password: got %s, %v", got, err)
			}
			continue
		}
		wantError(t, err, slipway.Unprepared, "cannot log in to "+s.host, filepath.Join(dir, "config.json"))
		if c.password != "" && strings.Contains(err.Error(), c.password) {
			t.Errorf("the password is in %q", err)
		}
	}
}

// A file of credentials that cannot be read is told as that.
func TestBrokenCredentials(t *testing.T) {
	s := serve(t)
	s.push(t, "base:1", randomImage(t, 1))
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	for _, config := range []string{`{"auths": {`, `{"credsStore": "none-of-that-name"}`} {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := registry.New(registry.Config{Patience: quick}).Resolve(t.Context(), s.ref("base:1"))
		wantError(t, err, slipway.Unprepared, "the credentials in "+filepath.Join(dir, "config.json"), "cannot be used")
	}
}

// A registry whose certificate nobody vouches for is not spoken to.
func TestTLS(t *testing.T) {
	s := serve(t)
	s.push(t, "base:1", randomImage(t, 1))
	client := registry.New(registry.Config{Patience: quick})
	tls := httptest.NewUnstartedServer(s.Config.Handler)
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	_, err := client.Resolve(t.Context(), strings.TrimPrefix(tls.URL, "https://")+"/base:1")
	wantError(t, err, slipway.Unprepared, "certificate")
}

func TestReferencesThatAreNone(t *testing.T) {
	client := registry.New(registry.Config{})
	for _, ref := range []string{"", "UPPER/case", "a:b:c", "host/x@sha256:12", "host/x@sha512:" + strings.Repeat("a", 128), "-"} {
		if _, err := client.Resolve(t.Context(), ref); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: got %v, want invalid", ref, err)
		}
	}
}
