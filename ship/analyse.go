package ship

import (
	"context"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/analysis"
)

// Analyse implements [slipway.Operator]. It asks no workflow: what has been is in the records, and with whoever answers queries.
func (o *Operator) Analyse(ctx context.Context, req slipway.AnalysisRequest) (slipway.Verdict, error) {
	return analysis.Retrospect(ctx, analysis.Deps{Store: o.Store, Metrics: o.Metrics}, req)
}
