package traffic_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/router/haproxy"
	"github.com/slipway-sh/slipway/router/routertest"
	"github.com/slipway-sh/slipway/test/load"
	"github.com/slipway-sh/slipway/traffic"
)

// world is a store and a provider in memory.
type world struct {
	mu      sync.Mutex
	route   slipway.Route
	groups  map[string]slipway.ServerGroup
	changes chan string
}

func (w *world) PutRoute(_ context.Context, r slipway.Route) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.route = r
	return nil
}

func (w *world) Route(context.Context, slipway.Cluster) (slipway.Route, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.route.Port == 0 {
		return slipway.Route{}, slipway.Errorf(slipway.NotFound, "no route")
	}
	return w.route, nil
}

func (w *world) Routes(ctx context.Context) ([]slipway.Route, error) {
	r, err := w.Route(ctx, slipway.Cluster{})
	if err != nil {
		return nil, nil
	}
	return []slipway.Route{r}, nil
}

func (w *world) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.groups[name]
	if !ok {
		return g, slipway.Errorf(slipway.NotFound, "no group %s", name)
	}
	return g, nil
}

func (w *world) Watch(context.Context) <-chan string { return w.changes }

func (w *world) setGroup(name string, backends ...*routertest.Backend) {
	g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: name}}
	g.Service.Health.HTTP = "/healthz"
	for _, b := range backends {
		g.Instances = append(g.Instances, slipway.Instance{
			ID: b.Target.Instance, Group: name, Address: b.Target.Address, Port: b.Target.Port, State: slipway.InstanceHealthy,
		})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups = maps.Clone(w.groups)
	if w.groups == nil {
		w.groups = map[string]slipway.ServerGroup{}
	}
	w.groups[name] = g
}

func TestOnHAProxy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	router, err := haproxy.New(haproxy.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer router.Stop(context.WithoutCancel(ctx))

	const v1, v2 = "hello-prod-v001", "hello-prod-v002"
	cluster := slipway.Cluster{Application: "hello", Environment: "prod"}
	w := &world{changes: make(chan string)}
	w.setGroup(v1, routertest.NewBackend(t, v1, "i-1"), routertest.NewBackend(t, v1, "i-2"))
	old := routertest.NewBackend(t, v2, "i-3")
	w.setGroup(v2, old, routertest.NewBackend(t, v2, "i-4"))
	c := traffic.New(traffic.Config{Routes: w, Groups: w, Router: router, DefaultAddress: "127.0.0.1", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	running := make(chan error, 1)
	runCtx, stop := context.WithCancel(ctx)
	go func() { running <- c.Run(runCtx) }()

	port := routertest.FreePort(t)
	route := func(active, other string, mode slipway.TargetMode) {
		t.Helper()
		err := c.SetRoute(ctx, slipway.Route{Cluster: cluster, Port: port, Groups: []slipway.GroupRoute{
			{Group: active, Mode: slipway.Active}, {Group: other, Mode: mode},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	prove := func(group string) {
		t.Helper()
		proof, err := c.Prove(ctx, cluster, group, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", proof)
	}
	route(v1, v2, slipway.Off)
	prove(v1)
	if _, err := c.Prove(ctx, cluster, v2, 50*time.Millisecond); slipway.CodeOf(err) != slipway.DeadlinePast {
		t.Errorf("a proof of what is not so: %v", err)
	}

	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/"
	g := load.Start(ctx, load.Options{URL: url, Rate: 500})
	for range 3 {
		route(v2, v1, slipway.Standby)
		prove(v2)
		route(v1, v2, slipway.Off)
		prove(v1)
		if err := c.Drained(ctx, cluster, v2); err != nil {
			t.Error(err)
		}
	}
	route(v2, v1, slipway.Standby)

	// An instance dies and is replaced: the new one enters by itself.
	old.Kill()
	fresh := routertest.NewBackend(t, v2, "i-5")
	w.setGroup(v2, fresh)
	w.changes <- v2
	prove(v2)
	for fresh.Served.Load() == 0 {
		if err := g.Await(ctx, 10); err != nil {
			t.Fatal(err, g.Failures())
		}
	}
	if n := g.Stop(); n.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", n.Failed, n.Sent, g.Failures())
	}

	// A request that is held is not drained.
	held := make(chan error, 1)
	go func() {
		res, err := http.Get(url + "hold")
		if err == nil {
			res.Body.Close()
		}
		held <- err
	}()
	<-fresh.Held
	route(v1, v2, slipway.Off)
	prove(v1)
	short, cancelShort := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancelShort()
	if err := c.Drained(short, cluster, v2); slipway.CodeOf(err) != slipway.DeadlinePast {
		t.Errorf("drained with a request under way: %v", err)
	}
	fresh.Release()
	if err := c.Drained(ctx, cluster, v2); err != nil {
		t.Error(err)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}

	if err := c.SetRoute(ctx, slipway.Route{Cluster: cluster}); err != nil {
		t.Error(err)
	}
	if _, err := router.Pool(ctx, cluster.String()); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a route without a port has a listener: %v", err)
	}
	stop()
	if err := <-running; err != nil {
		t.Error(err)
	}
}

// A canary of one machine beside a source of three, with and without clients that stay: the data plane follows the route step by step,
// under load, and what it does not do is not proved.
func TestSplitOnHAProxy(t *testing.T) {
	for name, sticky := range map[string]slipway.Sticky{"by weight": {}, "by cookie": {Cookie: "slipway"}, "by header": {Header: "X-User"}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			router, err := haproxy.New(haproxy.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer router.Stop(context.WithoutCancel(ctx))
			const v1, v2 = "hello-prod-v001", "hello-prod-v002"
			cluster := slipway.Cluster{Application: "hello", Environment: "prod"}
			w := &world{}
			w.setGroup(v1, routertest.NewBackend(t, v1, "i-1"), routertest.NewBackend(t, v1, "i-2"), routertest.NewBackend(t, v1, "i-3"))
			w.setGroup(v2, routertest.NewBackend(t, v2, "i-4"))
			c := traffic.New(traffic.Config{Routes: w, Groups: w, Router: router, DefaultAddress: "127.0.0.1", Log: slog.New(slog.DiscardHandler)})
			port := routertest.FreePort(t)
			split := func(percent int, source slipway.TargetMode) slipway.Route {
				r := slipway.Route{Cluster: cluster, Port: port, Sticky: sticky, Groups: []slipway.GroupRoute{{Group: v1, Mode: source, Weight: 100 - percent}}}
				if percent > 0 {
					r.Groups = append(r.Groups, slipway.GroupRoute{Group: v2, Mode: slipway.Active, Weight: percent})
				}
				return r
			}
			shift := func(percent int, source slipway.TargetMode) {
				t.Helper()
				if err := c.SetRoute(ctx, split(percent, source)); err != nil {
					t.Fatal(err)
				}
			}
			shift(0, slipway.Active)
			g := load.Start(ctx, load.Options{URL: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/slow", Rate: 200, Label: func(b []byte) string { return string(b) }})
			defer g.Stop()
			for _, percent := range []int{1, 5, 25, 50, 95} {
				shift(percent, slipway.Active)
				proof, err := c.ProveSplit(ctx, cluster, 15*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if proof.Groups[v2] == 0 || proof.Groups[v1] == 0 || proof.Groups[v1]+proof.Groups[v2] != proof.Requests {
					t.Errorf("at %d %%: %+v", percent, proof)
				}
				t.Logf("at %d %%: %+v", percent, proof)

				before := g.Counts()
				if err := g.Await(ctx, 100); err != nil {
					t.Fatal(err, g.Failures())
				}
				now := g.Counts().Minus(before).Labels
				if got := 100 * now[v2] / (now[v1] + now[v2]); got < int64(percent)-15 || got > int64(percent)+15 {
					t.Errorf("at %d %%: the canary served %v", percent, now)
				}
			}

			// A route that was stored and that the load balancer has not heard of.
			if err := w.PutRoute(ctx, split(50, slipway.Active)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ProveSplit(ctx, cluster, 0); slipway.CodeOf(err) != slipway.DeadlinePast {
				t.Errorf("old weights were proved to be those of the route: %v", err)
			}
			if err := w.PutRoute(ctx, split(95, slipway.Standby)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ProveSplit(ctx, cluster, 0); slipway.CodeOf(err) != slipway.DeadlinePast {
				t.Errorf("a source that is active was proved to stand by: %v", err)
			}
			shift(100, slipway.Standby)
			if proof, err := c.ProveSplit(ctx, cluster, 15*time.Second); err != nil || proof.Groups[v2] != proof.Requests {
				t.Errorf("%+v, %v", proof, err)
			}
			if n := g.Stop(); n.Failed > 0 {
				t.Errorf("%d of %d requests failed: %v", n.Failed, n.Sent, g.Failures())
			}
		})
	}
}
