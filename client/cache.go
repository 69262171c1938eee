package client

import (
	"context"
	"net/http"

	"github.com/slipway-sh/slipway"
)

// Cache says what is stored for bakes to come, and what of it would go now.
func (c *Client) Cache(ctx context.Context) (slipway.CacheReport, error) {
	return call[slipway.CacheReport](ctx, c, http.MethodGet, "/v1/cache", nil)
}

// PruneCache removes what is beyond the limits and what nothing needs, or, as a dry run, says how much that is.
func (c *Client) PruneCache(ctx context.Context, req slipway.CacheRequest) (slipway.CacheReport, error) {
	return call[slipway.CacheReport](ctx, c, http.MethodPost, "/v1/cache/prune", req)
}
