package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type pinOptions struct {
	f       *Factory
	cluster slipway.Cluster
	image   string // "": what serves now
	reason  string
}

func newPin(f *Factory, runF func(context.Context, *pinOptions) error) *cobra.Command {
	o := &pinOptions{f: f}
	c := &cobra.Command{
		Use:   "pin APPLICATION ENVIRONMENT [IMAGE] --reason TEXT",
		Short: "Allow no image but one in an environment",
		Long: `Allow no image of an application but one in an environment: what serves now, or IMAGE. Others can neither be
deployed there nor rolled back to. It changes nothing of what runs.

It ends with "slipway unpin". A single deployment or rollback goes on in spite of it with --override.`,
		Example: `  slipway pin hello prod --reason "this is what was certified"
  slipway pin hello prod v7 --reason "later versions lose orders"`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if len(args) > 2 {
				o.image = args[2]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return pinRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.reason, "reason", "", "why: whoever wants to deploy another is told")
	return c
}

func pinRun(ctx context.Context, o *pinOptions) error {
	return o.f.restrict(ctx, slipway.RestrictionRequest{Kind: slipway.RestrictionPin, Cluster: o.cluster, Image: o.image, Reason: o.reason})
}
