package traffic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// minRequests is how many requests a proof must see served at least; more if there are many targets.
const minRequests = 10

// Proof is what the data plane showed: in a stretch of time, Requests requests were sent to targets, all of them to those that
// should get some.
type Proof struct {
	Group    string           `json:"group,omitempty"`  // that got all; empty in a proof of a split
	Groups   map[string]int64 `json:"groups,omitempty"` // requests by active group, in a proof of a split
	Requests int64            `json:"requests"`
	Served   map[string]int64 `json:"served"` // by instance
	Took     time.Duration    `json:"took_ns"`
}

// Prove proves at the data plane that all new traffic of the cluster goes to the group: all its healthy instances are in the
// pool, active and up, no other group's are active, and while at least some requests were served, its own probes through the
// listener among them, no other group's counter moved. Requests that were under way on another group before may still be.
//
// It tries until it succeeds or within has passed, and exactly once if within is not positive. Then it returns a DeadlinePast error
// that says what was seen instead. Safe for concurrent use; it changes nothing.
func (c *Controller) Prove(ctx context.Context, cluster slipway.Cluster, group string, within time.Duration) (Proof, error) {
	return prove(ctx, within, fmt.Sprintf("all traffic of %s goes to %s", cluster, group), func(ctx context.Context) (Proof, error) {
		return c.proveOnce(ctx, cluster, group)
	})
}

// prove makes tries until one is a proof of what, or within has passed; one try if it is not positive.
func prove(ctx context.Context, within time.Duration, what string, try func(context.Context) (Proof, error)) (Proof, error) {
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	begin := time.Now()
	var seen error // what the last whole try saw; the one that the deadline cut short says only that
	for {
		proof, err := try(ctx)
		if err == nil {
			proof.Took = time.Since(begin)
			return proof, nil
		}
		if seen == nil || ctx.Err() == nil {
			seen = err
		}
		if within <= 0 || !pause(ctx, 5*time.Millisecond) {
			return Proof{}, slipway.Errorf(slipway.DeadlinePast, "cannot prove that %s: %w", what, seen)
		}
	}
}

// Drained returns when nothing is under way on the group's targets, or there are none; a DeadlinePast error once ctx is done.
func (c *Controller) Drained(ctx context.Context, cluster slipway.Cluster, group string) error {
	seen := errors.New("the load balancer has not answered")
	for {
		pool, err := c.Router.Pool(ctx, cluster.String())
		if slipway.CodeOf(err) == slipway.NotFound {
			return nil
		}
		open := 0
		for _, t := range pool.Targets {
			if t.Group == group {
				open += t.Open
			}
		}
		switch {
		case err == nil && open == 0:
			return nil
		case err == nil:
			seen = fmt.Errorf("%d requests are still under way", open)
		case ctx.Err() == nil:
			seen = err
		}
		if !pause(ctx, 10*time.Millisecond) {
			return slipway.Errorf(slipway.DeadlinePast, "cannot drain %s: %w", group, seen)
		}
	}
}

// proveOnce makes one try, and says why it is no proof.
func (c *Controller) proveOnce(ctx context.Context, cluster slipway.Cluster, group string) (Proof, error) {
	route, err := c.Routes.Route(ctx, cluster)
	if err != nil {
		return Proof{}, err
	}
	groups, err := c.groups(ctx, route)
	if err != nil {
		return Proof{}, err
	}
	live, ok := groups[group]
	if !ok {
		return Proof{}, fmt.Errorf("%s is not routed to", group)
	}
	path := live.Service.Health.HTTP
	if path == "" && c.pool(route, groups).HTTP {
		path = "/"
	}
	before, err := c.Router.Pool(ctx, cluster.String())
	if err != nil {
		return Proof{}, err
	}
	if err := poised(before, live); err != nil {
		return Proof{}, err
	}
	want := int64(max(minRequests, 2*live.Healthy()))
	for range want {
		if err := c.Ask(ctx, before, path, group); err != nil {
			return Proof{}, fmt.Errorf("a probe through the load balancer failed: %w", err)
		}
	}
	after, err := c.Router.Pool(ctx, cluster.String())
	if err != nil {
		return Proof{}, err
	}
	if err := poised(after, live); err != nil {
		return Proof{}, err
	}
	return compare(before, after, group, want)
}

// poised says what in the pool keeps traffic from going to the healthy instances of these groups, to all of them and to no others.
func poised(pool slipway.PoolStatus, groups ...slipway.ServerGroup) error {
	targets, named := map[string]slipway.TargetStatus{}, map[string]bool{}
	for _, g := range groups {
		named[g.Name] = true
	}
	for _, t := range pool.Targets {
		targets[t.Instance] = t
		if !named[t.Group] && t.Mode == slipway.Active {
			return fmt.Errorf("%s of %s is active", t.Instance, t.Group)
		}
	}
	for _, g := range groups {
		if g.Ready() == 0 {
			return fmt.Errorf("no instance of %s is healthy", g.Name)
		}
		for _, i := range g.Instances {
			if i.State != slipway.InstanceHealthy || i.Disabled != nil {
				continue
			}
			switch t, ok := targets[i.ID]; {
			case !ok:
				return fmt.Errorf("%s is not in the pool", i.ID)
			case t.Mode != slipway.Active:
				return fmt.Errorf("%s is %s", i.ID, t.Mode)
			case !t.Up:
				return fmt.Errorf("the load balancer finds %s down", i.ID)
			}
		}
	}
	return nil
}

// compare makes a proof of the pool's counters before and after, or says why they are none.
func compare(before, after slipway.PoolStatus, group string, want int64) (Proof, error) {
	moved, err := moves(before, after)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Group: group, Served: map[string]int64{}}
	for _, t := range after.Targets {
		switch n := moved[t.Instance]; {
		case t.Group == group:
			proof.Served[t.Instance] = n
			proof.Requests += n
		case n > 0:
			return Proof{}, fmt.Errorf("%s of %s got %d requests", t.Instance, t.Group, n)
		}
	}
	if proof.Requests < want {
		return Proof{}, fmt.Errorf("%d requests were served, want at least %d", proof.Requests, want)
	}
	return proof, nil
}

// moves returns how many requests each target got between the two, or why they cannot be compared.
func moves(before, after slipway.PoolStatus) (map[string]int64, error) {
	if before.Epoch != after.Epoch {
		return nil, errors.New("the load balancer's counters started anew")
	}
	was := map[string]int64{}
	for _, t := range before.Targets {
		was[t.Instance] = t.Requests
	}
	moved := map[string]int64{}
	for _, t := range after.Targets {
		n, ok := was[t.Instance]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s came into the pool", t.Instance)
		case t.Requests < n:
			return nil, fmt.Errorf("the counter of %s started anew", t.Instance)
		}
		moved[t.Instance] = t.Requests - n
		delete(was, t.Instance)
	}
	for instance := range was {
		return nil, fmt.Errorf("%s left the pool", instance)
	}
	return moved, nil
}
