package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// plan is what a deployment would do.
type plan struct {
	Cluster     slipway.Cluster     `json:"cluster"`
	Image       slipway.Image       `json:"image"`
	Source      string              `json:"source,omitempty"` // the server group that serves now
	Environment slipway.Environment `json:"environment"`
}

// dryRun prints what the request would do. It only reads, and fails where the deployment would be refused.
func dryRun(ctx context.Context, f *Factory, c *client.Client, req slipway.DeployRequest) error {
	ctx, stop := f.interruptible(ctx)
	defer stop()
	p := plan{Cluster: req.Cluster}
	var err error
	if p.Image, err = c.Image(ctx, req.Cluster.Application, req.Image); err != nil {
		return err
	}
	if p.Image.State != slipway.ImageReady {
		return slipway.Errorf(slipway.Refused, "cannot deploy %s: it is %s; only an image that passed its tests can be deployed", req.Image, p.Image.State)
	}
	if err := p.Image.NotRevoked("deploy " + req.Cluster.Application + " to " + req.Cluster.Environment); err != nil {
		return err
	}
	if req.Environment != nil {
		p.Environment = *req.Environment
	} else if p.Environment, err = environmentOf(ctx, c, req.Cluster); err != nil {
		return err
	}
	status, err := c.Cluster(ctx, req.Cluster)
	if err != nil && slipway.CodeOf(err) != slipway.NotFound { // nothing was deployed there yet
		return err
	}
	p.Source = status.Serving
	if d := status.Deployment; d != nil && !d.State.Done() {
		return slipway.Errorf(slipway.Conflict, "cannot deploy to %s %s now: %s is under way", req.Cluster.Application, req.Cluster.Environment, d.ID)
	}
	if f.json {
		return f.printJSON(p)
	}
	size := p.Environment.Size
	if size == (slipway.Size{}) {
		size = slipway.Size{Min: 1, Desired: 1, Max: 1}
	}
	balancer := "no load balancer"
	if lb := p.Environment.LoadBalancer; lb != nil {
		balancer = fmt.Sprintf("load balancer on port %d", lb.Port)
	}
	_, err = fmt.Fprintf(f.Out, "dry run: nothing is changed\n  from      %s\n  to        a new server group of %s\n  size      %s (min %d, max %d)\n  strategy  %s, watched for %s, %s kept\n  traffic   %s\n",
		cmp.Or(p.Source, "nothing: it is the first deployment"), withDigest(p.Image.Version, p.Image.Digest),
		count(size.Desired, "machine"), size.Min, size.Max, p.Environment.Strategy.Name(), p.Environment.Strategy.Watch(), count(p.Environment.Strategy.Keep(), "old group"), balancer)
	return err
}

// environmentOf returns the environment as the application was baked last.
func environmentOf(ctx context.Context, c *client.Client, cluster slipway.Cluster) (slipway.Environment, error) {
	spec, err := c.Application(ctx, cluster.Application)
	if err != nil {
		return slipway.Environment{}, err
	}
	env, ok := spec.Environments[cluster.Environment]
	if !ok {
		return env, slipway.Errorf(slipway.NotFound, "cannot find environment %q of %s: there is %s", cluster.Environment, cluster.Application, orDash(environmentsOf(spec)))
	}
	return env, nil
}
