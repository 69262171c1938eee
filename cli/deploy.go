package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

type deployOptions struct {
	f       *Factory
	cluster slipway.Cluster
	image   string
	file    string
	dryRun  bool
	deployFlags
	wait waitFlags
}

func newDeploy(f *Factory, runF func(context.Context, *deployOptions) error) *cobra.Command {
	o := &deployOptions{f: f}
	c := &cobra.Command{
		Use:   "deploy APPLICATION ENVIRONMENT IMAGE",
		Short: "Move an environment to an image",
		Long: `Move an environment of an application to an image: a channel, a version label, a digest, at
least six of its first digits, or "latest". What it is moved by, and how large it will be, is what slipway.yaml
said when it was baked last; --file takes it from a slipway.yaml here.

A deployment that fails is undone, or held for a person, as the environment's policy says. While one is under way, a
second of the same application and environment is refused, waits or takes over, by the policy or --on-conflict.
A freeze, a pin or a veto forbids it: "slipway restrictions" lists them.

--json prints the deployment as it ended, and nothing before.`,
		Example: `  slipway deploy hello prod v2
  slipway deploy hello prod latest --dry-run
  slipway deploy hello prod v3 --strategy canary --on-conflict queue
  slipway deploy hello prod v4 --hotfix --override --reason "checkout is down"`,
		Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster, o.image = slipway.Cluster{Application: args[0], Environment: args[1]}, args[2]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return deployRun(c.Context(), o)
		},
	}
	c.Flags().StringVarP(&o.file, "file", "f", "", "take the environment from this slipway.yaml")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would happen, and change nothing")
	o.deployFlags.add(c)
	o.wait.add(c)
	return c
}

func deployRun(ctx context.Context, o *deployOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	how, err := o.options(o.f)
	if err != nil {
		return err
	}
	req := slipway.DeployRequest{
		Cluster: o.cluster, Image: o.image, Strategy: how.Strategy, OnConflict: how.OnConflict, Hotfix: how.Hotfix,
		Reason: how.Reason, By: how.By, Override: how.Override, Force: how.Force,
	}
	if o.file != "" {
		m, err := manifest.Load(o.file)
		if err != nil {
			return err
		}
		env, ok := m.Spec.Environments[o.cluster.Environment]
		if m.Spec.Application != o.cluster.Application || !ok {
			return slipway.Errorf(slipway.NotFound, "cannot find %s %s in %s: it is about %s, environments: %s", o.cluster.Application, o.cluster.Environment, o.file, m.Spec.Application, orDash(environmentsOf(m.Spec)))
		}
		req.Environment = &env
	}
	if err := req.Validate(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	if o.dryRun {
		return dryRun(ctx, o.f, c, req)
	}
	return o.f.startAndWait(ctx, c, begin(o.cluster, func(ctx context.Context) (slipway.Deployment, error) { return c.Deploy(ctx, req) }), o.wait)
}

// start is how a deployment is started.
type start struct {
	do  func(context.Context) (d slipway.Deployment, after int64, err error) // after is the event from which on it is told
	see string                                                               // the command that shows whether it was started
}

// begin is the start of a new deployment of the cluster.
func begin(cluster slipway.Cluster, do func(context.Context) (slipway.Deployment, error)) start {
	return start{
		see: "slipway deployments " + cluster.Application + " " + cluster.Environment,
		do: func(ctx context.Context) (slipway.Deployment, int64, error) {
			d, err := do(ctx)
			return d, 0, err
		},
	}
}

// startAndWait starts a deployment, waits for it as the flags say, and prints how it ended.
func (f *Factory) startAndWait(ctx context.Context, c *client.Client, s start, flags waitFlags) error {
	startCtx, stop := f.interruptible(ctx)
	d, after, err := s.do(startCtx)
	stop()
	if err != nil {
		return accepted(err, s.see)
	}
	if flags.noWait {
		return f.printID(d.ID, d)
	}
	view := f.progress(false)
	w := newWaiter(f, c, view, d.ID, flags)
	w.after = after
	d, err = w.deployment(ctx, d.ID)
	view.close()
	if err != nil {
		return err
	}
	if f.json {
		if err := f.printJSON(d); err != nil {
			return err
		}
	}
	return f.deploymentEnd(ctx, c, d)
}

// deploymentEnd prints what a good deployment did, unless that was printed as JSON, and returns how a bad one ended.
func (f *Factory) deploymentEnd(ctx context.Context, c *client.Client, d slipway.Deployment) error {
	where := d.Cluster.Application + " " + d.Cluster.Environment
	why := ""
	if d.Error != nil {
		why = "\n" + indent(d.Error.Error())
	}
	source := "nothing served before"
	if d.Source != "" {
		source = d.Source + " serves as before"
	}
	switch d.State {
	case slipway.DeploymentSucceeded:
		if f.json {
			return nil
		}
		name := d.Image.Short()
		if i, err := c.Image(ctx, d.Cluster.Application, string(d.Image)); err == nil && i.Version != "" {
			name = i.Version
		}
		_, err := fmt.Fprintln(f.Out, deployed(where, name, d))
		return err
	case slipway.DeploymentRolledBack:
		return &outcome{exitRolledBack, fmt.Sprintf("%s: %s failed and was rolled back; %s%s", where, d.ID, source, why)}
	case slipway.DeploymentAborted:
		return &outcome{exitAborted, fmt.Sprintf("%s: %s was aborted; %s", where, d.ID, source)}
	case slipway.DeploymentNeedsAttention:
		what := "could not be undone"
		if d.Irreversible {
			what = "is not undone, as its image cannot be taken back"
		}
		text := fmt.Sprintf("%s: %s failed and %s; look at it now, with slipway deployment show %s%s", where, d.ID, what, d.ID, why)
		for _, u := range slices.Backward(d.Undo) {
			text += "\n  still to undo: " + undoText(u)
		}
		return &outcome{exitAttention, text}
	}
	return fmt.Errorf("%s: %s ended as %s", where, d.ID, d.State)
}

// deployed says what a good deployment did.
func deployed(where, image string, d slipway.Deployment) string {
	if d.Shifted.IsZero() {
		return fmt.Sprintf("%s: %s runs in %s after %s", where, image, d.Target, seconds(max(d.Finished.Sub(d.Started), time.Duration(0))))
	}
	return fmt.Sprintf("%s: %s serves 100 %% of traffic after %s", where, image, seconds(max(d.Shifted.Sub(d.Started), time.Duration(0))))
}
