package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCountsEveryRequest(t *testing.T) {
	var asked, connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n%10 == 0:
			http.Error(w, "no", http.StatusServiceUnavailable)
		case n%2 == 0:
			io.WriteString(w, "even")
		default:
			io.WriteString(w, "odd")
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	g := Start(t.Context(), Options{URL: server.URL, Rate: 1000, Label: func(b []byte) string { return string(b) }})
	if err := g.Await(t.Context(), 90); err != nil {
		t.Fatal(err)
	}
	c := g.Stop()
	if c.Sent != asked.Load() || c.Failed != asked.Load()/10 || c.Open != 0 {
		t.Errorf("server was asked %d times, failed %d: counted %+v", asked.Load(), asked.Load()/10, c)
	}
	if got := c.Labels["odd"] + c.Labels["even"]; got != c.Sent-c.Failed || c.Labels["even"] == 0 {
		t.Errorf("labels %v do not add up to %d", c.Labels, c.Sent-c.Failed)
	}
	if f := g.Failures(); len(f) == 0 || f[0].What == "" {
		t.Errorf("failures are not kept: %v", f)
	}
	// A quarter of the requests have a connection of their own, the others share.
	if n := connections.Load(); n < c.Sent/4 || n >= c.Sent {
		t.Errorf("%d requests came over %d connections", c.Sent, n)
	}
}

func TestIsAnOpenLoop(t *testing.T) {
	var once sync.Once
	release, flood := make(chan struct{}), make(chan struct{})
	var waiting atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if waiting.Add(1) == 50 {
			once.Do(func() { close(flood) })
		}
		<-release
	}))
	defer server.Close()

	g := Start(t.Context(), Options{URL: server.URL, Rate: 500})
	<-flood // fifty requests are under way though not one has been answered
	close(release)
	if c := g.Stop(); c.Failed != 0 || c.Sent < 50 {
		t.Errorf("counted %+v", c)
	}
}

func TestStoppedServerFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	g := Start(t.Context(), Options{URL: url, Rate: 200})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := g.Await(ctx, 1); err == nil {
		t.Error("Await saw a good answer of a server that is not there")
	}
	if c := g.Stop(); c.Failed == 0 || c.Failed != c.Sent {
		t.Errorf("counted %+v", c)
	}
}

func TestMinus(t *testing.T) {
	a := Counts{Sent: 10, Failed: 1, Labels: map[string]int64{"v1": 9}}
	b := Counts{Sent: 30, Failed: 3, Labels: map[string]int64{"v1": 9, "v2": 18}}
	d := b.Minus(a)
	if d.Sent != 20 || d.Failed != 2 || len(d.Labels) != 1 || d.Labels["v2"] != 18 {
		t.Errorf("got %+v", d)
	}
}
