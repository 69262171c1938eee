package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Machines returns the machines that the filter selects, with what has to do with them.
func (c *Client) Machines(ctx context.Context, f slipway.MachineFilter) ([]slipway.Machine, error) {
	return all[slipway.Machine](ctx, c, "/v1/instances", machineQuery(f))
}

func machineQuery(f slipway.MachineFilter) url.Values {
	return query("application", f.Cluster.Application, "environment", f.Cluster.Environment, "group", f.Group, "image", f.Image,
		"state", string(f.State), "only", words(f.Only))
}

// Handling says by whom and why something is done to a machine by hand.
type Handling struct {
	Force  bool   `json:"force,omitempty"` // though too few would serve; wants a reason
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// Disable takes an instance out of traffic.
func (c *Client) Disable(ctx context.Context, id string, h Handling) (slipway.Instance, error) {
	return call[slipway.Instance](ctx, c, http.MethodPut, "/v1/instances/"+url.PathEscape(id)+"/disabled", h)
}

// Enable gives an instance back to traffic.
func (c *Client) Enable(ctx context.Context, id string, h Handling) (slipway.Instance, error) {
	return c.unmark(ctx, id, "disabled", h)
}

// Protect keeps an instance from being removed.
func (c *Client) Protect(ctx context.Context, id string, h Handling) (slipway.Instance, error) {
	return call[slipway.Instance](ctx, c, http.MethodPut, "/v1/instances/"+url.PathEscape(id)+"/protected", h)
}

// Unprotect ends that.
func (c *Client) Unprotect(ctx context.Context, id string, h Handling) (slipway.Instance, error) {
	return c.unmark(ctx, id, "protected", h)
}

func (c *Client) unmark(ctx context.Context, id, mark string, h Handling) (slipway.Instance, error) {
	path := "/v1/instances/" + url.PathEscape(id) + "/" + mark + "?" + query("reason", h.Reason, "by", h.By).Encode()
	return call[slipway.Instance](ctx, c, http.MethodDelete, path, nil)
}

// Start launches one machine of an image, outside of any server group.
func (c *Client) Start(ctx context.Context, req slipway.StartRequest) (slipway.Instance, error) {
	return call[slipway.Instance](ctx, c, http.MethodPost, "/v1/instances", req)
}

// Resize gives what serves a cluster another size.
func (c *Client) Resize(ctx context.Context, req slipway.ResizeRequest) (slipway.ServerGroup, error) {
	path := "/v1/clusters/" + url.PathEscape(req.Cluster.Application) + "/" + url.PathEscape(req.Cluster.Environment) + "/size"
	return call[slipway.ServerGroup](ctx, c, http.MethodPut, path, req)
}
