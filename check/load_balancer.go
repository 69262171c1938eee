package check

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// minRequests is below how many requests there is no data, unless the check says.
const minRequests = 20

// counted is what a load balancer counted of a group in a while.
type counted struct {
	requests, failed int64
	timed            int64         // of the requests, those whose targets have a response time
	latency          time.Duration // mean over these
}

// loadBalancer compares what the load balancer has counted of the target since s.Before with the bounds.
func (m Measurer) loadBalancer(ctx context.Context, bounds *slipway.LoadBalancerCheck, s Subject) slipway.Measurement {
	d := s.Deployment
	if d.Environment.LoadBalancer == nil {
		return noData("%s has no load balancer", d.Cluster)
	}
	if bounds.MaxErrors == nil && bounds.MaxLatency == 0 {
		return noData("the check has no bounds")
	}
	now, err := m.Pools.Pool(ctx, d.Cluster.String())
	if err != nil {
		return unanswered(ctx, "cannot tell what the load balancer of "+d.Cluster.String()+" counts", err)
	}
	c, there := count(now, s.Before, d.Target)
	least := bounds.MinRequests
	if least <= 0 {
		least = minRequests
	}
	switch {
	case !there:
		return noData("the load balancer has no machine of %s", d.Target)
	case c.requests < least:
		return noData("%d requests since %s got traffic: too few, want %d", c.requests, d.Target, least)
	}
	share := float64(c.failed) / float64(c.requests)
	if bounds.MaxErrors != nil && share > *bounds.MaxErrors {
		return of(fail("%d of %d requests failed, %s; at most %s may", c.failed, c.requests, percent(share), percent(*bounds.MaxErrors)), share)
	}
	if bounds.MaxLatency > 0 {
		switch limit := time.Duration(bounds.MaxLatency); {
		case c.timed == 0:
			return noData("the load balancer has no response times of %s", d.Target)
		case c.latency > limit:
			return of(fail("mean response time %s over %d requests; at most %s", c.latency.Round(time.Microsecond), c.requests, limit), c.latency.Seconds())
		}
	}
	text := fmt.Sprintf("%d of %d requests failed", c.failed, c.requests)
	if c.timed > 0 {
		text += fmt.Sprintf(", mean response time %s", c.latency.Round(time.Microsecond))
	}
	if bounds.MaxErrors == nil {
		return of(pass("%s", text), c.latency.Seconds())
	}
	return of(pass("%s", text), share)
}

// count returns what was counted of the group between two looks at a pool, and whether the pool has a machine of it. What a counter had
// before it started again from zero is lost, and so is what was counted of machines that have left the pool. A target's response time is
// a mean over its last requests, some of which may have been before the first look.
func count(now, before slipway.PoolStatus, group string) (c counted, there bool) {
	earlier := map[string]slipway.TargetStatus{}
	if now.Epoch == before.Epoch {
		for _, t := range before.Targets {
			earlier[t.Instance] = t
		}
	}
	var sum float64
	for _, t := range now.Targets {
		if t.Group != group {
			continue
		}
		there = true
		was := earlier[t.Instance]
		if t.Requests < was.Requests || t.Failed < was.Failed {
			was = slipway.TargetStatus{}
		}
		failed := t.Failed - was.Failed
		requests := max(t.Requests-was.Requests, failed) // a connection that was refused is no request sent
		c.requests += requests
		c.failed += failed
		if t.Latency > 0 {
			c.timed += requests
			sum += float64(t.Latency) * float64(requests)
		}
	}
	if c.timed > 0 {
		c.latency = time.Duration(sum / float64(c.timed))
	}
	return c, there
}

func percent(share float64) string { return fmt.Sprintf("%.4g %%", 100*share) }
