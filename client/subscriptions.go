package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/slipway-sh/slipway"
)

// AddSubscription tells somebody of events.
func (c *Client) AddSubscription(ctx context.Context, spec slipway.SubscriptionSpec) (slipway.NewSubscription, error) {
	return callOnce[slipway.NewSubscription](ctx, c, http.MethodPost, "/v1/subscriptions", spec)
}

// Subscriptions returns who is told of what.
func (c *Client) Subscriptions(ctx context.Context) ([]slipway.Subscription, error) {
	return all[slipway.Subscription](ctx, c, "/v1/subscriptions", nil)
}

// Subscription returns one.
func (c *Client) Subscription(ctx context.Context, id string) (slipway.Subscription, error) {
	return call[slipway.Subscription](ctx, c, http.MethodGet, subscriptionPath(id), nil)
}

// EnableSubscription lets one be told, or no more.
func (c *Client) EnableSubscription(ctx context.Context, id string, enabled bool, reason string) (slipway.Subscription, error) {
	body := map[string]any{"enabled": enabled, "reason": reason}
	return call[slipway.Subscription](ctx, c, http.MethodPut, subscriptionPath(id)+"/enabled", body)
}

// RotateSubscription gives a webhook another secret; requests are signed with the old one, too, for the time of overlap.
func (c *Client) RotateSubscription(ctx context.Context, id string, overlap time.Duration) (slipway.NewSubscription, error) {
	body := map[string]slipway.Duration{"overlap": slipway.Duration(overlap)}
	return call[slipway.NewSubscription](ctx, c, http.MethodPut, subscriptionPath(id)+"/secret", body)
}

// RemoveSubscription tells somebody no more, and returns what it was.
func (c *Client) RemoveSubscription(ctx context.Context, id string) (slipway.Subscription, error) {
	return call[slipway.Subscription](ctx, c, http.MethodDelete, subscriptionPath(id), nil)
}

// TestSubscription sends a notification of no event, and returns what came of it.
func (c *Client) TestSubscription(ctx context.Context, id string) (slipway.Delivery, error) {
	return call[slipway.Delivery](ctx, c, http.MethodPost, subscriptionPath(id)+"/test", nil)
}

// Deliveries returns notifications, newest first.
func (c *Client) Deliveries(ctx context.Context, filter slipway.DeliveryFilter, limit int) ([]slipway.Delivery, error) {
	return list[slipway.Delivery](ctx, c, "/v1/deliveries", deliveryQuery(filter), limit)
}

// RetryDelivery tries a notification that was given up again.
func (c *Client) RetryDelivery(ctx context.Context, id string) (slipway.Delivery, error) {
	return call[slipway.Delivery](ctx, c, http.MethodPost, "/v1/deliveries/"+url.PathEscape(id)+"/retry", nil)
}

// DiscardDelivery gives up a notification.
func (c *Client) DiscardDelivery(ctx context.Context, id string) (slipway.Delivery, error) {
	return call[slipway.Delivery](ctx, c, http.MethodPost, "/v1/deliveries/"+url.PathEscape(id)+"/discard", nil)
}

func subscriptionPath(id string) string { return "/v1/subscriptions/" + url.PathEscape(id) }
