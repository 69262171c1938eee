package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Command tells a deployment that is under way something, and returns it as it is then. Conflict if it is over, or not in a state in which
// that makes sense.
func (c *Client) Command(ctx context.Context, deployment string, command slipway.Command) (slipway.Deployment, error) {
	return call[slipway.Deployment](ctx, c, http.MethodPost, "/v1/deployments/"+url.PathEscape(deployment)+"/commands", command)
}

// Retry starts a deployment that failed again, as it was asked for, and returns the new one.
func (c *Client) Retry(ctx context.Context, deployment, reason, by string) (slipway.Deployment, error) {
	body := map[string]string{"reason": reason, "by": by}
	return call[slipway.Deployment](ctx, c, http.MethodPost, "/v1/deployments/"+url.PathEscape(deployment)+"/retry", body)
}

// Release moves several applications of an environment as one.
func (c *Client) Release(ctx context.Context, req slipway.ReleaseRequest) (slipway.Release, error) {
	return call[slipway.Release](ctx, c, http.MethodPost, "/v1/releases", req)
}

// GetRelease returns a release.
func (c *Client) GetRelease(ctx context.Context, id string) (slipway.Release, error) {
	return call[slipway.Release](ctx, c, http.MethodGet, "/v1/releases/"+url.PathEscape(id), nil)
}

// Releases returns an environment's releases, newest first; all environments' for "".
func (c *Client) Releases(ctx context.Context, environment string, limit int) ([]slipway.Release, error) {
	return list[slipway.Release](ctx, c, "/v1/releases", query("environment", environment), limit)
}

// Restrict freezes, pins or vetoes. What is there already is returned as it is.
func (c *Client) Restrict(ctx context.Context, req slipway.RestrictionRequest) (slipway.Restriction, error) {
	return call[slipway.Restriction](ctx, c, http.MethodPost, "/v1/restrictions", req)
}

// Lift ends a restriction and returns what it was.
func (c *Client) Lift(ctx context.Context, req slipway.LiftRequest) (slipway.Restriction, error) {
	path := "/v1/restrictions/" + url.PathEscape(req.ID) + "?" + query("reason", req.Reason, "by", req.By).Encode()
	return call[slipway.Restriction](ctx, c, http.MethodDelete, path, nil)
}

// Restrictions returns the restrictions that the cluster has to do with, oldest first: its own, and those of all; zero fields of the
// cluster select all. Without over, only those that are in force.
func (c *Client) Restrictions(ctx context.Context, cluster slipway.Cluster, over bool) ([]slipway.Restriction, error) {
	return all[slipway.Restriction](ctx, c, "/v1/restrictions", query("application", cluster.Application, "environment", cluster.Environment, "over", over))
}

// Removal says how machines are removed.
type Removal struct {
	Force  bool   // though they are the last that serve; wants a reason
	Reason string // which is recorded
	By     string
}

func (r Removal) query() string {
	return "?" + query("force", r.Force, "reason", r.Reason, "by", r.By).Encode()
}

// Terminate stops an instance gracefully. One of a server group is replaced. Refused, unless forced, if too few would serve meanwhile.
func (c *Client) Terminate(ctx context.Context, id string, how Removal) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/instances/"+url.PathEscape(id)+how.query(), nil)
	return err
}

// DestroyGroup stops a server group's machines gracefully and removes it. Refused, unless forced, if it serves.
func (c *Client) DestroyGroup(ctx context.Context, name string, how Removal) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/groups/"+url.PathEscape(name)+how.query(), nil)
	return err
}
