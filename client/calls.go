package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Bake starts a bake, or joins one of the same inputs. The context's files must have been uploaded: see [Client.UploadContext].
func (c *Client) Bake(ctx context.Context, req slipway.BakeRequest) (slipway.Bake, error) {
	return call[slipway.Bake](ctx, c, http.MethodPost, "/v1/bakes", req)
}

// PlanBake says what a bake would do. It builds nothing; the context's files must have been uploaded.
func (c *Client) PlanBake(ctx context.Context, req slipway.BakeRequest) (slipway.BakePlan, error) {
	return call[slipway.BakePlan](ctx, c, http.MethodPost, "/v1/bakes/plan", req)
}

// Rebuild starts a bake that builds an image again from its recorded inputs and compares.
func (c *Client) Rebuild(ctx context.Context, req slipway.RebuildRequest) (slipway.Bake, error) {
	return call[slipway.Bake](ctx, c, http.MethodPost, "/v1/rebuilds", req)
}

// GetBake returns a bake.
func (c *Client) GetBake(ctx context.Context, id string) (slipway.Bake, error) {
	return call[slipway.Bake](ctx, c, http.MethodGet, "/v1/bakes/"+url.PathEscape(id), nil)
}

// Bakes returns an application's bakes, newest first; all applications' for "".
func (c *Client) Bakes(ctx context.Context, application string, limit int) ([]slipway.Bake, error) {
	return list[slipway.Bake](ctx, c, "/v1/bakes", query("application", application), limit)
}

// Ship starts an execution.
func (c *Client) Ship(ctx context.Context, req slipway.ShipRequest) (slipway.Execution, error) {
	return call[slipway.Execution](ctx, c, http.MethodPost, "/v1/executions", req)
}

// Execution returns an execution.
func (c *Client) Execution(ctx context.Context, id string) (slipway.Execution, error) {
	return call[slipway.Execution](ctx, c, http.MethodGet, "/v1/executions/"+url.PathEscape(id), nil)
}

// Deploy starts a deployment.
func (c *Client) Deploy(ctx context.Context, req slipway.DeployRequest) (slipway.Deployment, error) {
	return call[slipway.Deployment](ctx, c, http.MethodPost, "/v1/deployments", req)
}

// Rollback starts a deployment that goes back.
func (c *Client) Rollback(ctx context.Context, req slipway.RollbackRequest) (slipway.Deployment, error) {
	return call[slipway.Deployment](ctx, c, http.MethodPost, "/v1/rollbacks", req)
}

// Deployment returns a deployment.
func (c *Client) Deployment(ctx context.Context, id string) (slipway.Deployment, error) {
	return call[slipway.Deployment](ctx, c, http.MethodGet, "/v1/deployments/"+url.PathEscape(id), nil)
}

// Deployments returns deployments, newest first; zero fields of the cluster select all.
func (c *Client) Deployments(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.Deployment, error) {
	return list[slipway.Deployment](ctx, c, "/v1/deployments", query("application", cluster.Application, "environment", cluster.Environment), limit)
}

// Abort ends a bake, a deployment, a release or an execution. It returns when the wish is recorded.
func (c *Client) Abort(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/abort/"+url.PathEscape(id), nil)
	return err
}

// Applications returns all applications.
func (c *Client) Applications(ctx context.Context) ([]slipway.Spec, error) {
	return all[slipway.Spec](ctx, c, "/v1/applications", nil)
}

// Application returns an application as it was last baked.
func (c *Client) Application(ctx context.Context, name string) (slipway.Spec, error) {
	return call[slipway.Spec](ctx, c, http.MethodGet, "/v1/applications/"+url.PathEscape(name), nil)
}

// Images returns an application's images, newest first; all applications' for "".
func (c *Client) Images(ctx context.Context, application string) ([]slipway.Image, error) {
	return all[slipway.Image](ctx, c, "/v1/images", query("application", application))
}

// Image returns the image that ref, a channel, a version label, a digest, its first digits or "latest", means.
func (c *Client) Image(ctx context.Context, application, ref string) (slipway.Image, error) {
	return call[slipway.Image](ctx, c, http.MethodGet, "/v1/images/"+url.PathEscape(application)+"/"+url.PathEscape(ref), nil)
}

// Clusters returns all clusters as they are now.
func (c *Client) Clusters(ctx context.Context) ([]slipway.ClusterStatus, error) {
	return all[slipway.ClusterStatus](ctx, c, "/v1/clusters", nil)
}

// Cluster returns a cluster as it is now.
func (c *Client) Cluster(ctx context.Context, cluster slipway.Cluster) (slipway.ClusterStatus, error) {
	return call[slipway.ClusterStatus](ctx, c, http.MethodGet, "/v1/clusters/"+url.PathEscape(cluster.Application)+"/"+url.PathEscape(cluster.Environment), nil)
}

// Instances returns every instance.
func (c *Client) Instances(ctx context.Context) ([]slipway.Instance, error) {
	return all[slipway.Instance](ctx, c, "/v1/instances", nil)
}

// Logs returns the last lines of an instance's output, then, if follow is set, what comes until ctx is done or the machine is gone.
func (c *Client) Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error) {
	path := "/v1/instances/" + url.PathEscape(id) + "/logs?" + query("lines", lines, "follow", follow).Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
