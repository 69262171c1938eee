package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/slipway-sh/slipway"
)

// clients send requests to a load balancer, evenly over time.
type clients struct {
	loadBalancer string
	rate         float64 // requests a second
	lost         float64 // that nobody served
}

// Traffic lets virtual clients send so many requests a second to a load balancer from now on, whether it is there or not.
func (w *World) Traffic(loadBalancer string, rate float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clientsOf(loadBalancer).rate = rate
}

// Ask sends one request, or makes one connection if path is empty, through the load balancer that listens where pool does, and returns
// an error if it is not answered, or with 5xx. It changes nothing but counters. Its form is that of traffic.Config.Ask.
func (w *World) Ask(ctx context.Context, pool slipway.PoolStatus, path, _ string) error {
	if err := w.look(ctx, "Ask "+pool.LoadBalancer); err != nil {
		return err
	}
	defer w.mu.Unlock()
	for _, p := range w.pools {
		if p.Port == pool.Port && (p.Address == pool.Address || anywhere(p.Address)) {
			return w.ask(p, path)
		}
	}
	return fmt.Errorf("dial %s: connection refused", endpoint(pool.Address, pool.Port))
}

func (w *World) ask(p *pool, path string) error {
	p.requests++
	for {
		up := p.up()
		if len(up) == 0 {
			return errors.New("status 503 Service Unavailable")
		}
		// The one that is due most is next: weighted round robin.
		total, next := weightOf(up), up[0]
		for _, t := range up {
			t.share += float64(t.Weight) / total
			if t.share > next.share+1e-9 {
				next = t
			}
		}
		next.share--
		if !next.serves() {
			next.refuse()
			continue
		}
		next.Requests++
		if next.answer(1, w); !next.failed {
			return nil
		}
		if path == "" {
			return nil // it took the connection
		}
		if next.broke {
			return errors.New("EOF")
		}
		return errors.New("status 500 Internal Server Error")
	}
}

// send lets clients send what they send from now until then. mu must be held.
func (w *World) send(c *clients, until time.Time) {
	n := c.rate * until.Sub(w.now).Seconds()
	if n <= 0 {
		return
	}
	p := w.poolOf(c.loadBalancer)
	if p == nil {
		c.lost += n
		return
	}
	p.requests += whole(&p.whole, n)
	up := p.up()
	for i := 0; i < len(up); {
		if t := up[i]; !t.serves() {
			t.refuse() // and another takes the request
			up, i = p.up(), 0
			continue
		}
		i++
	}
	if len(up) == 0 {
		c.lost += n
		return
	}
	total := weightOf(up)
	for _, t := range up {
		part := n * float64(t.Weight) / total
		t.rate, t.until = part/until.Sub(w.now).Seconds(), until
		k := whole(&t.share, part)
		t.Requests += k
		t.answer(k, w)
	}
}

// up returns the targets that get requests: the active ones that are up, or else the standby ones that are.
func (p *pool) up() []*target {
	for _, mode := range []slipway.TargetMode{slipway.Active, slipway.Standby} {
		var up []*target
		for _, t := range p.targets {
			if t.Mode == mode && !t.down {
				up = append(up, t)
			}
		}
		if len(up) > 0 {
			return up
		}
	}
	return nil
}

// serves reports whether the target takes requests.
func (t *target) serves() bool { return t.machine != nil && t.machine.serving }

// refuse notes a connection that was refused: then the load balancer takes the target for down.
func (t *target) refuse() {
	t.Requests++
	t.Failed++
	t.down = true
}

// answer notes what became of k requests on the target.
func (t *target) answer(k int64, w *World) {
	b := t.machine.behaviour
	stray := 1.0
	if b.Noise > 0 {
		stray += b.Noise * (2*w.random.Float64() - 1)
	}
	t.latency = time.Duration(float64(b.Latency) * stray)
	t.failed, t.broke = false, false
	if !t.machine.failing || k == 0 {
		return
	}
	broken := min(k, whole(&t.breaking, float64(k)*b.BreakRate*stray))
	failed := whole(&t.failing, float64(k)*b.ErrorRate*stray)
	if over := broken + failed - k; over > 0 { // a request fails once
		failed -= over
		t.failing += float64(over)
	}
	t.Failed, t.Broken = t.Failed+failed+broken, t.Broken+broken
	t.failed, t.broke = failed+broken > 0, broken > 0
}

// open returns how many requests are under way on the target: as many as come while one of them takes. mu must be held.
func (w *World) open(t *target) int {
	if t.machine == nil || t.machine.state == slipway.InstanceDead || !w.now.Before(t.until.Add(t.machine.behaviour.Latency)) {
		return 0
	}
	return int(math.Ceil(t.rate * t.machine.behaviour.Latency.Seconds()))
}

// cut breaks the requests that are under way on a machine. mu must be held.
func (w *World) cut(m *machine) {
	for _, p := range w.pools {
		for _, t := range p.targets {
			if t.machine == m {
				n := int64(w.open(t))
				t.Failed, t.Broken = t.Failed+n, t.Broken+n
				t.until = time.Time{}
			}
		}
	}
}

func (w *World) clientsOf(loadBalancer string) *clients {
	for _, c := range w.clients {
		if c.loadBalancer == loadBalancer {
			return c
		}
	}
	c := &clients{loadBalancer: loadBalancer}
	w.clients = append(w.clients, c)
	return c
}

func weightOf(targets []*target) (total float64) {
	for _, t := range targets {
		total += float64(t.Weight)
	}
	return total
}

// whole adds to what is due and takes from it what has become whole.
func whole(due *float64, more float64) int64 {
	*due += more
	n := math.Floor(*due + 1e-9)
	if n <= 0 {
		return 0
	}
	*due -= n
	return int64(n)
}
