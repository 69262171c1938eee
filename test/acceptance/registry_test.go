package acceptance

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
)

// hub is a script's registry.
type hub struct {
	host string

	mu    sync.Mutex
	fault string
}

// registry gives the script a registry, whose host is $REGISTRY from then on; puts an image into it that has a layer for each file, in
// /etc; and makes it answer wrongly from then on:
//
//	registry start
//	registry push repository:tag file…
//	registry answer well | 401 | 500 | otherwise
func registry(ts *testscript.TestScript, neg bool, args []string) {
	script := ts.Value(daemonKey{}).(*script)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: registry start | push repository:tag file… | answer well | answer 401 | answer 500 | answer otherwise")
	case args[0] == "start":
		h := &hub{}
		server := httptest.NewServer(h.handler())
		ts.Defer(server.Close)
		h.host = strings.TrimPrefix(server.URL, "http://")
		ts.Setenv("REGISTRY", h.host)
		script.registry = h
	case args[0] == "push" && len(args) > 2:
		var layers []v1.Layer
		for _, file := range args[2:] {
			content, err := os.ReadFile(ts.MkAbs(file))
			ts.Check(err)
			layer, err := layerOf("etc/"+path.Base(file), content)
			ts.Check(err)
			layers = append(layers, layer)
		}
		ts.Check(script.registry.push(args[1], layers))
	case args[0] == "answer" && len(args) == 2:
		script.registry.mu.Lock()
		defer script.registry.mu.Unlock()
		script.registry.fault = args[1]
	default:
		ts.Fatalf("unknown: registry %s", strings.Join(args, " "))
	}
}

// handler is the registry, and what it does wrong.
func (h *hub) handler() http.Handler {
	inner := served.New(served.Logger(log.New(io.Discard, "", 0)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		fault := h.fault
		h.mu.Unlock()
		blob := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
		switch {
		case fault == "401":
			w.Header().Set("WWW-Authenticate", `Basic realm="the registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		case fault == "500" && blob:
			w.WriteHeader(http.StatusInternalServerError)
		case fault == "otherwise" && blob:
			fmt.Fprint(w, strings.Repeat("not what was asked for", 1000))
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

func (h *hub) push(ref string, layers []v1.Layer) error {
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return err
	}
	r, err := name.ParseReference(h.host + "/" + ref)
	if err != nil {
		return err
	}
	return remote.Write(r, img)
}

// layerOf packs a file.
func layerOf(name string, content []byte) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil })
}
