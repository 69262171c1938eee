package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type restrictionsOptions struct {
	f       *Factory
	cluster slipway.Cluster // zero fields stand for all
	over    bool
}

func newRestrictions(f *Factory, runF func(context.Context, *restrictionsOptions) error) *cobra.Command {
	o := &restrictionsOptions{f: f}
	var environment string
	c := &cobra.Command{
		Use:     "restrictions [APPLICATION [ENVIRONMENT]]",
		Aliases: []string{"freezes", "pins", "vetoes"},
		Short:   "What keeps deployments from beginning: freezes, pins and vetoes",
		Long: `List what keeps deployments from beginning, oldest first: freezes, pins and vetoes. Of an application or environment
it is its own ones and those of all. They are lifted with "slipway unfreeze", "unpin" and "unveto".`,
		Example: `  slipway restrictions
  slipway restrictions hello prod`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.cluster, err = scopeOf(args, environment); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&environment, "env", "", "only what this environment has to do with")
	c.Flags().BoolVar(&o.over, "over", false, "those that ended by themselves, too")
	return c
}

func (o *restrictionsOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Restrictions(ctx, o.cluster, o.over)
	if err != nil {
		return err
	}
	if len(all) == 0 && o.cluster.Application != "" {
		if _, err := c.Application(ctx, o.cluster.Application); err != nil {
			return err
		}
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(o.f.Out, "nothing is frozen, pinned or vetoed")
		return err
	}
	names, err := imageNames(ctx, c, o.cluster.Application)
	if err != nil {
		return err
	}
	now := time.Now()
	var rows [][]string
	for _, r := range all {
		image, until := "-", "it is lifted"
		if r.Image != "" {
			image = names.of(r.Image)
		}
		if !r.Until.IsZero() {
			until = moment(r.Until, now)
		}
		rows = append(rows, []string{r.ID, string(r.Kind), r.Scope(), image, age(r.Since), until, orDash(r.By), r.Reason})
	}
	return o.f.table([]string{"ID", "KIND", "OF", "IMAGE", "AGE", "UNTIL", "BY", "REASON"}, rows)
}
