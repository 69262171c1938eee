package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/slipway-sh/slipway"
)

// pair is two servers, each on a socket of its own, of which one serves at a time.
type pair struct {
	sockets [2]string
	asked   [2]atomic.Int64
	stop    func()
}

func newPair(t *testing.T) *pair {
	dir := t.TempDir()
	p := &pair{sockets: [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, stop: func() {}}
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *pair) client(t *testing.T) *Client {
	c, err := New("unix:" + p.sockets[0] + ", unix:" + p.sockets[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// serve has the n-th serve, and the other not any more.
func (p *pair) serve(t *testing.T, n int, handler http.HandlerFunc) {
	p.stop()
	l, err := net.Listen("unix", p.sockets[n])
	if err != nil {
		t.Error(err)
		return
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.asked[n].Add(1); handler(w, r) })}
	go func() { _ = s.Serve(l) }()
	p.stop = func() { s.Close() }
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"version":"`+r.Method+" "+r.URL.Path+" "+string(b)+`"}`)
}

func TestFailover(t *testing.T) {
	p := newPair(t)
	c := p.client(t)
	ask := func(want string, method string, body any) {
		t.Helper()
		if got, err := call[Health](t.Context(), c, method, "/x%2Fy", body); err != nil || got.Version != want {
			t.Errorf("got %q, %v, want %q", got.Version, err, want)
		}
	}
	p.serve(t, 0, echo)
	ask("GET /x/y ", http.MethodGet, nil)
	p.serve(t, 1, echo)
	ask("POST /x/y 17", http.MethodPost, 17)
	ask("GET /x/y ", http.MethodGet, nil)
	if a, b := p.asked[0].Load(), p.asked[1].Load(); a != 1 || b != 2 {
		t.Errorf("one was asked %d times, the other %d times, want 1 and 2", a, b)
	}
	c = p.client(t)                                                                                                         // looks at the first, which is dead, first
	if err := c.PutBlob(t.Context(), slipway.DigestOf(nil), 3, struct{ io.Reader }{strings.NewReader("abc")}); err != nil { // a body that is there once
		t.Errorf("an upload: %v", err)
	}
	if p.asked[1].Load() != 3 {
		t.Error("the upload did not come")
	}
}

// TestFailoverWaits asks while none serves yet.
func TestFailoverWaits(t *testing.T) {
	p := newPair(t)
	c := p.client(t)
	answered := make(chan error)
	go func() {
		_, err := c.Health(t.Context())
		answered <- err
	}()
	p.serve(t, 1, echo)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestFailoverRepeatsQuestionsAlone(t *testing.T) {
	p := newPair(t)
	c := p.client(t)
	breaks := func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack() // it dies while it works
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}
	p.serve(t, 0, breaks)
	if _, err := call[Health](t.Context(), c, http.MethodPut, "/x", 1); !errors.Is(err, ErrUnanswered) {
		t.Errorf("err = %v, want %v: it may have been carried out", err, ErrUnanswered)
	}
	if n := p.asked[0].Load(); n != 1 {
		t.Errorf("it was sent %d times", n)
	}

	// A POST has a key, with which it is carried out once. The next server may not know yet what came of it.
	var keys []string
	p.serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get(keyHeader))
		switch len(keys) {
		case 1:
			breaks(w, r)
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusConflict)
		default:
			echo(w, r)
		}
	})
	if got, err := call[Health](t.Context(), c, http.MethodPost, "/x", 1); err != nil || got.Version != "POST /x 1" {
		t.Errorf("got %q, %v", got.Version, err)
	}
	if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
		t.Errorf("the keys were %q, want one, three times", keys)
	}

	var once atomic.Bool
	p.serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		if once.CompareAndSwap(false, true) {
			breaks(w, r)
			return
		}
		echo(w, r)
	})
	if _, err := c.Health(t.Context()); err != nil {
		t.Errorf("a question: %v", err)
	}
}

func TestFailoverWantsServers(t *testing.T) {
	for _, server := range []string{",", "unix:/a,", "unix:/a,localhost:80"} {
		if _, err := New(server); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: err = %v", server, err)
		}
	}
}
