package client

import (
	"context"
	"net/http"

	"github.com/slipway-sh/slipway"
)

// Analyse compares two server groups over a time that has been. It changes nothing.
func (c *Client) Analyse(ctx context.Context, req slipway.AnalysisRequest) (slipway.Verdict, error) {
	return call[slipway.Verdict](ctx, c, http.MethodPost, "/v1/analyses", req)
}
