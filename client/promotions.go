package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Promote starts a promotion, and returns at once. Refused, with all that is not met, if something is that is not waited for.
func (c *Client) Promote(ctx context.Context, req slipway.PromoteRequest) (slipway.Promotion, error) {
	return call[slipway.Promotion](ctx, c, http.MethodPost, "/v1/promotions", req)
}

// PlanPromotion says what a promotion would do, and changes nothing.
func (c *Client) PlanPromotion(ctx context.Context, req slipway.PromoteRequest) (slipway.PromotionPlan, error) {
	return call[slipway.PromotionPlan](ctx, c, http.MethodPost, "/v1/promotions/plan", req)
}

// Promotion returns a promotion.
func (c *Client) Promotion(ctx context.Context, id string) (slipway.Promotion, error) {
	return call[slipway.Promotion](ctx, c, http.MethodGet, "/v1/promotions/"+url.PathEscape(id), nil)
}

// Promotions returns promotions to a cluster, newest first; zero fields of the cluster select all.
func (c *Client) Promotions(ctx context.Context, to slipway.Cluster, limit int) ([]slipway.Promotion, error) {
	return list[slipway.Promotion](ctx, c, "/v1/promotions", query("application", to.Application, "environment", to.Environment), limit)
}
