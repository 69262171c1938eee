package httpapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
)

// analyst is an operator that analyses what is in a store.
type analyst struct {
	slipway.Operator
	store slipway.Store
}

func (a analyst) Analyse(ctx context.Context, req slipway.AnalysisRequest) (slipway.Verdict, error) {
	return analysis.Retrospect(ctx, analysis.Deps{Store: a.store}, req)
}

func TestAnalyse(t *testing.T) {
	s := serve(t, func(cfg *Config) { cfg.Operator = analyst{store: cfg.Store} })
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	d := slipway.Deployment{
		ID: "d-1", Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}, Image: slipway.DigestOf(nil), State: slipway.DeploymentSucceeded,
		Source: "shop-prod-v001", Target: "shop-prod-v002", Started: noon, Shifted: noon.Add(time.Hour),
	}
	if err := s.Store.PutDeployment(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var samples []slipway.Sample
	for i := range 60 {
		at := noon.Add(time.Duration(i) * time.Second)
		samples = append(samples,
			slipway.Sample{Time: at, Group: d.Target, Requests: 100, Errors: 20, Latency: slipway.Duration(time.Millisecond)},
			slipway.Sample{Time: at, Group: d.Source, Requests: 100, Latency: slipway.Duration(time.Millisecond)})
	}
	if err := s.Store.PutSamples(t.Context(), d.ID, samples); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		request string
		status  int
		answer  string
		grade   slipway.Grade
	}{
		{`{"deployment":"d-1"}`, 200, "a critical metric failed: error rate: higher than its control by 0.2", slipway.GradeFail},
		{`{"cluster":{"application":"shop","environment":"prod"},"from":"2026-01-01T12:00:00Z","to":"2026-01-01T12:00:30Z"}`, 200, "of 50 that are needed", slipway.GradeNoData},
		{`{"deployment":"d-1","analysis":{"min_samples":100}}`, 200, "of 100 that are needed", slipway.GradeNoData},
		{`{"deployment":"d-1","canary":"shop-prod-v001","control":"shop-prod-v002"}`, 200, "2 of 2 metrics passed", slipway.GradePass},
		{`{"deployment":"d-2"}`, 404, "d-2", ""},
		{`{"deployment":"d-1","control":"shop-prod-v009"}`, 404, "of shop-prod-v009 nothing was measured", ""},
		{`{"deployment":"d-1","to":"2026-01-01T11:00:00Z"}`, 422, "the end must be after the beginning", ""},
		{`{"deployment":"d-1","analysis":{"metrics":[{"name":"cpu","query":"cpu"}]}}`, 422, "no Prometheus is named", ""},
		{`{"deployment":"d-1","since":"1h"}`, 422, "since", ""},
		{`{}`, 422, "as name of the application", ""},
	} {
		status, body, _ := s.do(t, "POST", "/v1/analyses", c.request)
		if status != c.status || !strings.Contains(body, c.answer) {
			t.Errorf("%s: %d %s", c.request, status, body)
			continue
		}
		var v slipway.Verdict
		if err := json.Unmarshal([]byte(body), &v); err != nil || v.Grade != c.grade {
			t.Errorf("%s: got %+v, %v", c.request, v, err)
		}
	}
}
