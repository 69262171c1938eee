package analysis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// The deployment of the tests: a canary of hello in prod that began at noon.
var (
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	cluster = slipway.Cluster{Application: "hello", Environment: "prod"}
)

const (
	source   = "hello-prod-v001"
	target   = "hello-prod-v002"
	baseline = "hello-prod-v003"
)

// records is a store in memory.
type records struct {
	deployments []slipway.Deployment // newest first
	samples     map[string][]slipway.Sample
	err         error
}

func (r *records) Deployment(_ context.Context, id string) (slipway.Deployment, error) {
	for _, d := range r.deployments {
		if d.ID == id {
			return d, nil
		}
	}
	return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot find deployment %q", id)
}

func (r *records) Deployments(_ context.Context, c slipway.Cluster, limit int) ([]slipway.Deployment, error) {
	var found []slipway.Deployment
	for _, d := range r.deployments {
		if d.Cluster == c && len(found) < limit {
			found = append(found, d)
		}
	}
	return found, r.err
}

func (r *records) Samples(_ context.Context, id string, from, to time.Time) ([]slipway.Sample, error) {
	var found []slipway.Sample
	for _, s := range r.samples[id] {
		if !s.Time.Before(from) && (to.IsZero() || s.Time.Before(to)) {
			found = append(found, s)
		}
	}
	return found, r.err
}

// minutes is what the load balancer measured of a group each second of so many minutes, from the one after noon on.
func minutes(n int, group string, errorRate, latency float64) []slipway.Sample {
	r := rand.New(rand.NewPCG(3, uint64(len(group)+int(group[len(group)-1]))))
	var all []slipway.Sample
	for i := range 60 * n {
		s := slipway.Sample{Time: noon.Add(time.Minute + time.Duration(i)*time.Second), Group: group, Requests: 100}
		for range s.Requests {
			if r.Float64() < errorRate {
				s.Errors++
			}
		}
		s.Latency = slipway.Duration(latency * (1 + 0.1*r.NormFloat64()) * float64(time.Second))
		all = append(all, s)
	}
	return all
}

// asked is a Prometheus that answers as a test says, and remembers.
type asked struct {
	mu     sync.Mutex
	calls  []string
	answer func(query string) ([]slipway.Series, error)
}

func (a *asked) QueryRange(_ context.Context, server, query string, from, to time.Time, step time.Duration) ([]slipway.Series, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, fmt.Sprint(server, " ", query, " ", from.Sub(noon), " ", to.Sub(noon), " ", step))
	return a.answer(query)
}

var window = Window{
	Deployment: "d-1", Cluster: cluster, Canary: target, Control: baseline, From: noon, To: noon.Add(10 * time.Minute), Prometheus: "http://one:9090",
}

func TestRunOnSamples(t *testing.T) {
	for _, c := range []struct {
		name                  string
		canaryErrors, latency float64
		minutes               int
		grade                 slipway.Grade
	}{
		{"alike", 0.01, 0.05, 2, slipway.GradePass},
		{"more errors", 0.05, 0.05, 2, slipway.GradeFail},
		{"slower", 0.01, 0.08, 2, slipway.GradeFail},
		{"a little slower", 0.01, 0.053, 2, slipway.GradePass},
		{"faster", 0.01, 0.03, 2, slipway.GradePass},
		{"too soon", 0.5, 0.05, 0, slipway.GradeNoData},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := &records{samples: map[string][]slipway.Sample{
				"d-1": slices.Concat(minutes(c.minutes, target, c.canaryErrors, c.latency), minutes(2, baseline, 0.01, 0.05), minutes(2, source, 0.9, 9)),
			}}
			v, err := Run(t.Context(), Deps{Store: store}, slipway.Analysis{}, window)
			if err != nil || v.Grade != c.grade {
				t.Errorf("got %+v, %v", v, err)
			}
			if v.Canary != target || v.Control != baseline || v.From != window.From || v.To != window.To {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestRunAsksPrometheus(t *testing.T) {
	prometheus := &asked{answer: func(query string) ([]slipway.Series, error) {
		if strings.Contains(query, target) {
			return []slipway.Series{{Values: ramp(60, 9)}}, nil
		}
		return []slipway.Series{{Values: ramp(60, 1)}}, nil
	}}
	spec := slipway.Analysis{Metrics: []slipway.Metric{
		{Name: "cpu", Query: `avg(cpu{group="$group",env=~"$environment$"})`},
		{Name: "queue", Query: `sum(queue{app="${application}",group="$group"})`, Server: "http://two:9090", Direction: slipway.DirectionDecrease},
	}}
	v, err := Run(t.Context(), Deps{Store: &records{}, Metrics: prometheus}, spec, window)
	if err != nil || v.Grade != slipway.GradeFail || v.Score != 50 {
		t.Errorf("got %+v, %v", v, err)
	}
	slices.Sort(prometheus.calls)
	want := []string{
		`http://one:9090 avg(cpu{group="hello-prod-v002",env=~"prod$"}) 0s 10m0s 10s`,
		`http://one:9090 avg(cpu{group="hello-prod-v003",env=~"prod$"}) 0s 10m0s 10s`,
		`http://two:9090 sum(queue{app="hello",group="hello-prod-v002"}) 0s 10m0s 10s`,
		`http://two:9090 sum(queue{app="hello",group="hello-prod-v003"}) 0s 10m0s 10s`,
	}
	if !slices.Equal(prometheus.calls, want) {
		t.Errorf("asked %q", prometheus.calls)
	}

	// A week has more values than are answered at once.
	prometheus.calls = nil
	week := window
	week.To = week.From.Add(7 * 24 * time.Hour)
	if _, err := Run(t.Context(), Deps{Metrics: prometheus}, slipway.Analysis{Metrics: spec.Metrics[:1]}, week); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(prometheus.calls[0], " 1m0.48s") {
		t.Errorf("asked %q", prometheus.calls)
	}
}

// A Prometheus that does not answer is no data; a query that is wrong is somebody's mistake.
func TestRunWithoutAnswer(t *testing.T) {
	one := func(string) ([]slipway.Series, error) { return []slipway.Series{{Values: ramp(60, 1)}}, nil }
	for _, c := range []struct {
		name   string
		query  string
		answer func(string) ([]slipway.Series, error)
		code   slipway.Code
		want   string // of the error, or of the metric's detail
	}{
		{"no answer", "up", func(string) ([]slipway.Series, error) {
			return nil, slipway.Errorf(slipway.Unavailable, "cannot ask the Prometheus at http://one:9090: it is down")
		}, "", "cannot ask the Prometheus at http://one:9090: it is down"},
		{"no series", "up", func(string) ([]slipway.Series, error) { return nil, nil }, "", "0 samples of the canary and 0 of its control"},
		{"no Prometheus at all", "up", nil, "", "there is nothing that answers queries"},
		{"several series", "up", func(string) ([]slipway.Series, error) { return make([]slipway.Series, 3), nil }, slipway.Invalid,
			`cannot measure "m": its query returns 3 series for hello-prod-v002, and one is wanted: aggregate them`},
		{"a query that does not parse", "up(", func(string) ([]slipway.Series, error) {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use the query: column 4")
		}, slipway.Invalid, `cannot measure "m": cannot use the query: column 4`},
		{"a variable that there is not", `up{g="$gruop"}`, one, slipway.Invalid, `cannot measure "m": `},
		{"a bug", "up", func(string) ([]slipway.Series, error) { return nil, errors.New("boom") }, slipway.Internal, "boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			deps := Deps{Store: &records{}}
			if c.answer != nil {
				deps.Metrics = &asked{answer: c.answer}
			}
			v, err := Run(t.Context(), deps, slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", Query: c.query}}}, window)
			switch {
			case slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v", err)
			case err == nil && (v.Grade != slipway.GradeNoData || !strings.HasPrefix(v.Metrics[0].Detail, c.want)):
				t.Errorf("got %+v", v)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	prometheus := &asked{answer: func(string) ([]slipway.Series, error) {
		cancel()
		return nil, slipway.Errorf(slipway.Unavailable, "cannot ask: %w", ctx.Err())
	}}
	if v, err := Run(ctx, Deps{Metrics: prometheus}, slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", Query: "up"}}}, window); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: got %+v, %v", v, err)
	}
	broken := &records{err: errors.New("disk")}
	if v, err := Run(t.Context(), Deps{Store: broken}, slipway.Analysis{}, window); !errors.Is(err, broken.err) {
		t.Errorf("a store that fails: got %+v, %v", v, err)
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	spec := func(m slipway.Metric) slipway.Analysis {
		m.Name = "m"
		return slipway.Analysis{Metrics: []slipway.Metric{m}}
	}
	query, counted := slipway.Metric{Query: "up"}, slipway.Metric{Source: slipway.SourceErrors}
	with := func(m slipway.Metric, change func(*slipway.Metric)) slipway.Analysis {
		change(&m)
		return spec(m)
	}
	for name, c := range map[string]struct {
		spec slipway.Analysis
		w    func(*Window)
		want string
	}{
		"no canary":             {slipway.Analysis{}, func(w *Window) { w.Canary = "" }, "cannot analyse hello-prod: it takes two server groups"},
		"itself":                {slipway.Analysis{}, func(w *Window) { w.Control = w.Canary }, "cannot compare hello-prod-v002 with itself"},
		"the end first":         {slipway.Analysis{}, func(w *Window) { w.From = w.To.Add(1) }, "the end must be after the beginning"},
		"no time":               {slipway.Analysis{}, func(w *Window) { w.From = w.To }, "the end must be after the beginning"},
		"scores that cross":     {slipway.Analysis{Pass: 50, Marginal: 60}, nil, "marginal is not above pass"},
		"a score above 100":     {slipway.Analysis{Pass: 101}, nil, "scores from 0 to 100"},
		"negative samples":      {slipway.Analysis{MinSamples: -1}, nil, "cannot need -1 samples"},
		"no name":               {slipway.Analysis{Metrics: []slipway.Metric{query}}, nil, "that has no name"},
		"a name twice":          {slipway.Analysis{Metrics: append(spec(query).Metrics, spec(counted).Metrics...)}, nil, `two metrics of the name "m"`},
		"nothing to measure":    {spec(slipway.Metric{}), nil, "it takes a query or a source"},
		"two things to measure": {with(query, func(m *slipway.Metric) { m.Source = slipway.SourceErrors }), nil, "and not both"},
		"unknown source":        {spec(slipway.Metric{Source: "cpu"}), nil, `not "cpu"`},
		"nobody to ask":         {spec(query), func(w *Window) { w.Prometheus = "" }, "no Prometheus is named"},
		"unknown direction":     {with(query, func(m *slipway.Metric) { m.Direction = "up" }), nil, `not "up"`},
		"all is borne with":     {with(query, func(m *slipway.Metric) { m.Tolerance = 1 }), nil, "with a tolerance of 1"},
		"negative effect":       {with(query, func(m *slipway.Metric) { m.MinEffect = -1 }), nil, "with a least effect of -1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := window
			if c.w != nil {
				c.w(&w)
			}
			prometheus := &asked{}
			v, err := Run(t.Context(), Deps{Store: &records{}, Metrics: prometheus}, c.spec, w)
			if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.want) || len(prometheus.calls) > 0 {
				t.Errorf("got %+v, %v, after asking %q", v, err, prometheus.calls)
			}
		})
	}
}
