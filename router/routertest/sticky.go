package routertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
)

// stickyCases are those of pools that keep a client with one server group.
var stickyCases = []testCase{
	{"sticky clients and weights", stickyWeights},
	{"sticky clients stay as their group grows", stickyGrowth},
	{"sticky clients stay between two groups that grow", stickyBaseline},
	{"requests without the header of a sticky pool", stickyNoHeader},
	{"requests of one sticky client are spread over its group", stickySpread},
	{"sticky clients of a target that dies", stickyDeath},
	{"sticky clients of a group that is turned off", stickyOff},
	{"sticky clients while weights change under load", stickyChanges},
	{"sticky clients stay through reloads and restarts", stickyRestart},
	{"sticky changes under load", stickyToggle},
	{"sticky names", stickyNames},
	{"sticky is not for tcp", stickyTCP},
}

// kinds are the two ways to know a client again.
var kinds = map[string]slipway.Sticky{
	"cookie": {Cookie: slipway.DefaultCookie},
	"header": {Header: "X-User"},
}

// bothKinds runs a case by cookie and by header, each with a listener of its own.
func bothKinds(t *testing.T, s *suite, run func(t *testing.T, s *suite)) {
	for name, sticky := range kinds {
		t.Run(name, func(t *testing.T) {
			own := *s
			own.t, own.port, own.name, own.sticky = t, FreePort(t), "hello-"+name, sticky
			run(t, &own)
			if err := s.router.RemovePool(s.ctx, own.name); err != nil {
				t.Error(err)
			}
		})
	}
}

func stickyWeights(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young := group(t, "hello-prod-v001", 2), group(t, "hello-prod-v002", 1)
		for _, percent := range []int{5, 25, 50} {
			s.set(split(old, 100-percent, young, percent)...)
			clients := s.clients(400)
			groups := s.groups(clients)
			s.about(percent, groups, "hello-prod-v002")
			for range 3 {
				s.same(groups, s.groups(clients))
			}
		}
	})
}

func stickyGrowth(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young := group(t, "hello-prod-v001", 3), group(t, "hello-prod-v002", 2)
		s.set(in(slipway.Active, old...)...)
		known := s.clients(200) // from before the split
		s.groups(known)
		clients := slices.Concat(known, s.clients(200))
		before := make([]string, len(clients))
		for _, percent := range []int{5, 10, 25, 50, 75, 95} {
			s.set(split(old, 100-percent, young, percent)...)
			now := s.groups(clients)
			s.about(percent, now, "hello-prod-v002")
			for i, was := range before {
				if was == "hello-prod-v002" && now[i] != was {
					t.Errorf("at %d %% a client of %s went to %s", percent, was, now[i])
				}
			}
			before = now
		}
		s.set(slices.Concat(in(slipway.Active, young...), in(slipway.Standby, old...))...)
		s.allOn(clients, "hello-prod-v002")
		s.set(in(slipway.Active, old...)...) // rolled back
		s.allOn(clients, "hello-prod-v001")
	})
}

func stickyBaseline(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		source, baseline, canary := NewBackend(t, "hello-prod-v998", "i-1"), NewBackend(t, "hello-prod-v999", "i-2"), NewBackend(t, "hello-prod-v1000", "i-3")
		clients := s.clients(400)
		before := make([]string, len(clients))
		for _, percent := range []int{5, 10, 20, 40} {
			source.Target.Weight, baseline.Target.Weight, canary.Target.Weight = 100-2*percent, percent, percent
			s.set(in(slipway.Active, source, baseline, canary)...)
			now := s.groups(clients)
			s.about(percent, now, canary.Target.Group)
			s.about(percent, now, baseline.Target.Group)
			for i, was := range before {
				if was != "" && was != source.Target.Group && now[i] != was {
					t.Errorf("at %d %% a client of %s went to %s", percent, was, now[i])
				}
			}
			before = now
		}
	})
}

func stickyNoHeader(t *testing.T, s *suite) {
	s.sticky = slipway.Sticky{Header: "X-User"}
	old, young := group(t, "hello-prod-v001", 1), group(t, "hello-prod-v002", 1)
	s.set(split(old, 75, young, 25)...)
	for what, set := range map[string]func(http.Header){
		"without the header": func(http.Header) {},
		"with it empty":      func(h http.Header) { h.Set("X-User", "") },
	} {
		groups := make([]string, 400)
		for i := range groups {
			req, err := http.NewRequest(http.MethodGet, s.url("/"), nil)
			if err != nil {
				t.Fatal(err)
			}
			set(req.Header)
			groups[i] = ask(t, fresh, req)
		}
		t.Log(what)
		s.about(25, groups, "hello-prod-v002")
	}
}

func stickySpread(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young := group(t, "hello-prod-v001", 4), group(t, "hello-prod-v002", 3)
		s.set(split(old, 50, young, 50)...)
		for _, client := range s.clients(2) {
			at := s.ask(client)
			of := old
			if at == "hello-prod-v002" {
				of = young
			}
			var before []int64
			for _, b := range of {
				before = append(before, b.Served.Load())
			}
			const each = 20
			for range each * len(of) {
				s.ask(client)
			}
			for i, b := range of {
				if n := b.Served.Load() - before[i]; n < each/2 || n > 2*each {
					t.Errorf("%s of %d served %d of one client's %d requests, want about %d", b.Target.Instance, len(of), n, each*len(of), each)
				}
			}
		}
	})
}

func stickyDeath(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young, spare := group(t, "hello-prod-v001", 2), group(t, "hello-prod-v002", 3), group(t, "hello-prod-v000", 1)
		targets := slices.Concat(split(old, 50, young, 50), in(slipway.Standby, spare...))
		s.set(targets...)
		clients := s.clients(40)
		before := s.groups(clients)
		g := s.load("/slow")
		users := s.use(clients)
		for _, b := range young[1:] {
			s.await(g, 50)
			b.Kill()
		}
		s.await(g, 100)
		users.stop()
		s.same(before, s.groups(clients)) // one machine of the group is left, and carries it
		users = s.use(clients)
		young[0].Kill()
		s.await(g, 100)
		users.stop()
		s.allOn(clients, "hello-prod-v001") // not on a standby target: an active group is up
		users = s.use(clients)
		for _, b := range old {
			b.Kill()
		}
		s.await(g, 100)
		users.stop()
		s.allOn(clients, "hello-prod-v000")
		s.noneFailed(g)
	})
}

func stickyOff(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young := group(t, "hello-prod-v001", 2), group(t, "hello-prod-v002", 2)
		for name, leave := range map[string][]slipway.Target{
			"off": in(slipway.Off, young...), "standby": in(slipway.Standby, young...), "removed": nil,
		} {
			s.set(split(old, 50, young, 50)...)
			clients := s.clients(40)
			before := s.groups(clients)
			g, users := s.load("/slow"), s.use(clients)
			s.await(g, 50)
			s.set(slices.Concat(in(slipway.Active, old...), leave)...)
			s.onlyServedBy(g, "hello-prod-v001")
			s.allOn(clients, "hello-prod-v001")
			s.set(split(old, 50, young, 50)...)
			s.await(g, 50)
			s.same(before, s.groups(clients)) // and back with the group when that is back
			users.stop()
			s.noneFailed(g)
			t.Log(name)
		}
	})
}

func stickyChanges(t *testing.T, s *suite) {
	bothKinds(t, s, func(t *testing.T, s *suite) {
		old, young := group(t, "hello-prod-v001", 3), group(t, "hello-prod-v002", 2)
		s.set(in(slipway.Active, old...)...)
		g := s.load("/slow")
		clients := s.clients(20)
		users := s.use(clients)
		before := make([]string, len(clients))
		for i := range 50 {
			percent := 2 * (i + 1)
			if percent < 100 {
				s.set(split(old, 100-percent, young, percent)...)
			} else {
				s.set(slices.Concat(in(slipway.Active, young...), in(slipway.Standby, old...))...)
			}
			s.await(g, 20)
			now := s.groups(clients)
			for i, was := range before {
				if was == "hello-prod-v002" && now[i] != was {
					t.Errorf("at %d %% a client of %s went to %s", percent, was, now[i])
				}
			}
			before = now
		}
		s.onlyServedBy(g, "hello-prod-v002")
		users.stop()
		s.noneFailed(g)
	})
}

func stickyRestart(t *testing.T, s *suite) {
	for name, sticky := range kinds {
		s.sticky = sticky // a change of it, the second time
		old, young := group(t, "hello-prod-v001", 2), group(t, "hello-prod-v002", 2)
		s.set(split(old, 50, young, 50)...)
		clients := s.clients(40)
		before := s.groups(clients)
		g, users := s.load("/slow"), s.use(clients)
		other := &suite{t: t, ctx: s.ctx, router: s.router, port: FreePort(t), name: "other-prod"}
		other.set(in(slipway.Active, group(t, "other", 1)...)...)
		s.same(before, s.groups(clients))
		if err := s.router.RemovePool(s.ctx, other.name); err != nil {
			t.Fatal(err)
		}
		s.same(before, s.groups(clients))
		s.close()
		s.same(before, s.groups(clients))
		s.reopen()
		s.set(split(old, 50, young, 50)...)
		s.same(before, s.groups(clients))
		users.stop()
		s.noneFailed(g)
		t.Log(name)
	}
}

func stickyToggle(t *testing.T, s *suite) {
	old, young := group(t, "hello-prod-v001", 2), group(t, "hello-prod-v002", 2)
	s.set(split(old, 50, young, 50)...)
	g := s.load("/slow")
	for range 2 {
		for _, sticky := range []slipway.Sticky{kinds["cookie"], kinds["header"], {}} {
			s.await(g, 50)
			s.sticky = sticky
			s.set(split(old, 50, young, 50)...)
			clients := s.clients(20)
			if before := s.groups(clients); sticky != (slipway.Sticky{}) {
				s.same(before, s.groups(clients))
			}
		}
	}
	s.noneFailed(g)
}

func stickyNames(t *testing.T, s *suite) {
	old, young := group(t, "hello-prod-v001", 1), group(t, "hello-prod-v002", 1)
	const odd = "a1!#$%&'*+-.^_`|~Z"
	for _, sticky := range []slipway.Sticky{{Cookie: odd}, {Header: odd}} {
		s.sticky = sticky
		s.set(split(old, 50, young, 50)...)
		clients := s.clients(20)
		before := s.groups(clients)
		for range 3 {
			s.same(before, s.groups(clients))
		}
		if !slices.Contains(before, "hello-prod-v001") || !slices.Contains(before, "hello-prod-v002") {
			t.Errorf("%+v: all clients are on %s", sticky, before[0])
		}
	}
	s.sticky = slipway.Sticky{Cookie: "slipway"}
	s.set(split(old, 50, young, 50)...)
	for _, forged := range []string{"", "x", "-1", "99999999999999999999", "1;2", "65536"} {
		req, err := http.NewRequest(http.MethodGet, s.url("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "slipway="+forged)
		ask(t, fresh, req) // by some group, without an error
	}
	res, err := fresh.Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if c := res.Cookies(); len(c) != 1 || c[0].Name != "slipway" || !c[0].HttpOnly || c[0].Path != "/" {
		t.Errorf("a new client got the cookies %v, want slipway, HttpOnly, for all paths", c)
	}
	if got := res.Header.Values("Cache-Control"); !slices.Contains(got, "private") {
		t.Errorf("an answer with a cookie may be cached for others: Cache-Control %q", got)
	}
}

func stickyTCP(t *testing.T, s *suite) {
	s.tcp = true
	v1 := in(slipway.Active, group(t, "hello-prod-v001", 2)...)
	s.set(v1...)
	before := s.pool()
	for _, sticky := range kinds {
		s.sticky = sticky
		s.set(v1...)
		s.get("/")
	}
	if after := s.pool(); after.Epoch != before.Epoch {
		t.Error("what has no effect on a TCP pool reloaded its listener")
	}
}

// split returns the targets of two groups that are active, each with a share of the traffic in percent.
func split(old []*Backend, oldShare int, young []*Backend, youngShare int) []slipway.Target {
	share := func(of []*Backend, percent int) []slipway.Target {
		targets := in(slipway.Active, of...)
		for i := range targets {
			targets[i].Weight = max(1, 256*percent/100/len(of))
		}
		return targets
	}
	return slices.Concat(share(old, oldShare), share(young, youngShare))
}

// client is somebody who can be known again: by a header that it sends and by the cookies that it keeps.
type client struct {
	http *http.Client
	name string
}

// clients returns n clients that nobody knows yet.
func (s *suite) clients(n int) []*client {
	list := make([]*client, n)
	for i := range list {
		jar, err := cookiejar.New(nil)
		if err != nil {
			s.t.Fatal(err)
		}
		s.clientsMade++
		list[i] = &client{http: &http.Client{Jar: jar, Transport: fresh.Transport}, name: fmt.Sprintf("user-%d", s.clientsMade)}
	}
	return list
}

// request returns a client's request.
func (s *suite) request(c *client, path string) *http.Request {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.sticky.Header != "" {
		req.Header.Set(s.sticky.Header, c.name)
	}
	return req
}

// ask returns which group answers the client.
func (s *suite) ask(c *client) string {
	s.t.Helper()
	return ask(s.t, c.http, s.request(c, "/"))
}

func ask(t *testing.T, client *http.Client, req *http.Request) string {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %s: %v", req.URL, res.Status, b, err)
	}
	return string(b)
}

// groups asks for every client.
func (s *suite) groups(clients []*client) []string {
	s.t.Helper()
	list := make([]string, len(clients))
	for i, c := range clients {
		list[i] = s.ask(c)
	}
	return list
}

// about requires that the group has its share of groups, to within 5 percent of all.
func (s *suite) about(percent int, groups []string, group string) {
	s.t.Helper()
	n := 0
	for _, g := range groups {
		if g == group {
			n++
		}
	}
	if want, most := len(groups)*percent/100, len(groups)/20; n < want-most || n > want+most || n == 0 {
		s.t.Errorf("%d of %d clients are on %s, want about %d", n, len(groups), group, want)
	}
}

// same requires that every client is where it was.
func (s *suite) same(before, now []string) {
	s.t.Helper()
	for i := range before {
		if now[i] != before[i] {
			s.t.Errorf("client %d went from %s to %s", i, before[i], now[i])
		}
	}
}

func (s *suite) allOn(clients []*client, group string) {
	s.t.Helper()
	for i, got := range s.groups(clients) {
		if got != group {
			s.t.Errorf("client %d is on %s, want %s", i, got, group)
		}
	}
}

// users are clients that ask without a pause, each for itself.
type users struct{ stop func() }

// use has every client ask for /slow, one request after the other, until stop is called. Each must be answered well.
func (s *suite) use(clients []*client) users {
	s.t.Helper()
	done := make(chan struct{})
	var all sync.WaitGroup
	for i, c := range clients {
		if i == 10 { // enough to be busy
			break
		}
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				res, err := c.http.Do(s.request(c, "/slow"))
				if err != nil {
					if s.ctx.Err() == nil {
						s.t.Errorf("a sticky client's request failed: %v", err)
					}
					return
				}
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK {
					s.t.Errorf("a sticky client's request failed: %s, %v", res.Status, err)
				}
			}
		})
	}
	stop := sync.OnceFunc(func() { close(done); all.Wait() })
	s.t.Cleanup(stop)
	return users{stop}
}
