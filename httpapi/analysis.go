package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type analysisInput struct{ Body slipway.AnalysisRequest }

func (a *api) analyse(ctx context.Context, in *analysisInput) (*output[slipway.Verdict], error) {
	return found(a.Operator.Analyse(ctx, in.Body))
}
