package deploy

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// Sampled is what the load balancer had counted when a sample was taken.
type Sampled struct {
	Time   time.Time
	Epoch  string
	Groups map[string]Counted
}

// sample notes what the target and its control have done since the last sample, once it is time.
func (a *Activities) sample(ctx context.Context, d slipway.Deployment, w Wait, pool slipway.PoolStatus, last *Sampled) error {
	now := a.now()
	if !last.Time.IsZero() && now.Sub(last.Time) < w.Every {
		return nil
	}
	seen := Sampled{Time: now, Epoch: pool.Epoch, Groups: map[string]Counted{}}
	var samples []slipway.Sample
	for _, group := range []string{d.Target, controlOf(d)} {
		total := count(pool, group)
		seen.Groups[group] = total
		before, known := last.Groups[group]
		if last.Epoch != pool.Epoch || !known || total.Requests < before.Requests { // the counters began anew, or a machine left with its own
			continue
		}
		done := total.since(before)
		samples = append(samples, slipway.Sample{
			Time: now, Group: group, Requests: done.Requests, Errors: min(done.Failed, done.Requests), Latency: latency(pool, group),
		})
	}
	if len(samples) > 0 {
		// A disk that is full is no fault of the image's.
		if err := a.Store.PutSamples(ctx, d.ID, samples); err != nil {
			return durable.Passing(err)
		}
	}
	*last = seen
	return nil
}

// latency returns the mean response time of the group's machines, each as often as it was asked.
func latency(pool slipway.PoolStatus, group string) slipway.Duration {
	var sum float64
	var requests int64
	for _, t := range pool.Targets {
		if t.Group == group && t.Latency > 0 {
			sum += float64(t.Latency) * float64(t.Requests)
			requests += t.Requests
		}
	}
	if requests == 0 {
		return 0
	}
	return slipway.Duration(sum / float64(requests))
}

// controlOf returns the group that the target is compared with.
func controlOf(d slipway.Deployment) string {
	if d.Baseline != "" {
		return d.Baseline
	}
	return d.Source
}

// Comparison says what is compared with the target, and over which time.
type Comparison struct {
	Analysis slipway.Analysis
	Control  string
	From, To time.Time
}

// Analyse compares the target with its control.
func (a *Activities) Analyse(ctx context.Context, d slipway.Deployment, c Comparison) (slipway.Verdict, error) {
	if err := a.step(ctx, d); err != nil {
		return slipway.Verdict{}, err
	}
	return a.Analyst.Compare(ctx, c.Analysis, d, c.Control, c.From, c.To)
}
