package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// past is a store with a canary that went on for two minutes and then took over, the deployment before it, and one that waits.
func past(canaryErrors float64) *records {
	canary := slipway.Deployment{
		ID: "d-2", Cluster: cluster, State: slipway.DeploymentSucceeded, Source: source, Target: target, Baseline: baseline,
		Started: noon, Shifted: noon.Add(3 * time.Minute), Finished: noon.Add(5 * time.Minute),
	}
	canary.Environment.Prometheus = "http://one:9090"
	canary.Environment.Strategy.Canary = &slipway.Canary{}
	first := slipway.Deployment{ID: "d-1", Cluster: cluster, State: slipway.DeploymentSucceeded, Target: source, Started: noon.Add(-time.Hour), Finished: noon.Add(-time.Hour + time.Minute)}
	queued := slipway.Deployment{ID: "d-3", Cluster: cluster, State: slipway.DeploymentQueued, Started: noon.Add(time.Minute)}
	before := slices.Concat(minutes(1, target, 0, 0), minutes(1, baseline, 0.01, 0.05), minutes(1, source, 0.01, 0.05))
	for i := range before { // from noon on: the canary has no request yet
		before[i].Time = before[i].Time.Add(-time.Minute)
		if before[i].Group == target {
			before[i].Requests = 0
		}
	}
	return &records{
		deployments: []slipway.Deployment{queued, canary, first},
		samples: map[string][]slipway.Sample{
			"d-2": slices.Concat(before, minutes(4, target, canaryErrors, 0.05), minutes(2, baseline, 0.01, 0.05), minutes(2, source, 0.01, 0.05)),
		},
	}
}

func TestRetrospect(t *testing.T) {
	two := slipway.AnalysisRequest{Deployment: "d-2"}
	for _, c := range []struct {
		name    string
		errors  float64
		request slipway.AnalysisRequest
		store   func(*records)
		grade   slipway.Grade
		control string
		from    time.Duration // after noon
		to      time.Duration
	}{
		{"all by itself", 0.01, two, nil, slipway.GradePass, baseline, time.Minute, 3 * time.Minute},
		{"with more errors", 0.06, two, nil, slipway.GradeFail, baseline, time.Minute, 3 * time.Minute},
		{"by its cluster: the newest that began", 0.06, slipway.AnalysisRequest{Cluster: cluster}, nil, slipway.GradeFail, baseline, time.Minute, 3 * time.Minute},
		{"with the source", 0.06, slipway.AnalysisRequest{Deployment: "d-2", Control: source}, nil, slipway.GradeFail, source, time.Minute, 3 * time.Minute},
		{"without a baseline", 0.06, two, func(r *records) { r.deployments[1].Baseline = "" }, slipway.GradeFail, source, time.Minute, 3 * time.Minute},
		{"over another time", 0.06, slipway.AnalysisRequest{Deployment: "d-2", From: noon.Add(90 * time.Second), To: noon.Add(100 * time.Second)}, nil,
			slipway.GradeNoData, baseline, 90 * time.Second, 100 * time.Second},
		{"over another time, fewer samples will do", 0.06, slipway.AnalysisRequest{Deployment: "d-2", From: noon.Add(90 * time.Second), To: noon.Add(105 * time.Second), Analysis: &slipway.Analysis{MinSamples: 15}}, nil,
			slipway.GradeFail, baseline, 90 * time.Second, 105 * time.Second},
		{"rolled back before it took over", 0.06, two, func(r *records) {
			r.deployments[1].Shifted, r.deployments[1].Finished = time.Time{}, noon.Add(2*time.Minute)
		}, slipway.GradeFail, baseline, time.Minute, 2 * time.Minute},
		{"still under way", 0.06, two, func(r *records) { r.deployments[1].Shifted, r.deployments[1].Finished = time.Time{}, time.Time{} },
			slipway.GradeFail, baseline, time.Minute, 4 * time.Minute},
		{"never got traffic", 0, two, func(r *records) {
			r.samples["d-2"] = slices.Concat(r.samples["d-2"][:60], minutes(2, baseline, 0, 0.05))
		},
			slipway.GradeNoData, baseline, 0, 3 * time.Minute},
		{"with thresholds of its own", 0.06, two, func(r *records) {
			r.deployments[1].Environment.Strategy.Canary.Analysis = &slipway.Analysis{MinSamples: 1000}
		},
			slipway.GradeNoData, baseline, time.Minute, 3 * time.Minute},
		{"with those of a custom step", 0.06, two, func(r *records) {
			r.deployments[1].Environment.Strategy = slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{{}, {Analyse: &slipway.AnalyseStep{Analysis: slipway.Analysis{MinSamples: 1000}}}}}}
		}, slipway.GradeNoData, baseline, time.Minute, 3 * time.Minute},
		{"with the caller's thresholds rather than its own", 0.06, slipway.AnalysisRequest{Deployment: "d-2", Analysis: &slipway.Analysis{MinSamples: 60}}, func(r *records) {
			r.deployments[1].Environment.Strategy.Canary.Analysis = &slipway.Analysis{MinSamples: 1000}
		}, slipway.GradeFail, baseline, time.Minute, 3 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := past(c.errors)
			if c.store != nil {
				c.store(store)
			}
			deps := Deps{Store: store, Now: func() time.Time { return noon.Add(4 * time.Minute) }}
			v, err := Retrospect(t.Context(), deps, c.request)
			if err != nil || v.Grade != c.grade {
				t.Fatalf("got %+v, %v", v, err)
			}
			if v.Canary != target || v.Control != c.control || v.From.Sub(noon) != c.from || v.To.Sub(noon) != c.to {
				t.Errorf("compared %s with %s from %s to %s", v.Canary, v.Control, v.From.Sub(noon), v.To.Sub(noon))
			}
		})
	}
}

// A query needs no samples, and the environment's Prometheus is asked.
func TestRetrospectByQuery(t *testing.T) {
	store := past(0)
	store.samples = nil
	prometheus := &asked{answer: func(string) ([]slipway.Series, error) { return []slipway.Series{{Values: ramp(60, 1)}}, nil }}
	v, err := Retrospect(t.Context(), Deps{Store: store, Metrics: prometheus}, slipway.AnalysisRequest{
		Deployment: "d-2", Analysis: &slipway.Analysis{Metrics: []slipway.Metric{{Name: "cpu", Query: `cpu{group="$group"}`}}},
	})
	if err != nil || v.Grade != slipway.GradePass {
		t.Errorf("got %+v, %v", v, err)
	}
	if want := `http://one:9090 cpu{group="hello-prod-v002"} 0s 3m0s 10s`; !slices.Contains(prometheus.calls, want) {
		t.Errorf("asked %q", prometheus.calls)
	}
}

func TestRetrospectErrors(t *testing.T) {
	elsewhere := slipway.Cluster{Application: "hello", Environment: "dev"}
	for _, c := range []struct {
		name    string
		request slipway.AnalysisRequest
		store   func(*records)
		code    slipway.Code
		want    string
	}{
		{"nothing named", slipway.AnalysisRequest{}, nil, slipway.Invalid, "as name of the application"},
		{"no environment named", slipway.AnalysisRequest{Cluster: slipway.Cluster{Application: "hello"}}, nil, slipway.Invalid, "as name of the environment"},
		{"unknown deployment", slipway.AnalysisRequest{Deployment: "d-9"}, nil, slipway.NotFound, `cannot find deployment "d-9"`},
		{"another cluster's deployment", slipway.AnalysisRequest{Deployment: "d-2", Cluster: elsewhere}, nil, slipway.Invalid, "cannot analyse d-2 as one of hello-dev: it is one of hello-prod"},
		{"unknown cluster", slipway.AnalysisRequest{Cluster: elsewhere}, nil, slipway.NotFound, "cannot find a deployment of hello-dev to analyse"},
		{"only queued", slipway.AnalysisRequest{Cluster: cluster}, func(r *records) { r.deployments = r.deployments[:1] }, slipway.NotFound, "all are queued"},
		{"unknown canary", slipway.AnalysisRequest{Cluster: cluster, Canary: "hello-prod-v099"}, nil, slipway.NotFound, "cannot find a deployment of hello-prod that had to do with hello-prod-v099"},
		{"a first deployment", slipway.AnalysisRequest{Deployment: "d-1"}, nil, slipway.Invalid, "cannot analyse d-1: nothing served before it"},
		{"a group without samples", slipway.AnalysisRequest{Deployment: "d-2", Control: "hello-prod-v099"}, nil, slipway.NotFound,
			"cannot analyse d-2: of hello-prod-v099 nothing was measured, only of hello-prod-v002, hello-prod-v003, hello-prod-v001"},
		{"no samples", slipway.AnalysisRequest{Deployment: "d-2"}, func(r *records) { r.samples = nil }, slipway.NotFound, "cannot analyse d-2: nothing was measured while it was under way"},
		{"the end first", slipway.AnalysisRequest{Deployment: "d-2", From: noon.Add(time.Hour), To: noon}, nil, slipway.Invalid, "cannot analyse from 2026-01-01T13:00:00Z to 2026-01-01T12:00:00Z"},
		{"itself", slipway.AnalysisRequest{Deployment: "d-2", Control: target}, nil, slipway.Invalid, "cannot compare hello-prod-v002 with itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := past(0)
			if c.store != nil {
				c.store(store)
			}
			v, err := Retrospect(t.Context(), Deps{Store: store}, c.request)
			if slipway.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}
