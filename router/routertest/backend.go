package routertest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// Backend is an HTTP service on loopback that stands for an instance. It answers with its group's name.
//
//	/healthz  200
//	/hold     begins to answer when Release is called
//	/stream   answers "begin" at once and "end" when Release is called
//	/slow     works for 20 ms, so that under load some requests are always under way
//	/fail     500
type Backend struct {
	Target slipway.Target
	Served atomic.Int64  // requests that reached it, health checks aside
	Held   chan struct{} // receives when a /hold or /stream request has arrived

	server  *httptest.Server
	release chan struct{}
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
}

// NewBackend starts a backend, active with weight 1. It ends with the test.
func NewBackend(t testing.TB, group, instance string) *Backend {
	t.Helper()
	b := &Backend{Held: make(chan struct{}, 1000), release: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(b.serve))
	b.server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch s {
		case http.StateNew:
			b.conns[c] = struct{}{}
		case http.StateClosed, http.StateHijacked:
			delete(b.conns, c)
		}
	}
	b.server.Start()
	host, port, _ := net.SplitHostPort(b.server.Listener.Addr().String())
	n, _ := strconv.Atoi(port)
	b.Target = slipway.Target{Instance: instance, Group: group, Address: host, Port: n, Mode: slipway.Active, Weight: 1}
	t.Cleanup(b.Kill)
	return b
}

// Release lets all held requests, and those to come, go on.
func (b *Backend) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.release:
	default:
		close(b.release)
	}
}

// Kill ends the backend as a crash does: its listener is gone and all its connections are reset, requests under way included.
func (b *Backend) Kill() {
	b.server.Listener.Close()
	b.mu.Lock()
	for c := range b.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	b.mu.Unlock()
	b.Release()
	b.server.Close()
}

func (b *Backend) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		return
	}
	b.Served.Add(1)
	switch r.URL.Path {
	case "/hold":
		b.Held <- struct{}{}
		<-b.release
	case "/stream":
		fmt.Fprint(w, "begin ")
		w.(http.Flusher).Flush()
		b.Held <- struct{}{}
		<-b.release
		fmt.Fprint(w, "end ")
	case "/slow":
		time.Sleep(20 * time.Millisecond)
	case "/fail":
		http.Error(w, "failed on purpose", http.StatusInternalServerError)
		return
	}
	io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, b.Target.Group)
}

// group starts n backends of a server group.
func group(t testing.TB, name string, n int) []*Backend {
	t.Helper()
	list := make([]*Backend, n)
	for i := range list {
		list[i] = NewBackend(t, name, fmt.Sprintf("i-%s-%d", name, i))
	}
	return list
}

// in returns the backends' targets in a mode.
func in(mode slipway.TargetMode, backends ...*Backend) []slipway.Target {
	list := make([]slipway.Target, len(backends))
	for i, b := range backends {
		list[i] = b.Target
		list[i].Mode = mode
	}
	return list
}
