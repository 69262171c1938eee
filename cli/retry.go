package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type retryOptions struct {
	f          *Factory
	deployment string
	reason     string
	wait       waitFlags
}

func newRetry(f *Factory, runF func(context.Context, *retryOptions) error) *cobra.Command {
	o := &retryOptions{f: f}
	c := &cobra.Command{
		Use:   "retry DEPLOYMENT",
		Short: "Do again what failed of a deployment",
		Long: `Do again what failed of a deployment, and nothing else; it stays as it was asked for.

  held             the machines that failed are replaced, and the step that failed is done again
  rolled back      it is started again: a new deployment of the same image by the same policy
  aborted          as rolled back
  needs attention  what its ledger still lists is taken back

It waits like "slipway deploy" does, and ends with the same exit statuses. --json prints the deployment as it ended.`,
		Example: `  slipway retry d-44bbgrolax --reason "the registry is back"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.deployment = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return retryRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the record")
	o.wait.add(c)
	return c
}

func retryRun(ctx context.Context, o *retryOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	if err := isDeployment("retry", o.deployment); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	// What a deployment that goes on has done before is not told again.
	filter := slipway.EventFilter{Deployment: o.deployment, Newest: true}
	return o.f.startAndWait(ctx, c, start{
		see: "slipway deployment show " + o.deployment,
		do: func(ctx context.Context) (d slipway.Deployment, after int64, err error) {
			last, err := c.EventList(ctx, filter, 1)
			if err != nil {
				return d, 0, err
			}
			d, err = c.Retry(ctx, o.deployment, o.reason, o.f.who())
			if err == nil && d.ID == o.deployment && len(last) > 0 {
				after = last[0].Seq
			}
			return d, after, err
		},
	}, o.wait)
}
