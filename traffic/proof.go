package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

// ProbeHeader names the requests that a proof sends through the load balancer; its value is the group that should serve them.
const ProbeHeader = "Slipway-Probe"

// minRequests is how many requests a proof must see served at least; more if there are many targets.
const minRequests = 10

// Proof is what the data plane showed: in a stretch of time, Requests requests were sent to targets, all of them to Group's.
type Proof struct {
	Group    string           `json:"group"`
	Requests int64            `json:"requests"`
	Served   map[string]int64 `json:"served"` // by instance
	Took     time.Duration    `json:"took_ns"`
}

// Prove proves at the data plane that all new traffic of the cluster goes to the group: all its healthy instances are in the
// pool, active and up, no other group's are active, and while at least some requests were served, its own probes through the
// listener among them, no other group's counter moved. Requests that were under way on another group before may still be.
// It tries until it succeeds or within has passed, which is a DeadlinePast error that says what was seen instead.
func (c *Controller) Prove(ctx context.Context, cluster slipway.Cluster, group string, within time.Duration) (Proof, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begin := time.Now()
	var seen error // what the last whole try saw; the one that the deadline cut short says only that
	for {
		proof, err := c.proveOnce(ctx, cluster, group)
		if err == nil {
			proof.Took = time.Since(begin)
			return proof, nil
		}
		if seen == nil || ctx.Err() == nil {
			seen = err
		}
		if !pause(ctx, 5*time.Millisecond) {
			return Proof{}, slipway.Errorf(slipway.DeadlinePast, "cannot prove that all traffic of %s goes to %s: %w", cluster, group, seen)
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
		if err := c.ask(ctx, before, path, group); err != nil {
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

// poised says what in the pool keeps traffic from going to the group's healthy instances alone.
func poised(pool slipway.PoolStatus, group slipway.ServerGroup) error {
	targets := map[string]slipway.TargetStatus{}
	for _, t := range pool.Targets {
		targets[t.Instance] = t
		if t.Group != group.Name && t.Mode == slipway.Active {
			return fmt.Errorf("%s of %s is active", t.Instance, t.Group)
		}
	}
	if group.Healthy() == 0 {
		return fmt.Errorf("no instance of %s is healthy", group.Name)
	}
	for _, i := range group.Instances {
		if i.State != slipway.InstanceHealthy {
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
	return nil
}

// compare makes a proof of the pool's counters before and after, or says why they are none.
func compare(before, after slipway.PoolStatus, group string, want int64) (Proof, error) {
	if before.Epoch != after.Epoch {
		return Proof{}, errors.New("the load balancer's counters started anew")
	}
	was := map[string]int64{}
	for _, t := range before.Targets {
		was[t.Instance] = t.Requests
	}
	proof := Proof{Group: group, Served: map[string]int64{}}
	for _, t := range after.Targets {
		n, ok := was[t.Instance]
		if !ok {
			return Proof{}, fmt.Errorf("%s came into the pool", t.Instance)
		}
		delete(was, t.Instance)
		switch moved := t.Requests - n; {
		case moved < 0:
			return Proof{}, fmt.Errorf("the counter of %s started anew", t.Instance)
		case t.Group == group:
			proof.Served[t.Instance] = moved
			proof.Requests += moved
		case moved > 0:
			return Proof{}, fmt.Errorf("%s of %s got %d requests", t.Instance, t.Group, moved)
		}
	}
	for instance := range was {
		return Proof{}, fmt.Errorf("%s left the pool", instance)
	}
	if proof.Requests < want {
		return Proof{}, fmt.Errorf("%d requests were served, want at least %d", proof.Requests, want)
	}
	return proof, nil
}

// ask sends one probe through the load balancer and waits for the answer: a request for path, or a connection where it is empty.
func (c *Controller) ask(ctx context.Context, pool slipway.PoolStatus, path, group string) error {
	address := pool.Address
	if addr, err := netip.ParseAddr(address); err == nil && addr.IsUnspecified() {
		address = "localhost"
	}
	address = net.JoinHostPort(address, strconv.Itoa(pool.Port))
	if path == "" {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(ProbeHeader, group)
	res, err := c.probe.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= 500 {
		err = fmt.Errorf("status %s", res.Status)
	}
	return err
}
