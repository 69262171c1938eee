package execute

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// analyseTime bounds the asking of whoever has the metrics.
const analyseTime = 2 * time.Minute

// analysis compares two server groups, after it has observed them for as long as it says.
func (r *run) analysis(ctx workflow.Context, s slipway.AnalysisStage, rec *slipway.StageRecord) error {
	var from, to time.Time
	if s.For > 0 {
		from = workflow.Now(ctx).UTC()
		to = from.Add(time.Duration(s.For))
		r.waits(rec, "what happens until "+to.Format(time.RFC3339))
		if err := workflow.Sleep(ctx, time.Duration(s.For)); err != nil {
			return err
		}
	}
	var v slipway.Verdict
	if err := workflow.ExecuteActivity(durable.Step(ctx, analyseTime), acts.CompareGroups, r.x.Application, s, from, to).Get(ctx, &v); err != nil {
		return err
	}
	outputs(rec, map[string]string{"grade": string(v.Grade), "score": fmt.Sprintf("%.0f", v.Score), "canary": v.Canary, "control": v.Control})
	switch v.Grade {
	case slipway.GradePass:
		return nil
	case slipway.GradeNoData:
		return slipway.Errorf(slipway.Unmeasured, "cannot compare %s with %s: %s", v.Canary, v.Control, v.Detail)
	}
	return slipway.Errorf(slipway.Failed, "%s is graded %s with a score of %.0f against %s: %s", v.Canary, v.Grade, v.Score, v.Control, v.Detail)
}

// CompareGroups judges by what was measured. Zero times stand for those of the environment's last deployment.
func (a *Activities) CompareGroups(ctx context.Context, application string, s slipway.AnalysisStage, from, to time.Time) (slipway.Verdict, error) {
	cluster := slipway.Cluster{Application: application, Environment: s.Environment}
	req := slipway.AnalysisRequest{Cluster: cluster, Canary: s.Canary, Control: s.Control, From: from, To: to}
	if spec := s.Analysis; len(spec.Metrics) > 0 || spec.Pass != 0 || spec.Marginal != 0 || spec.MinSamples != 0 {
		req.Analysis = &spec
	}
	last, err := a.serving(ctx, cluster)
	if err != nil {
		return slipway.Verdict{}, err
	}
	req.Deployment = last.ID
	return analysis.Retrospect(ctx, analysis.Deps{Store: a.Parts.Store, Metrics: a.Parts.Metrics}, req)
}
