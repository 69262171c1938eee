package deploy

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
)

// Analyst compares a deployment's target with its control.
type Analyst interface {
	Compare(ctx context.Context, spec slipway.Analysis, d slipway.Deployment, control string, from, to time.Time) (slipway.Verdict, error)
}

// Analysis is the [Analyst] that looks at what was measured.
type Analysis struct{ analysis.Deps }

// Compare implements [Analyst].
func (a Analysis) Compare(ctx context.Context, spec slipway.Analysis, d slipway.Deployment, control string, from, to time.Time) (slipway.Verdict, error) {
	return analysis.Run(ctx, a.Deps, spec, analysis.Window{
		Deployment: d.ID, Cluster: d.Cluster, Canary: d.Target, Control: control, From: from, To: to, Prometheus: d.Environment.Prometheus,
	})
}
