package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Approvals returns approvals, newest first.
func (c *Client) Approvals(ctx context.Context, filter slipway.ApprovalFilter, limit int) ([]slipway.Approval, error) {
	return list[slipway.Approval](ctx, c, "/v1/approvals", approvalQuery(filter), limit)
}

// Approval returns an approval.
func (c *Client) Approval(ctx context.Context, id string) (slipway.Approval, error) {
	return call[slipway.Approval](ctx, c, http.MethodGet, "/v1/approvals/"+url.PathEscape(id), nil)
}

// ApprovalDiff compares the image that served when an approval was asked with the one that is to replace it. NotFound if nothing served.
func (c *Client) ApprovalDiff(ctx context.Context, id string) (slipway.ImageDiff, error) {
	return call[slipway.ImageDiff](ctx, c, http.MethodGet, "/v1/approvals/"+url.PathEscape(id)+"/diff", nil)
}

// Vote approves or rejects, and returns the approval as it is then. Refused if the answer of who asks does not count, Conflict if it is
// decided.
func (c *Client) Vote(ctx context.Context, id string, vote slipway.VoteRequest) (slipway.Approval, error) {
	return call[slipway.Approval](ctx, c, http.MethodPost, "/v1/approvals/"+url.PathEscape(id)+"/votes", vote)
}
