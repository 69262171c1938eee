package ship_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/ship"
)

// measuredOnce is a store with one deployment, which was measured so often that a verdict is possible.
type measuredOnce struct {
	slipway.Store
	deployment slipway.Deployment
}

func (m measuredOnce) Deployment(context.Context, string) (slipway.Deployment, error) {
	return m.deployment, nil
}

func (m measuredOnce) Samples(context.Context, string, time.Time, time.Time) (all []slipway.Sample, _ error) {
	for i := range 60 {
		at := m.deployment.Started.Add(time.Duration(i) * time.Second)
		all = append(all, slipway.Sample{Time: at, Group: m.deployment.Target, Requests: 10}, slipway.Sample{Time: at, Group: m.deployment.Source, Requests: 10})
	}
	return all, nil
}

// loads answers every query with more for the new group than for the old one.
type loads struct{}

func (loads) QueryRange(_ context.Context, _, query string, _, _ time.Time, _ time.Duration) ([]slipway.Series, error) {
	s := slipway.Series{Values: make([]float64, 60)}
	for i := range s.Values {
		s.Values[i] = float64(i%7 + 100*strings.Count(query, "v002"))
	}
	return []slipway.Series{s}, nil
}

func TestAnalyse(t *testing.T) {
	store := measuredOnce{deployment: slipway.Deployment{
		ID: "d-1", Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Source: "hello-prod-v001", Target: "hello-prod-v002",
		Started: time.Unix(1000, 0), Finished: time.Unix(2000, 0),
	}}
	o := ship.NewOperator(ship.Config{Parts: ship.Parts{Store: store, Metrics: loads{}}})
	v, err := o.Analyse(t.Context(), slipway.AnalysisRequest{Deployment: "d-1"})
	if err != nil || v.Grade != slipway.GradePass || v.Canary != "hello-prod-v002" {
		t.Errorf("by samples: got %+v, %v", v, err)
	}
	load := slipway.Metric{Name: "load", Query: `load{group="$group"}`, Server: "http://one:9090"}
	v, err = o.Analyse(t.Context(), slipway.AnalysisRequest{Deployment: "d-1", Analysis: &slipway.Analysis{Metrics: []slipway.Metric{load}}})
	if err != nil || v.Grade != slipway.GradeFail {
		t.Errorf("by a query: got %+v, %v", v, err)
	}
}
