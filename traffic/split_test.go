package traffic

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

const source, canary, spare = "hello-prod-v001", "hello-prod-v002", "hello-prod-v000"

// plane is a data plane: it has a pool and sends each request to the target whose turn it is.
type plane struct {
	pool   slipway.PoolStatus
	turns  []string // groups, over and over
	sent   int
	asked  []string              // the groups that probes were for
	onSend func(*plane)          // before a request is sent
	live   []slipway.ServerGroup // what the provider says
	route  slipway.Route         // that is stored
	err    error                 // of a probe
}

func (p *plane) controller(t *testing.T) *Controller {
	c := newController(&fakes{
		route: func(slipway.Cluster) (slipway.Route, error) { return p.route, nil },
		serverGroup: func(name string) (slipway.ServerGroup, error) {
			if i := slices.IndexFunc(p.live, func(g slipway.ServerGroup) bool { return g.Name == name }); i >= 0 {
				return p.live[i], nil
			}
			return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "no %s", name)
		},
		pool: func(string) (slipway.PoolStatus, error) {
			now := p.pool
			now.Targets = slices.Clone(now.Targets)
			return now, nil
		},
	})
	c.Ask = func(_ context.Context, pool slipway.PoolStatus, path, group string) error {
		if pool.LoadBalancer != prod.String() {
			t.Errorf("a probe to %s", pool.LoadBalancer)
		}
		if path != "/h" {
			t.Errorf("a probe for %q, want the groups' health path", path)
		}
		if p.onSend != nil {
			p.onSend(p)
		}
		p.asked = append(p.asked, group)
		turn := p.turns[p.sent%len(p.turns)]
		for i := range p.pool.Targets {
			if p.pool.Targets[i].Group == turn {
				p.pool.Targets[i].Requests++
				break
			}
		}
		p.sent++
		return p.err
	}
	return c
}

// split returns a data plane that follows its route: 80 % to two machines of the source, 20 % to one of the canary, and one stands by.
func split() *plane {
	healthy := slipway.InstanceHealthy
	target := func(instance, group string, mode slipway.TargetMode, weight int) slipway.TargetStatus {
		return slipway.TargetStatus{Target: slipway.Target{Instance: instance, Group: group, Mode: mode, Weight: weight}, Up: true, Requests: 7}
	}
	return &plane{
		pool: slipway.PoolStatus{LoadBalancer: prod.String(), Epoch: "1", Targets: []slipway.TargetStatus{
			target(source+"-a", source, slipway.Active, 256), target(source+"-b", source, slipway.Active, 256),
			target(canary+"-a", canary, slipway.Active, 128), target(spare+"-a", spare, slipway.Standby, 256),
		}},
		turns: []string{source, source, source, source, canary},
		live:  []slipway.ServerGroup{serverGroup(source, "/h", healthy, healthy), serverGroup(canary, "/h", healthy), serverGroup(spare, "/h", healthy)},
		route: slipway.Route{Cluster: prod, Port: 80, Groups: []slipway.GroupRoute{
			{Group: source, Mode: slipway.Active, Weight: 80}, {Group: canary, Mode: slipway.Active, Weight: 20}, {Group: spare, Mode: slipway.Standby},
		}},
	}
}

func TestProveSplit(t *testing.T) {
	p := split()
	proof, err := p.controller(t).ProveSplit(t.Context(), prod, 0)
	if err != nil {
		t.Fatal(err)
	}
	proof.Took = 0
	want := Proof{
		Groups: map[string]int64{source: 8, canary: 2}, Requests: 10,
		Served: map[string]int64{source + "-a": 8, source + "-b": 0, canary + "-a": 2},
	}
	if diff := cmp.Diff(want, proof); diff != "" {
		t.Error(diff)
	}
	if slices.ContainsFunc(p.asked, func(group string) bool { return group != "" }) {
		t.Errorf("probes were for %q, want any group", p.asked)
	}
}

// It sends as many probes as a small share needs, and gives up at its bound.
func TestProveSplitOfSmallShares(t *testing.T) {
	for _, c := range []struct {
		turn   int // the request that the canary gets
		proved bool
		sent   int
	}{{2, true, 10}, {10, true, 10}, {11, true, 20}, {100, true, 100}, {300, true, 300}, {301, false, 300}} {
		p := split()
		p.turns = append(slices.Repeat([]string{source}, c.turn-1), canary)
		_, err := p.controller(t).ProveSplit(t.Context(), prod, 0)
		if (err == nil) != c.proved || p.sent != c.sent {
			t.Errorf("the canary gets request %d: %d probes, %v", c.turn, p.sent, err)
		}
		if !c.proved && !strings.Contains(slipway.MessageOf(err), "of 300 requests hello-prod-v002 got none") {
			t.Errorf("%v", err)
		}
	}
}

func TestProveSplitSaysWhatIsNotSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plane)
		want   string
	}{
		"no active group":            {func(p *plane) { p.route.Groups = p.route.Groups[2:] }, "its route gives traffic to no group"},
		"a group is gone":            {func(p *plane) { p.live = p.live[:1] }, "hello-prod-v002, which should get traffic, does not exist"},
		"no healthy machine":         {func(p *plane) { p.live[1].Instances[0].State = slipway.InstanceUnhealthy }, "no instance of hello-prod-v002 is healthy"},
		"a machine is not there yet": {func(p *plane) { p.pool.Targets = slices.Delete(p.pool.Targets, 1, 2) }, "hello-prod-v001-b is not in the pool"},
		"a machine is off":           {func(p *plane) { p.pool.Targets[1].Mode = slipway.Off }, "hello-prod-v001-b is off"},
		"a machine is down":          {func(p *plane) { p.pool.Targets[2].Up = false }, "the load balancer finds hello-prod-v002-a down"},
		"another group is active":    {func(p *plane) { p.pool.Targets[3].Mode = slipway.Active }, "hello-prod-v000-a of hello-prod-v000 is active"},
		"old weights":                {func(p *plane) { p.pool.Targets[2].Weight = 27 }, "hello-prod-v001 has 95.0 % of the weights, want 80.0 %"},
		"no weight means 100":        {func(p *plane) { p.route.Groups[0].Weight = 0 }, "hello-prod-v001 has 80.0 % of the weights, want 83.3 %"},
		"a standby target serves":    {func(p *plane) { p.turns[0] = spare }, "hello-prod-v000-a of hello-prod-v000 got 2 requests"},
		"a group gets nothing":       {func(p *plane) { p.turns = p.turns[:1] }, "of 300 requests hello-prod-v002 got none"},
		"new counters":               {func(p *plane) { p.onSend = func(p *plane) { p.pool.Epoch = "2" } }, "the load balancer's counters started anew"},
		"it changes meanwhile":       {func(p *plane) { p.onSend = func(p *plane) { p.pool.Targets[2].Mode = slipway.Off } }, "hello-prod-v002-a is off"},
		"a probe fails":              {func(p *plane) { p.err = errors.New("no route to host") }, "a probe through the load balancer failed: no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			p := split()
			c.change(p)
			_, err := p.controller(t).ProveSplit(t.Context(), prod, 0)
			want := "cannot prove that traffic of hello-prod is divided as its route says: " + c.want
			if slipway.CodeOf(err) != slipway.DeadlinePast || slipway.MessageOf(err) != want {
				t.Errorf("%q, want %q", slipway.MessageOf(err), want)
			}
		})
	}
}

// Without time there is one try, of either proof, and no more.
func TestProofWithoutTimeIsOneTry(t *testing.T) {
	for name, prove := range map[string]func(*Controller) error{
		"split": func(c *Controller) error { _, err := c.ProveSplit(t.Context(), prod, 0); return err },
		"all":   func(c *Controller) error { _, err := c.Prove(t.Context(), prod, canary, -1); return err },
	} {
		looks := 0
		f := &fakes{
			route: func(slipway.Cluster) (slipway.Route, error) { return split().route, nil },
			serverGroup: func(name string) (slipway.ServerGroup, error) {
				return serverGroup(name, "/h", slipway.InstanceHealthy), nil
			},
			pool: func(string) (slipway.PoolStatus, error) { looks++; return slipway.PoolStatus{}, errors.New("lost") },
		}
		if err := prove(newController(f)); slipway.CodeOf(err) != slipway.DeadlinePast || !strings.HasSuffix(err.Error(), ": lost") || looks != 1 {
			t.Errorf("%s: %v after %d looks, want one", name, err, looks)
		}
	}
}

// With time it goes on until the data plane has followed.
func TestProveSplitWaits(t *testing.T) {
	p := split()
	p.pool.Targets[2].Weight = 27
	c := p.controller(t)
	looks := 0
	router := *c.Router.(*fakes)
	pool := router.pool
	router.pool = func(name string) (slipway.PoolStatus, error) {
		if looks++; looks == 3 {
			p.pool.Targets[2].Weight = 128
		}
		return pool(name)
	}
	c.Router = &router
	proof, err := c.ProveSplit(t.Context(), prod, 1<<40)
	if err != nil || looks < 3 {
		t.Errorf("%v after %d looks", err, looks)
	}
	if got := slices.Sorted(maps.Keys(proof.Groups)); !slices.Equal(got, []string{source, canary}) {
		t.Errorf("the proof is of %v", got)
	}
}
