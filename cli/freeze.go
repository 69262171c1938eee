package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type freezeOptions struct {
	f       *Factory
	cluster slipway.Cluster // zero fields stand for all
	lasting time.Duration   // 0: until it is lifted
	reason  string
}

func newFreeze(f *Factory, runF func(context.Context, *freezeOptions) error) *cobra.Command {
	o := &freezeOptions{f: f}
	var environment string
	c := &cobra.Command{
		Use:   "freeze [APPLICATION [ENVIRONMENT]] --reason TEXT",
		Short: "Let no deployment begin: of everything, an application, an environment or both",
		Long: `Let no deployment begin: of everything; of an application; of an environment of all applications, with --env; or
of an application in an environment. Rolling back is allowed all the same. What is under way goes on.

It ends after --for, or with "slipway unfreeze". A single deployment goes on in spite of it with --override.
Freezing what is frozen already changes nothing, but that it may last longer.`,
		Example: `  slipway freeze --reason "the sale" --for 48h
  slipway freeze --env prod --reason "audit"
  slipway freeze hello prod --reason "database is being moved" --for 2h`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.cluster, err = scopeOf(args, environment); err != nil {
				return err
			}
			if c.Flags().Changed("for") && o.lasting <= 0 {
				return usageError{fmt.Errorf("cannot freeze for %s: want a time to come, such as 2h", o.lasting)}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return freezeRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&environment, "env", "", "this environment of all applications")
	c.Flags().DurationVar(&o.lasting, "for", 0, "how long, such as 2h (default until it is lifted)")
	c.Flags().StringVar(&o.reason, "reason", "", "why: whoever wants to deploy is told")
	return c
}

// scopeOf reads [APPLICATION [ENVIRONMENT]] and --env.
func scopeOf(args []string, environment string) (slipway.Cluster, error) {
	c := clusterOf(args)
	if environment != "" {
		if c.Environment != "" && c.Environment != environment {
			return c, usageError{fmt.Errorf("cannot be about %s and about %s: name one environment", c.Environment, environment)}
		}
		c.Environment = environment
	}
	return c, nil
}

func freezeRun(ctx context.Context, o *freezeOptions) error {
	req := slipway.RestrictionRequest{Kind: slipway.RestrictionFreeze, Cluster: o.cluster, Reason: o.reason}
	if o.lasting > 0 {
		req.Until = time.Now().Add(o.lasting)
	}
	return o.f.restrict(ctx, req)
}

// restrict makes a restriction and prints it.
func (f *Factory) restrict(ctx context.Context, req slipway.RestrictionRequest) error {
	req.By = f.who()
	if err := req.Validate(); err != nil {
		return err
	}
	return f.look(ctx, func(ctx context.Context, c *client.Client) error {
		asked := time.Now()
		r, err := c.Restrict(ctx, req)
		if err != nil {
			return err
		}
		if f.json {
			return f.printJSON(r)
		}
		names, err := imageNames(ctx, c, r.Cluster.Application)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f.Out, "%s\nlift it with: %s\n", restrictionText(r, names, asked), r.Lifting())
		return err
	})
}

// restrictionText says what a restriction is, until when, by whom and why.
func restrictionText(r slipway.Restriction, names labels, now time.Time) string {
	text := r.Scope() + " is frozen"
	switch r.Kind {
	case slipway.RestrictionPin:
		text = r.Scope() + " is pinned to " + names.of(r.Image)
	case slipway.RestrictionVeto:
		text = names.of(r.Image) + " is vetoed for " + r.Scope()
	}
	if !r.Until.IsZero() {
		text += " until " + moment(r.Until, now)
	}
	if r.By != "" {
		text += ", by " + r.By
	}
	return text + ": " + r.Reason
}

// imageNames returns what people call an application's images; all applications' for "".
func imageNames(ctx context.Context, c *client.Client, application string) (labels, error) {
	images, err := c.Images(ctx, application)
	return labelsOf(images), err
}
