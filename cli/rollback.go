package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type rollbackOptions struct {
	f       *Factory
	cluster slipway.Cluster
	to      string
	overrideFlags
	wait waitFlags
}

func newRollback(f *Factory, runF func(context.Context, *rollbackOptions) error) *cobra.Command {
	o := &rollbackOptions{f: f}
	c := &cobra.Command{
		Use:   "rollback APPLICATION ENVIRONMENT",
		Short: "Bring back what an environment ran before",
		Long: `Move an environment back to the server group that the deployment now serving took over from.
While that is kept it takes a fraction of a second; else it is made anew from its image. With --to it is moved to any
earlier image, without the smaller shares of traffic that a deployment might have begun with.

A freeze does not forbid it; a pin to another image and a veto do. The image that is left is vetoed for the environment
until somebody lifts that: see "slipway unveto".

--json prints the deployment as it ended, and nothing before.`,
		Example: `  slipway rollback hello prod
  slipway rollback hello prod --to v1 --reason "v2 loses orders"`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = slipway.Cluster{Application: args[0], Environment: args[1]}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return rollbackRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.to, "to", "", "go back to this image: a channel, a version label, a digest or its first digits")
	o.overrideFlags.add(c)
	o.wait.add(c)
	return c
}

func rollbackRun(ctx context.Context, o *rollbackOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	req := slipway.RollbackRequest{Cluster: o.cluster, Image: o.to, Reason: o.reason, By: o.f.who(), Override: o.override, Force: o.force}
	if err := req.Validate(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return o.f.startAndWait(ctx, c, begin(o.cluster, func(ctx context.Context) (slipway.Deployment, error) { return c.Rollback(ctx, req) }), o.wait)
}
