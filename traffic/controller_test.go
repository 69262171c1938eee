package traffic

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

var prod = slipway.Cluster{Application: "hello", Environment: "prod"}

// fakes are the other sides of a Controller.
type fakes struct {
	route       func(slipway.Cluster) (slipway.Route, error)
	routes      func() ([]slipway.Route, error)
	putRoute    func(slipway.Route) error
	serverGroup func(string) (slipway.ServerGroup, error)
	watch       func(context.Context) <-chan string
	setPool     func(slipway.Pool) error
	pool        func(string) (slipway.PoolStatus, error)
	removePool  func(string) error
}

func (f *fakes) Route(_ context.Context, c slipway.Cluster) (slipway.Route, error) { return f.route(c) }
func (f *fakes) Routes(context.Context) ([]slipway.Route, error)                   { return f.routes() }
func (f *fakes) PutRoute(_ context.Context, r slipway.Route) error                 { return f.putRoute(r) }
func (f *fakes) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	return f.serverGroup(name)
}
func (f *fakes) Watch(ctx context.Context) <-chan string                         { return f.watch(ctx) }
func (f *fakes) SetPool(_ context.Context, p slipway.Pool) error                 { return f.setPool(p) }
func (f *fakes) RemovePool(_ context.Context, name string) error                 { return f.removePool(name) }
func (f *fakes) Pool(_ context.Context, name string) (slipway.PoolStatus, error) { return f.pool(name) }

func newController(f *fakes) *Controller {
	return New(Config{Routes: f, Groups: f, Router: f, DefaultAddress: "127.0.0.1", Log: slog.New(slog.DiscardHandler)})
}

func serverGroup(name, path string, states ...slipway.InstanceState) slipway.ServerGroup {
	g := slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: name, Cluster: prod}}
	g.Service.Health.HTTP = path
	for i, s := range states {
		g.Instances = append(g.Instances, slipway.Instance{ID: name + "-" + string(rune('a'+i)), Group: name, Address: "10.0.0.1", Port: 80 + i, State: s})
	}
	return g
}

func TestPool(t *testing.T) {
	const healthy, unhealthy, starting, stopping, dead = slipway.InstanceHealthy, slipway.InstanceUnhealthy, slipway.InstanceStarting, slipway.InstanceStopping, slipway.InstanceDead
	active := func(name string, weight int) slipway.GroupRoute {
		return slipway.GroupRoute{Group: name, Mode: slipway.Active, Weight: weight}
	}
	standby := slipway.GroupRoute{Group: "v2", Mode: slipway.Standby}
	type target struct {
		ID     string
		Mode   slipway.TargetMode
		Weight int
	}
	for _, c := range []struct {
		name   string
		routes []slipway.GroupRoute
		groups []slipway.ServerGroup
		want   []target
		path   string
		http   bool
	}{
		{"only healthy instances", []slipway.GroupRoute{active("v1", 0)},
			[]slipway.ServerGroup{serverGroup("v1", "/h", healthy, starting, unhealthy, stopping, dead)},
			[]target{{"v1-a", slipway.Active, 256}}, "/h", true},
		{"a group's weight is shared out", []slipway.GroupRoute{active("v1", 75), active("v2", 25)},
			[]slipway.ServerGroup{serverGroup("v1", "/h", healthy, healthy, healthy), serverGroup("v2", "/h", healthy)},
			[]target{{"v1-a", slipway.Active, 256}, {"v1-b", slipway.Active, 256}, {"v1-c", slipway.Active, 256}, {"v2-a", slipway.Active, 256}}, "/h", true},
		{"a small share stays a share", []slipway.GroupRoute{active("v1", 1000), active("v2", 1)},
			[]slipway.ServerGroup{serverGroup("v1", "/h", healthy), serverGroup("v2", "/h", healthy)},
			[]target{{"v1-a", slipway.Active, 256}, {"v2-a", slipway.Active, 1}}, "/h", true},
		{"a group that is gone", []slipway.GroupRoute{active("v1", 0), active("v9", 0)},
			[]slipway.ServerGroup{serverGroup("v1", "/h", healthy)},
			[]target{{"v1-a", slipway.Active, 256}}, "/h", true},
		{"unhealthy rather than none", []slipway.GroupRoute{active("v1", 0)},
			[]slipway.ServerGroup{serverGroup("v1", "/h", unhealthy, dead)},
			[]target{{"v1-a", slipway.Active, 256}}, "/h", true},
		{"standby rather than unhealthy", []slipway.GroupRoute{active("v1", 0), standby},
			[]slipway.ServerGroup{serverGroup("v1", "/h", unhealthy), serverGroup("v2", "/h", healthy)},
			[]target{{"v2-a", slipway.Standby, 256}}, "/h", true},
		{"checks that differ", []slipway.GroupRoute{active("v1", 0), standby},
			[]slipway.ServerGroup{serverGroup("v1", "/new", healthy), serverGroup("v2", "/old", healthy)},
			[]target{{"v1-a", slipway.Active, 256}, {"v2-a", slipway.Standby, 256}}, "", true},
		{"no HTTP", []slipway.GroupRoute{active("v1", 0)},
			[]slipway.ServerGroup{serverGroup("v1", "", healthy)},
			[]target{{"v1-a", slipway.Active, 256}}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			groups := map[string]slipway.ServerGroup{}
			for _, g := range c.groups {
				groups[g.Name] = g
			}
			sticky := slipway.Sticky{Cookie: "slipway"}
			pool := newController(&fakes{}).pool(slipway.Route{Cluster: prod, Port: 80, Sticky: sticky, Groups: c.routes}, groups)
			var got []target
			for _, x := range pool.Targets {
				got = append(got, target{x.Instance, x.Mode, x.Weight})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("targets:\n%s", diff)
			}
			if pool.Sticky != sticky {
				t.Errorf("sticky %+v, want what the route says", pool.Sticky)
			}
			if pool.Health.HTTP != c.path || pool.HTTP != c.http || pool.Address != "127.0.0.1" || pool.LoadBalancer != "hello-prod" {
				t.Errorf("pool %+v, want health path %q, http %v", pool, c.path, c.http)
			}
		})
	}
}

func TestSetRoute(t *testing.T) {
	before := slipway.Route{Cluster: prod, Address: "127.0.0.1", Port: 80, Groups: []slipway.GroupRoute{{Group: "hello-prod-v001", Mode: slipway.Active}}}
	after := slipway.Route{Cluster: prod, Port: 81, Groups: []slipway.GroupRoute{{Group: "hello-prod-v002", Mode: slipway.Active}}}
	for name, c := range map[string]struct {
		stored func(slipway.Cluster) (slipway.Route, error)
		group  error // from the provider
		set    error // from the router
		code   slipway.Code
		sets   int
		port   int // of the route that is stored in the end
	}{
		"works":                    {set: nil, sets: 1, port: 81},
		"a passing provider error": {group: errors.New("lost"), code: slipway.Internal, sets: 0, port: 81},
		"a passing router error":   {set: errors.New("lost"), code: slipway.Internal, sets: 1, port: 81},
		"a conflict is taken back": {set: slipway.Errorf(slipway.Conflict, "in use"), code: slipway.Conflict, sets: 1, port: 80},
		"the first one's conflict": {stored: func(slipway.Cluster) (slipway.Route, error) {
			return slipway.Route{}, slipway.Errorf(slipway.NotFound, "none")
		}, set: slipway.Errorf(slipway.Conflict, "in use"), code: slipway.Conflict, sets: 1, port: 0},
		"an unreadable stored one": {stored: func(slipway.Cluster) (slipway.Route, error) { return slipway.Route{}, errors.New("lost") }, code: slipway.Internal, sets: 0, port: -1},
	} {
		t.Run(name, func(t *testing.T) {
			stored := slipway.Route{Port: -1}
			sets := 0
			f := &fakes{
				route:    func(slipway.Cluster) (slipway.Route, error) { return before, nil },
				putRoute: func(r slipway.Route) error { stored = r; return nil },
				serverGroup: func(name string) (slipway.ServerGroup, error) {
					return serverGroup(name, "/", slipway.InstanceHealthy), c.group
				},
				setPool: func(slipway.Pool) error { sets++; return c.set },
			}
			if c.stored != nil {
				f.route = c.stored
			}
			err := newController(f).SetRoute(t.Context(), after)
			if slipway.CodeOf(err) != c.code || sets != c.sets || stored.Port != c.port {
				t.Errorf("%v, %d pools set, port %d stored; want code %q, %d, %d", err, sets, stored.Port, c.code, c.sets, c.port)
			}
		})
	}
}

func TestRunFollowsChangesAndRetries(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	changes := make(chan string)
	sets := make(chan slipway.Pool)
	fail := make(chan error, 10)
	route := slipway.Route{Cluster: prod, Port: 80, Groups: []slipway.GroupRoute{{Group: "hello-prod-v001", Mode: slipway.Active}}}
	f := &fakes{
		route:  func(slipway.Cluster) (slipway.Route, error) { return route, nil },
		routes: func() ([]slipway.Route, error) { return []slipway.Route{route}, nil },
		watch:  func(context.Context) <-chan string { return changes },
		serverGroup: func(name string) (slipway.ServerGroup, error) {
			select {
			case err := <-fail:
				return slipway.ServerGroup{}, err
			default:
				return serverGroup(name, "/", slipway.InstanceHealthy), nil
			}
		},
		setPool: func(p slipway.Pool) error { sets <- p; return nil },
	}
	done := make(chan error, 1)
	go func() { done <- newController(f).Run(ctx) }()
	<-sets // at start
	changes <- "other-prod-v001"
	changes <- ""
	fail <- errors.New("lost")
	fail <- errors.New("lost again")
	changes <- "hello-prod-v001"
	<-sets // in spite of two errors
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCompare(t *testing.T) {
	pool := func(epoch string, a, b int64) slipway.PoolStatus {
		target := func(instance, group string, n int64) slipway.TargetStatus {
			return slipway.TargetStatus{Target: slipway.Target{Instance: instance, Group: group}, Requests: n}
		}
		return slipway.PoolStatus{Epoch: epoch, Targets: []slipway.TargetStatus{target("i-a", "v1", a), target("i-b", "v2", b)}}
	}
	fewer := pool("1", 5, 15)
	fewer.Targets = fewer.Targets[1:]
	for name, c := range map[string]struct {
		before, after slipway.PoolStatus
		want          string
	}{
		"proved":               {pool("1", 5, 5), pool("1", 5, 15), ""},
		"another group served": {pool("1", 5, 5), pool("1", 6, 15), "i-a of v1 got 1 requests"},
		"too few":              {pool("1", 5, 5), pool("1", 5, 14), "9 requests were served, want at least 10"},
		"a new epoch":          {pool("1", 5, 5), pool("2", 5, 15), "the load balancer's counters started anew"},
		"a counter fell":       {pool("1", 5, 5), pool("1", 4, 15), "the counter of i-a started anew"},
		"one left":             {pool("1", 5, 5), fewer, "i-a left the pool"},
		"one came":             {fewer, pool("1", 5, 25), "i-a came into the pool"},
	} {
		t.Run(name, func(t *testing.T) {
			proof, err := compare(c.before, c.after, "v2", 10)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if err == nil && (proof.Requests != 10 || proof.Served["i-b"] != 10) {
				t.Errorf("%+v", proof)
			}
		})
	}
}
