package analysis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// DefaultStep is the time between two values of a query. Prometheus scrapes as often or less: more values would be the same ones again,
// which look like certainty.
const DefaultStep = 10 * time.Second

// maxValues is how many values of a series are asked for at most. Prometheus refuses more than 11,000.
const maxValues = 10_000

// queryWithin bounds how long a Prometheus may take to answer.
const queryWithin = 30 * time.Second

// Deps are where measurements and records come from.
type Deps struct {
	Store Store
	// Metrics answers the queries of metrics that have one. nil: they are not measured.
	Metrics Ranger
	// Step is the time between two values of a query; 0 for DefaultStep.
	Step time.Duration
	// Now is time.Now if nil.
	Now func() time.Time
}

// Store is what is needed of a [slipway.Store].
type Store interface {
	Deployment(ctx context.Context, id string) (slipway.Deployment, error)
	Deployments(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.Deployment, error)
	Samples(ctx context.Context, deployment string, from, to time.Time) ([]slipway.Sample, error)
}

// Ranger answers PromQL queries over a time. It is safe for concurrent use.
type Ranger interface {
	// QueryRange has the Prometheus at the URL server evaluate query at from and every step after it, up to and including to, and returns a
	// series for each of the result. Invalid if the query is wrong; Unavailable if there is no answer.
	QueryRange(ctx context.Context, server, query string, from, to time.Time, step time.Duration) ([]slipway.Series, error)
}

// Window is what is compared, and over which time.
type Window struct {
	Deployment string // whose samples are used
	Cluster    slipway.Cluster
	Canary     string    // server group
	Control    string    // server group
	From       time.Time // inclusive
	To         time.Time // exclusive for samples; inclusive for queries
	Prometheus string    // URL of the one that is asked by metrics that name none
}

// Run measures the metrics of spec over a window that is, or will not change any more, and judges them. It changes nothing.
//
// A metric that could not be measured because its Prometheus did not answer has no data, and the verdict says why. Errors are mistakes of the
// caller (Invalid: a window that ends before it begins, a query that does not parse, or that returns several series), those of the store, and ctx's.
func Run(ctx context.Context, deps Deps, spec slipway.Analysis, w Window) (slipway.Verdict, error) {
	spec = Defaults(spec)
	if err := valid(spec, w); err != nil {
		return slipway.Verdict{}, err
	}
	pairs := make([]Pair, len(spec.Metrics))
	var recorded []slipway.Sample
	if slices.ContainsFunc(spec.Metrics, func(m slipway.Metric) bool { return m.Query == "" }) && w.Deployment != "" {
		var err error
		if recorded, err = deps.Store.Samples(ctx, w.Deployment, w.From, w.To); err != nil {
			return slipway.Verdict{}, fmt.Errorf("read the samples of %s: %w", w.Deployment, err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, m := range spec.Metrics {
		if m.Query == "" {
			pairs[i] = Pair{Metric: m.Name, Canary: FromSamples(recorded, w.Canary, m.Source), Control: FromSamples(recorded, w.Control, m.Source)}
			continue
		}
		group.Go(func() (err error) {
			pairs[i], err = deps.query(ctx, m, w)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return slipway.Verdict{}, err
	}
	v := Judge(spec, pairs)
	v.Canary, v.Control, v.From, v.To = w.Canary, w.Control, w.From, w.To
	return v, nil
}

// query measures a metric that has a query.
func (d Deps) query(ctx context.Context, m slipway.Metric, w Window) (Pair, error) {
	p := Pair{Metric: m.Name}
	if d.Metrics == nil {
		p.Missing = "there is nothing that answers queries"
		return p, nil
	}
	for _, of := range []struct {
		group  string
		series *slipway.Series
	}{{w.Canary, &p.Canary}, {w.Control, &p.Control}} {
		*of.series = slipway.Series{Group: of.group}
		query, err := check.Expand(m.Query, map[string]string{"application": w.Cluster.Application, "environment": w.Cluster.Environment, "group": of.group})
		if err != nil {
			return p, slipway.Errorf(slipway.Invalid, "cannot measure %q: %w", m.Name, err)
		}
		within, cancel := context.WithTimeout(ctx, queryWithin)
		found, err := d.Metrics.QueryRange(within, server(m, w), query, w.From, w.To, d.step(w))
		cancel()
		switch code := slipway.CodeOf(err); {
		case ctx.Err() != nil:
			return p, ctx.Err()
		case code == slipway.Invalid:
			return p, slipway.Errorf(slipway.Invalid, "cannot measure %q: %w", m.Name, err)
		case code == slipway.Internal:
			return p, fmt.Errorf("measure %q of %s: %w", m.Name, of.group, err)
		case err != nil:
			p.Missing = slipway.MessageOf(err)
			return p, nil
		case len(found) > 1:
			return p, slipway.Errorf(slipway.Invalid, "cannot measure %q: its query returns %d series for %s, and one is wanted: aggregate them, such as with sum(…) or avg(…)",
				m.Name, len(found), of.group)
		case len(found) == 1:
			of.series.Times, of.series.Values = found[0].Times, found[0].Values
		}
	}
	return p, nil
}

// step returns the time between two values: longer for a window of more of them than Prometheus answers with.
func (d Deps) step(w Window) time.Duration {
	step := DefaultStep
	if d.Step > 0 {
		step = d.Step
	}
	return max(step, (w.To.Sub(w.From) / maxValues).Round(time.Millisecond))
}

func server(m slipway.Metric, w Window) string {
	if m.Server != "" {
		return m.Server
	}
	return w.Prometheus
}
