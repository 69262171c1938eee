package traffic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// probesAtOnce is how many probes are sent between two looks at the counters.
	probesAtOnce = 10
	// maxProbes bounds one try. A balancer that takes turns by weight, as HAProxy does, gives one of 300 requests to each group that
	// should have a third of a percent.
	maxProbes = 300
	// slack is by how much of all traffic the weights of the data plane may differ from those that were asked for: a router that has
	// another scale than 1 to 256 rounds.
	slack = 0.002
)

// ProveSplit proves that the data plane follows the stored route, however it divides traffic: all healthy instances of every group that is
// active in it are in the pool, active and up, and no others are active; their weights give each group its share, as exactly as
// weights can; and while requests were served each active group got one at least and no counter of any other group moved. It
// sends as many probes as it takes until every group got one, at most 300 in a try, so that a share of less than a third of a
// percent may take several tries. Requests of clients count like probes.
//
// It tries until it succeeds or within has passed, and exactly once if within is not positive. Then it returns a DeadlinePast error
// that says what was seen instead. Safe for concurrent use; it changes nothing.
func (c *Controller) ProveSplit(ctx context.Context, cluster slipway.Cluster, within time.Duration) (Proof, error) {
	return prove(ctx, within, fmt.Sprintf("traffic of %s is divided as its route says", cluster), func(ctx context.Context) (Proof, error) {
		return c.proveSplitOnce(ctx, cluster)
	})
}

// proveSplitOnce makes one try, and says why it is no proof.
func (c *Controller) proveSplitOnce(ctx context.Context, cluster slipway.Cluster) (Proof, error) {
	route, err := c.Routes.Route(ctx, cluster)
	if err != nil {
		return Proof{}, err
	}
	groups, err := c.groups(ctx, route)
	if err != nil {
		return Proof{}, err
	}
	var active []slipway.ServerGroup
	for _, gr := range route.Groups {
		if gr.Mode != slipway.Active {
			continue
		}
		group, ok := groups[gr.Group]
		if !ok {
			return Proof{}, fmt.Errorf("%s, which should get traffic, does not exist", gr.Group)
		}
		active = append(active, group)
	}
	if len(active) == 0 {
		return Proof{}, errors.New("its route gives traffic to no group")
	}
	wanted := c.pool(route, groups)
	path := active[0].Service.Health.HTTP // any answer of the others is good too, but a 5xx
	if path == "" && wanted.HTTP {
		path = "/"
	}
	look := func() (slipway.PoolStatus, error) {
		pool, err := c.Router.Pool(ctx, cluster.String())
		if err == nil {
			err = poised(pool, active...)
		}
		if err == nil {
			err = weighed(pool, wanted)
		}
		return pool, err
	}
	before, err := look()
	if err != nil {
		return Proof{}, err
	}
	for sent := probesAtOnce; ; sent += probesAtOnce {
		for range probesAtOnce {
			if err := c.Ask(ctx, before, path, ""); err != nil {
				return Proof{}, fmt.Errorf("a probe through the load balancer failed: %w", err)
			}
		}
		after, err := look()
		if err != nil {
			return Proof{}, err
		}
		proof, without, err := compareSplit(before, after, active)
		switch {
		case err != nil:
			return Proof{}, err
		case len(without) == 0 && proof.Requests >= minRequests:
			return proof, nil
		case sent >= maxProbes && len(without) > 0:
			return Proof{}, fmt.Errorf("of %d requests %s got none", proof.Requests, strings.Join(without, " and "))
		case sent >= maxProbes:
			return Proof{}, fmt.Errorf("%d requests were served, want at least %d", proof.Requests, minRequests)
		}
	}
}

// weighed says which group's part of all weights is not what was wanted of the pool.
func weighed(pool slipway.PoolStatus, wanted slipway.Pool) error {
	now := make([]slipway.Target, len(pool.Targets))
	for i, t := range pool.Targets {
		now[i] = t.Target
	}
	has, want := portions(now), portions(wanted.Targets)
	for _, t := range wanted.Targets { // in the route's order
		if g := t.Group; math.Abs(has[g]-want[g]) > slack {
			return fmt.Errorf("%s has %.1f %% of the weights, want %.1f %%", g, 100*has[g], 100*want[g])
		}
	}
	return nil
}

// compareSplit makes a proof of the pool's counters before and after, and says which active groups got no request yet, or why
// there can be no proof.
func compareSplit(before, after slipway.PoolStatus, active []slipway.ServerGroup) (proof Proof, without []string, err error) {
	moved, err := moves(before, after)
	if err != nil {
		return Proof{}, nil, err
	}
	proof = Proof{Groups: map[string]int64{}, Served: map[string]int64{}}
	for _, g := range active {
		proof.Groups[g.Name] = 0
	}
	for _, t := range after.Targets {
		n := moved[t.Instance]
		if _, ok := proof.Groups[t.Group]; !ok {
			if n > 0 {
				return Proof{}, nil, fmt.Errorf("%s of %s got %d requests", t.Instance, t.Group, n)
			}
			continue
		}
		proof.Groups[t.Group] += n
		proof.Served[t.Instance] = n
		proof.Requests += n
	}
	for name, n := range proof.Groups {
		if n == 0 {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	return proof, without, nil
}
