package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/restrict"
)

// plan is what a deployment would do.
type plan struct {
	Cluster     slipway.Cluster     `json:"cluster"`
	Image       slipway.Image       `json:"image"`
	Source      string              `json:"source,omitempty"`    // the server group that serves now
	UnderWay    string              `json:"under_way,omitempty"` // the deployment that would be waited for, or aborted
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
	if err := allowed(status, p.Image, req); err != nil {
		return err
	}
	if req.Strategy != nil {
		p.Environment.Strategy = *req.Strategy
	}
	policy := cmp.Or(req.OnConflict, p.Environment.Policy.OnConflict)
	if d := status.Deployment; d != nil && !d.State.Done() {
		if p.UnderWay = d.ID; !req.Hotfix && policy != slipway.ConflictQueue && policy != slipway.ConflictSupersede {
			return slipway.Errorf(slipway.Conflict, "cannot deploy to %s %s now: %s is under way", req.Cluster.Application, req.Cluster.Environment, d.ID)
		}
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
	begins := ""
	switch {
	case p.UnderWay == "":
	case policy == slipway.ConflictSupersede:
		begins = "once " + p.UnderWay + " is aborted"
	default:
		begins = "once " + p.UnderWay + " is over"
	}
	fmt.Fprintln(f.Out, "dry run: nothing is changed")
	f.facts([][2]string{
		{"  from", cmp.Or(p.Source, "nothing: it is the first deployment")},
		{"  to", "a new server group of " + withDigest(p.Image.Version, p.Image.Digest)},
		{"  size", fmt.Sprintf("%s (min %d, max %d)", count(size.Desired, "machine"), size.Min, size.Max)},
		{"  strategy", strategyText(slipway.Deployment{Environment: p.Environment})},
		{"  traffic", balancer},
		{"  begins", begins},
	})
	return nil
}

// allowed returns a Refused error if something forbids the deployment, and is not to be overridden.
func allowed(s slipway.ClusterStatus, image slipway.Image, req slipway.DeployRequest) error {
	subject := restrict.Subject{Cluster: req.Cluster, Image: image.Digest, Kind: slipway.KindDeploy}
	forbidding := restrict.Forbids(s.Restrictions, subject, time.Now())
	if req.Override {
		forbidding = slices.DeleteFunc(forbidding, slipway.Restriction.Overridable)
	}
	if len(forbidding) == 0 {
		return nil
	}
	return restrict.Refusal("deploy "+req.Cluster.Application+" to "+req.Cluster.Environment, forbidding)
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
