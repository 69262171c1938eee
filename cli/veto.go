package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type vetoOptions struct {
	f       *Factory
	cluster slipway.Cluster
	image   string
	reason  string
}

func newVeto(f *Factory, runF func(context.Context, *vetoOptions) error) *cobra.Command {
	o := &vetoOptions{f: f}
	c := &cobra.Command{
		Use:   "veto APPLICATION ENVIRONMENT IMAGE --reason TEXT",
		Short: "Forbid an image in one environment",
		Long: `Forbid an image in one environment: it can neither be deployed there nor rolled back to. It changes nothing of what
runs. An image that was rolled back is vetoed by itself. "slipway image revoke" forbids one everywhere.

It cannot be overridden, and ends with "slipway unveto".`,
		Example: `  slipway veto hello prod v7 --reason "loses orders under load"`,
		Args:    cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster, o.image = clusterOf(args), args[2]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return vetoRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.reason, "reason", "", "why: whoever wants to deploy it is told")
	return c
}

func vetoRun(ctx context.Context, o *vetoOptions) error {
	return o.f.restrict(ctx, slipway.RestrictionRequest{Kind: slipway.RestrictionVeto, Cluster: o.cluster, Image: o.image, Reason: o.reason})
}
