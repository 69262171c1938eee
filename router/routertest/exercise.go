// Package routertest is what every [slipway.Router] must pass.
package routertest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/load"
)

// Opener opens the router under test, and returns what closes it. Opened again it finds the data plane that the last one left,
// as slipwayd does when it starts again.
type Opener func() (router slipway.Router, closeRouter func())

// Exercise runs the suite. newRouter is called once for every case and returns the Opener of a data plane of its own, which it
// cleans up with the test.
func Exercise(t *testing.T, newRouter func(t *testing.T) Opener) {
	for _, c := range slices.Concat(cases, stickyCases) {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			s := &suite{t: t, ctx: ctx, open: newRouter(t), port: FreePort(t)}
			s.reopen()
			t.Cleanup(func() { s.close() })
			c.run(t, s)
		})
	}
}

// testCase is one thing that a router must do.
type testCase struct {
	name string
	run  func(t *testing.T, s *suite)
}

// cases are those of every pool.
var cases = []testCase{
	{"first request after a change goes through", firstRequest},
	{"shifts under load", shifts},
	{"weights", weights},
	{"standby takes over when all active targets die", fallover},
	{"standby gets nothing while an active target is up", standbyIdle},
	{"one of several active targets dies", oneDies},
	{"a request that was sent is not sent again unless it is safe to", noRepeat},
	{"requests under way finish", drain},
	{"requests under way on a removed target are cut after the drain time", cut},
	{"counters", counters},
	{"latency", latency},
	{"counters grow through all modes", modes},
	{"setting a pool again changes nothing", idempotent},
	{"a second listener disturbs nobody", secondListener},
	{"a listener moves", move},
	{"removal", removal},
	{"a port in use", portInUse},
	{"invalid pools", invalid},
	{"no targets", noTargets},
	{"survives its control plane", restart},
	{"tcp", tcp},
	{"many targets", manyTargets},
	{"concurrent callers", concurrent},
}

// FreePort returns a port of 127.0.0.1 that nothing listens on, and that the kernel gives to no connection by itself: those of the
// suite's own clients and backends would take it before the router does.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 16384 + rand.IntN(16384) // Linux gives out those from 32768
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func firstRequest(t *testing.T, s *suite) {
	for i := range 10 {
		name := fmt.Sprintf("v%d", i)
		s.set(in(slipway.Active, group(t, name, 2)...)...)
		for range 4 {
			if got := s.get("/"); got != name {
				t.Fatalf("after the change to %s: %s answered", name, got)
			}
		}
	}
}

func shifts(t *testing.T, s *suite) {
	blue, green := group(t, "blue", 3), group(t, "green", 3)
	s.set(in(slipway.Active, blue...)...)
	g := s.load("/")
	for range 10 {
		young := green[0].Target.Group
		s.await(g, 100)
		s.set(slices.Concat(in(slipway.Active, green...), in(slipway.Standby, blue...))...)
		s.onlyServedBy(g, young)
		s.set(slices.Concat(in(slipway.Active, green...), in(slipway.Off, blue...))...)
		s.await(g, 50)
		s.set(in(slipway.Active, green...)...)
		s.onlyServedBy(g, young)
		blue, green = green, blue
	}
	s.noneFailed(g)
}

func weights(t *testing.T, s *suite) {
	a, b := NewBackend(t, "a", "i-a"), NewBackend(t, "b", "i-b")
	for _, c := range []struct{ a, b int }{{1, 3}, {9, 1}, {128, 256}} {
		a.Target.Weight, b.Target.Weight = c.a, c.b
		s.set(a.Target, b.Target)
		a.Served.Store(0)
		b.Served.Store(0)
		const n = 400
		for range n {
			s.get("/")
		}
		want := n * c.a / (c.a + c.b)
		if got := int(a.Served.Load()); got < want-n/20 || got > want+n/20 {
			t.Errorf("weights %d to %d: %d of %d requests to the first, want about %d", c.a, c.b, got, n, want)
		}
	}
}

func fallover(t *testing.T, s *suite) {
	for round := range 3 {
		bad, good := group(t, fmt.Sprintf("bad%d", round), 3), group(t, fmt.Sprintf("good%d", round), 3)
		s.set(slices.Concat(in(slipway.Active, bad...), in(slipway.Standby, good...))...)
		g := s.load("/slow")
		s.await(g, 200)
		var all sync.WaitGroup
		for _, b := range bad {
			all.Go(b.Kill)
		}
		all.Wait()
		s.await(g, 300)
		s.noneFailed(g)
		if n := g.Counts().Labels[good[0].Target.Group]; n < 300 {
			t.Errorf("the standby targets served %d requests, want at least 300", n)
		}
		s.until("the dead targets are seen to be down", func(p slipway.PoolStatus) bool {
			return !slices.ContainsFunc(p.Targets, func(t slipway.TargetStatus) bool { return t.Mode == slipway.Active && t.Up })
		})
	}
}

func standbyIdle(t *testing.T, s *suite) {
	active, standby := group(t, "active", 2), group(t, "standby", 2)
	s.set(slices.Concat(in(slipway.Active, active...), in(slipway.Standby, standby...))...)
	for range 50 {
		s.get("/")
	}
	for _, b := range standby {
		if n := b.Served.Load(); n != 0 {
			t.Errorf("a standby target served %d requests", n)
		}
	}
}

func oneDies(t *testing.T, s *suite) {
	backends := group(t, "v1", 3)
	s.set(in(slipway.Active, backends...)...)
	g := s.load("/slow")
	s.await(g, 100)
	backends[0].Kill()
	s.await(g, 200)
	s.noneFailed(g)
}

func noRepeat(t *testing.T, s *suite) {
	a, b := NewBackend(t, "a", "i-a"), NewBackend(t, "b", "i-b")
	s.set(slices.Concat(in(slipway.Active, a), in(slipway.Standby, b))...)
	status := make(chan int, 1)
	go func() {
		res, err := http.Post(s.url("/hold"), "text/plain", strings.NewReader("order one"))
		if err != nil {
			status <- 0
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	<-a.Held
	a.Kill()
	if got := <-status; got == http.StatusOK {
		t.Error("a POST that was under way on a target that died succeeded: it must have been sent twice")
	}
	if n := b.Served.Load(); n != 0 {
		t.Errorf("a POST was sent again: the other target saw %d requests", n)
	}
	// A connection that could not be made has sent nothing.
	for range 5 {
		res, err := http.Post(s.url("/"), "text/plain", strings.NewReader("order two"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("POST with a dead active target: status %s", res.Status)
		}
	}
}

func drain(t *testing.T, s *suite) {
	for name, leave := range map[string]func(old, young *Backend) []slipway.Target{
		"off": func(old, young *Backend) []slipway.Target {
			return slices.Concat(in(slipway.Off, old), in(slipway.Active, young))
		},
		"standby": func(old, young *Backend) []slipway.Target {
			return slices.Concat(in(slipway.Standby, old), in(slipway.Active, young))
		},
		"removed": func(_, young *Backend) []slipway.Target { return in(slipway.Active, young) },
	} {
		old, young := NewBackend(t, "old", "i-old-"+name), NewBackend(t, "new", "i-new-"+name)
		s.set(in(slipway.Active, old)...)
		held, stream := s.getLater("/hold"), s.getLater("/stream")
		<-old.Held
		<-old.Held
		s.set(leave(old, young)...)
		served := old.Served.Load()
		for range 5 {
			if got := s.get("/"); got != "new" {
				t.Errorf("%s: %s answered a new request", name, got)
			}
		}
		if name != "removed" {
			if open := s.target("i-old-" + name).Open; open != 2 {
				t.Errorf("%s: Open is %d, want 2", name, open)
			}
		}
		if n := old.Served.Load(); n != served {
			t.Errorf("%s: the old target got %d new requests", name, n-served)
		}
		old.Release()
		if got := <-held; got != "old" {
			t.Errorf("%s: the request under way ended with %q", name, got)
		}
		if got := <-stream; got != "begin end old" {
			t.Errorf("%s: the stream under way ended with %q", name, got)
		}
		if name != "removed" {
			s.until("nothing is open", func(p slipway.PoolStatus) bool {
				return !slices.ContainsFunc(p.Targets, func(t slipway.TargetStatus) bool { return t.Open > 0 })
			})
		}
	}
}

func cut(t *testing.T, s *suite) {
	old, young := NewBackend(t, "old", "i-old"), NewBackend(t, "new", "i-new")
	s.drain = slipway.Duration(200 * time.Millisecond)
	s.set(in(slipway.Active, old)...)
	stream := s.getLater("/stream")
	<-old.Held
	s.set(in(slipway.Active, young)...)
	select {
	case got := <-stream:
		if strings.Contains(got, "end") {
			t.Errorf("the stream ended with %q, want it cut off", got)
		}
	case <-s.ctx.Done():
		t.Error("a stream on a removed target was not cut off")
	}
}

func counters(t *testing.T, s *suite) {
	a, b := NewBackend(t, "a", "i-a"), NewBackend(t, "b", "i-b")
	s.set(a.Target, b.Target)
	before := s.pool()
	const n = 40
	for range n {
		s.get("/")
	}
	after := s.pool()
	if before.Epoch != after.Epoch {
		t.Fatalf("the epoch changed from %s to %s", before.Epoch, after.Epoch)
	}
	if got := after.Requests - before.Requests; got != n {
		t.Errorf("the listener counted %d requests, want %d", got, n)
	}
	for i := range after.Targets {
		if got := after.Targets[i].Requests - before.Targets[i].Requests; got != n/2 {
			t.Errorf("%s counted %d requests, want %d", after.Targets[i].Instance, got, n/2)
		}
		if after.Targets[i].Failed != 0 || after.Targets[i].Open != 0 || !after.Targets[i].Up {
			t.Errorf("%+v, want it up, nothing open or failed", after.Targets[i])
		}
	}
	// A request counts when it is sent, not when it is answered.
	s.set(slices.Concat(in(slipway.Active, a), in(slipway.Off, b))...)
	before = s.pool()
	held := s.getLater("/hold")
	<-a.Held
	after = s.pool()
	if got := after.Targets[0]; got.Requests != before.Targets[0].Requests+1 || got.Open != 1 {
		t.Errorf("with a request under way: %+v, want one request more than %d and one open", got, before.Targets[0].Requests)
	}
	if after.Targets[1].Up {
		t.Error("a target that is off is up")
	}
	a.Release()
	<-held
	res, err := http.Get(s.url("/fail"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s.until("the failure is counted", func(p slipway.PoolStatus) bool { return p.Targets[0].Failed == 1 && p.Targets[0].Broken == 0 })
}

func latency(t *testing.T, s *suite) {
	slow, fast, idle := NewBackend(t, "v1", "i-slow"), NewBackend(t, "v1", "i-fast"), NewBackend(t, "v1", "i-idle")
	use := func(one *Backend, path string) {
		t.Helper()
		targets := in(slipway.Off, slow, fast, idle)
		for i := range targets {
			if targets[i].Instance == one.Target.Instance {
				targets[i].Mode = slipway.Active
			}
		}
		s.set(targets...)
		for range 20 {
			s.get(path)
		}
	}
	use(slow, "/slow") // works for 20 ms
	use(fast, "/")
	if got := time.Duration(s.target("i-slow").Latency); got < 20*time.Millisecond {
		t.Errorf("the latency of a target that takes 20ms is %v", got)
	}
	if slow, fast := s.target("i-slow").Latency, s.target("i-fast").Latency; fast >= slow {
		t.Errorf("the latency of a fast target is %v, that of a slow one %v", fast, slow)
	}
	if got := s.target("i-idle").Latency; got != 0 {
		t.Errorf("the latency of a target that had no request is %v", got)
	}
	// A standby target that took over is judged by what it did then.
	s.set(slices.Concat(in(slipway.Active, slow), in(slipway.Standby, fast))...)
	slow.Kill()
	for range 20 {
		s.get("/slow")
	}
	if got := time.Duration(s.target("i-fast").Latency); got < 20*time.Millisecond {
		t.Errorf("the latency of a standby target that took over and takes 20ms is %v", got)
	}
}

func modes(t *testing.T, s *suite) {
	a, b := NewBackend(t, "a", "i-a"), NewBackend(t, "b", "i-b")
	var last slipway.PoolStatus
	for i, mode := range []slipway.TargetMode{slipway.Active, slipway.Standby, slipway.Active, slipway.Off, slipway.Standby, slipway.Off, slipway.Active} {
		s.set(slices.Concat(in(mode, a), in(slipway.Active, b))...)
		for range 10 {
			s.get("/")
		}
		now := s.pool()
		if i > 0 && now.Epoch == last.Epoch {
			for j := range now.Targets {
				if now.Targets[j].Requests < last.Targets[j].Requests {
					t.Errorf("mode %s: the requests of %s fell from %d to %d", mode, now.Targets[j].Instance, last.Targets[j].Requests, now.Targets[j].Requests)
				}
			}
		}
		if want := mode != slipway.Off; now.Targets[0].Up != want || now.Targets[0].Mode != mode {
			t.Errorf("mode %s: %+v", mode, now.Targets[0])
		}
		last = now
	}
}

func idempotent(t *testing.T, s *suite) {
	targets := in(slipway.Active, group(t, "v1", 3)...)
	s.set(targets...)
	s.get("/")
	before := s.pool()
	for range 3 {
		s.set(targets...)
	}
	if diff := cmp.Diff(before, s.pool()); diff != "" {
		t.Errorf("setting the same pool changed it:\n%s", diff)
	}
}

func secondListener(t *testing.T, s *suite) {
	blue, green := group(t, "blue", 2), group(t, "green", 2)
	s.set(in(slipway.Active, blue...)...)
	g := s.load("/")
	s.await(g, 100)

	// A client that keeps a connection from before the second listener is bound by changes after it.
	keeper := &http.Client{Transport: &http.Transport{}}
	defer keeper.CloseIdleConnections()
	if got := getWith(t, keeper, s.url("/")); got != "blue" {
		t.Fatalf("%s answered", got)
	}
	other := &suite{t: t, ctx: s.ctx, router: s.router, port: FreePort(t), name: "other-prod"}
	for range 3 {
		other.set(in(slipway.Active, group(t, "other", 1)...)...)
		if got := other.get("/"); got != "other" {
			t.Errorf("%s answered at the second listener", got)
		}
		s.await(g, 50)
		if err := s.router.RemovePool(s.ctx, other.name); err != nil {
			t.Fatal(err)
		}
		s.await(g, 50)
	}
	s.set(slices.Concat(in(slipway.Active, green...), in(slipway.Off, blue...))...)
	if got := getWith(t, keeper, s.url("/")); got != "green" {
		t.Errorf("%s answered on a connection kept from before", got)
	}
	s.onlyServedBy(g, "green")
	s.noneFailed(g)
}

func move(t *testing.T, s *suite) {
	v1 := group(t, "v1", 2)
	s.set(in(slipway.Active, v1...)...)
	s.get("/")
	held := s.getLater("/hold")
	old := s.port
	s.port = FreePort(t)
	s.set(in(slipway.Active, v1...)...)
	s.get("/")
	refused(t, old)
	s.until("the request under way is seen", func(p slipway.PoolStatus) bool {
		return p.Targets[0].Open+p.Targets[1].Open == 1
	})
	for _, b := range v1 {
		b.Release()
	}
	if got := <-held; got != "v1" {
		t.Errorf("the request under way ended with %q", got)
	}
	if p := s.pool(); p.Port != s.port {
		t.Errorf("the pool says port %d, want %d", p.Port, s.port)
	}
}

func removal(t *testing.T, s *suite) {
	if err := s.router.RemovePool(s.ctx, "never-there"); err != nil {
		t.Errorf("removing a pool that is not there: %v", err)
	}
	if _, err := s.router.Pool(s.ctx, "never-there"); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a pool that is not there: %v, want not found", err)
	}
	v1 := group(t, "v1", 1)
	for range 2 {
		s.set(in(slipway.Active, v1...)...)
		s.get("/")
		for range 2 {
			if err := s.router.RemovePool(s.ctx, s.pool0().LoadBalancer); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.router.Pool(s.ctx, s.pool0().LoadBalancer); slipway.CodeOf(err) != slipway.NotFound {
			t.Errorf("a pool that was removed: %v, want not found", err)
		}
		refused(t, s.port)
	}
}

func portInUse(t *testing.T, s *suite) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v1 := in(slipway.Active, group(t, "v1", 1)...)
	taken := l.Addr().(*net.TCPAddr).Port
	want := "cannot listen on " + l.Addr().String() + ": address already in use"

	conflict := func(port int, name string) {
		t.Helper()
		pool := s.pool0(v1...)
		pool.Port, pool.LoadBalancer = port, name
		err := s.router.SetPool(s.ctx, pool)
		if slipway.CodeOf(err) != slipway.Conflict {
			t.Fatalf("a port in use: %v, want a conflict", err)
		}
		if port == taken && slipway.MessageOf(err) != want {
			t.Errorf("a port in use: %q, want %q", slipway.MessageOf(err), want)
		}
	}
	conflict(taken, s.pool0().LoadBalancer) // no listener at all yet
	if _, err := s.router.Pool(s.ctx, s.pool0().LoadBalancer); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("after a conflict the pool is there: %v", err)
	}
	s.set(v1...)
	conflict(taken, "second-prod")
	conflict(s.port, "second-prod") // another pool's listener
	conflict(taken, s.pool0().LoadBalancer)
	if got := s.get("/"); got != "v1" {
		t.Errorf("after conflicts %q answered", got)
	}
	if p := s.pool(); p.Port != s.port {
		t.Errorf("after conflicts the pool says port %d, want %d", p.Port, s.port)
	}
}

func invalid(t *testing.T, s *suite) {
	good := NewBackend(t, "v1", "i-1").Target
	for name, change := range map[string]func(*slipway.Pool){
		"load balancer":    func(p *slipway.Pool) { p.LoadBalancer = "a b\nglobal" },
		"no name":          func(p *slipway.Pool) { p.LoadBalancer = "" },
		"address":          func(p *slipway.Pool) { p.Address = "example.com\n" },
		"port":             func(p *slipway.Pool) { p.Port = 70000 },
		"health path":      func(p *slipway.Pool) { p.Health.HTTP = "/a\nb" },
		"relative path":    func(p *slipway.Pool) { p.Health.HTTP = "healthz" },
		"instance":         func(p *slipway.Pool) { p.Targets[0].Instance = "i-1; show info" },
		"the same twice":   func(p *slipway.Pool) { p.Targets = append(p.Targets, p.Targets[0]) },
		"target's address": func(p *slipway.Pool) { p.Targets[0].Address = "nowhere" },
		"target's port":    func(p *slipway.Pool) { p.Targets[0].Port = 0 },
		"mode":             func(p *slipway.Pool) { p.Targets[0].Mode = "sideways" },
		"weight":           func(p *slipway.Pool) { p.Targets[0].Weight = 0 },
		"weight too big":   func(p *slipway.Pool) { p.Targets[0].Weight = 257 },
		"cookie":           func(p *slipway.Pool) { p.Sticky.Cookie = "a b" },
		"cookie's end":     func(p *slipway.Pool) { p.Sticky.Cookie = "a=b" },
		"cookie's line":    func(p *slipway.Pool) { p.Sticky.Cookie = "a\nglobal" },
		"header":           func(p *slipway.Pool) { p.Sticky.Header = "X-User:" },
		"header's letters": func(p *slipway.Pool) { p.Sticky.Header = "X-Üser" },
		"header's length":  func(p *slipway.Pool) { p.Sticky.Header = strings.Repeat("x", 129) },
		"both":             func(p *slipway.Pool) { p.Sticky = slipway.Sticky{Cookie: "a", Header: "b"} },
	} {
		pool := s.pool0(good)
		change(&pool)
		if err := s.router.SetPool(s.ctx, pool); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%s: %v, want an invalid error", name, err)
		}
	}
	refused(t, s.port)
	pool := s.pool0(good)
	pool.Health.HTTP = `/it's "odd" $HOME #1 \`
	pool.Health.HTTP = strings.ReplaceAll(pool.Health.HTTP, " ", "")
	if err := s.router.SetPool(s.ctx, pool); err != nil {
		t.Errorf("an odd health path: %v", err)
	}
}

func noTargets(t *testing.T, s *suite) {
	s.set()
	res, err := http.Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without targets: status %s, want 503", res.Status)
	}
	s.set(in(slipway.Active, group(t, "v1", 1)...)...)
	s.get("/")
}

func restart(t *testing.T, s *suite) {
	blue, green := group(t, "blue", 2), group(t, "green", 2)
	s.set(slices.Concat(in(slipway.Active, blue...), in(slipway.Standby, green...))...)
	g := s.load("/")
	s.await(g, 100)
	before := s.pool()
	s.close()
	s.await(g, 100)
	for _, b := range blue { // nobody watches, and the standby targets take over all the same
		b.Kill()
	}
	s.await(g, 200)
	s.reopen()
	after := s.pool()
	if before.Epoch != after.Epoch || after.Requests < before.Requests+300 {
		t.Errorf("epoch %s with %d requests before, %s with %d after", before.Epoch, before.Requests, after.Epoch, after.Requests)
	}
	modeOf := func(p slipway.PoolStatus) (m []slipway.Target) {
		for _, t := range p.Targets {
			m = append(m, t.Target)
		}
		return m
	}
	if diff := cmp.Diff(modeOf(before), modeOf(after)); diff != "" {
		t.Errorf("the pool changed:\n%s", diff)
	}
	s.set(in(slipway.Active, green...)...)
	s.await(g, 100)
	s.noneFailed(g)
}

func tcp(t *testing.T, s *suite) {
	a, b := NewBackend(t, "a", "i-a"), NewBackend(t, "b", "i-b")
	s.tcp = true
	s.set(slices.Concat(in(slipway.Active, a), in(slipway.Standby, b))...)
	before := s.pool()
	for range 5 {
		if got := s.get("/"); got != "a" {
			t.Errorf("%s answered", got)
		}
	}
	if after := s.pool(); after.Requests-before.Requests != 5 || after.Targets[0].Requests-before.Targets[0].Requests != 5 {
		t.Errorf("5 connections were counted as %d and %d", after.Requests-before.Requests, after.Targets[0].Requests-before.Targets[0].Requests)
	}
	a.Kill()
	for range 5 {
		if got := s.get("/"); got != "b" {
			t.Errorf("after the active target died %s answered", got)
		}
	}
}

func manyTargets(t *testing.T, s *suite) {
	blue, green := group(t, "blue", 50), group(t, "green", 50)
	s.set(in(slipway.Active, blue...)...)
	g := s.load("/")
	s.await(g, 100)
	begin := time.Now()
	s.set(slices.Concat(in(slipway.Active, green...), in(slipway.Standby, blue...))...)
	t.Logf("50 targets added and 50 changed in %v", time.Since(begin))
	s.onlyServedBy(g, "green")
	begin = time.Now()
	s.set(in(slipway.Active, green...)...)
	t.Logf("50 targets removed in %v", time.Since(begin))
	s.await(g, 100)
	s.noneFailed(g)
}

func concurrent(t *testing.T, s *suite) {
	v1 := group(t, "v1", 4)
	s.set(in(slipway.Active, v1...)...)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				if err := s.router.SetPool(s.ctx, s.pool0(in(slipway.Active, v1[i:]...)...)); err != nil {
					t.Error(err)
				}
				if _, err := s.router.Pool(s.ctx, s.pool0().LoadBalancer); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := s.get("/"); got != "v1" {
		t.Errorf("%s answered", got)
	}
}

// suite is one case's router, with its pool's listener.
type suite struct {
	t      *testing.T
	ctx    context.Context
	open   Opener
	router slipway.Router
	close  func()
	port   int
	name   string
	drain  slipway.Duration
	tcp    bool
	sticky slipway.Sticky

	clientsMade int
}

func (s *suite) reopen() { s.router, s.close = s.open() }

// pool0 returns the case's pool with the targets.
func (s *suite) pool0(targets ...slipway.Target) slipway.Pool {
	name := s.name
	if name == "" {
		name = "hello-prod"
	}
	pool := slipway.Pool{
		LoadBalancer: name, Address: "127.0.0.1", Port: s.port, Drain: s.drain, Targets: targets,
		Health: slipway.Health{HTTP: "/healthz"}, Sticky: s.sticky,
	}
	if s.tcp {
		pool.Health.HTTP = ""
	}
	return pool
}

func (s *suite) set(targets ...slipway.Target) {
	s.t.Helper()
	if err := s.router.SetPool(s.ctx, s.pool0(targets...)); err != nil {
		s.t.Fatalf("cannot set the pool: %v", err)
	}
}

func (s *suite) pool() slipway.PoolStatus {
	s.t.Helper()
	p, err := s.router.Pool(s.ctx, s.pool0().LoadBalancer)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *suite) target(instance string) slipway.TargetStatus {
	s.t.Helper()
	p := s.pool()
	i := slices.IndexFunc(p.Targets, func(t slipway.TargetStatus) bool { return t.Instance == instance })
	if i < 0 {
		s.t.Fatalf("the pool has no target %s", instance)
	}
	return p.Targets[i]
}

// until waits for a state of the pool.
func (s *suite) until(what string, good func(slipway.PoolStatus) bool) {
	s.t.Helper()
	for {
		p := s.pool()
		if good(p) {
			return
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("never: %s; the pool is %+v", what, p)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *suite) url(path string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) + path
}

// fresh makes a connection for every request.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (s *suite) get(path string) string {
	s.t.Helper()
	return getWith(s.t, fresh, s.url(path))
}

func getWith(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %s", url, res.Status, b)
	}
	return string(b)
}

// getLater asks, and sends on the channel what has been answered when the answer ends, in whatever way.
func (s *suite) getLater(path string) <-chan string {
	got := make(chan string, 1)
	url := s.url(path)
	go func() {
		res, err := fresh.Get(url)
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		got <- string(b)
	}()
	return got
}

// load sends 500 requests a second until the case ends.
func (s *suite) load(path string) *load.Generator {
	g := load.Start(s.ctx, load.Options{URL: s.url(path), Rate: 500, Label: func(body []byte) string { return string(body) }})
	s.t.Cleanup(func() { g.Stop() })
	return g
}

func (s *suite) await(g *load.Generator, n int64) {
	s.t.Helper()
	if err := g.Await(s.ctx, n); err != nil {
		s.t.Fatalf("%v; failures: %v", err, g.Failures())
	}
}

// onlyServedBy requires that no target of another group gets a request from now on.
func (s *suite) onlyServedBy(g *load.Generator, group string) {
	s.t.Helper()
	others := func() (n int64, epoch string) {
		p := s.pool()
		for _, t := range p.Targets {
			if t.Group != group {
				n += t.Requests
			}
		}
		return n, p.Epoch
	}
	before, epoch := others()
	s.await(g, 50)
	if after, now := others(); after != before && now == epoch {
		s.t.Errorf("%d requests went to other groups than %s", after-before, group)
	}
}

func (s *suite) noneFailed(g *load.Generator) {
	s.t.Helper()
	c := g.Stop()
	if c.Failed > 0 {
		s.t.Errorf("%d of %d requests failed:", c.Failed, c.Sent)
		for _, f := range g.Failures() {
			s.t.Errorf("  %v", f)
		}
	}
	s.t.Logf("%d requests, %d failed, slowest %v, by group %v", c.Sent, c.Failed, c.Slow, c.Labels)
}

func refused(t *testing.T, port int) {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		conn.Close()
		t.Errorf("something listens on port %d", port)
	}
}
