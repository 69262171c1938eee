package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type promotionsOptions struct {
	f     *Factory
	to    slipway.Cluster // zero fields stand for all
	limit int
}

func newPromotions(f *Factory, runF func(context.Context, *promotionsOptions) error) *cobra.Command {
	o := &promotionsOptions{f: f}
	c := &cobra.Command{
		Use:   "promotions [APPLICATION [ENVIRONMENT]]",
		Short: "Promotions from environment to environment, newest first",
		Long: `List promotions, the newest first; of an environment those that come to it. NOTE is what one waits for, why it was refused or
failed, or why it was made.`,
		Example: "  slipway promotions hello prod",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.to.Application = args[0]
			}
			if len(args) > 1 {
				o.to.Environment = args[1]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	limitFlag(c, &o.limit, 20)
	return c
}

func (o *promotionsOptions) run(ctx context.Context, c *client.Client) error {
	all, err := c.Promotions(ctx, o.to, o.limit)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	names, err := imageNames(ctx, c, o.to.Application)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, m := range all {
		note, end := m.Reason, m.Finished
		if m.Error != nil {
			note, _, _ = strings.Cut(m.Error.Error(), "\n")
		}
		if m.Waiting != nil {
			note = "waits for " + m.Waiting.For
		}
		if end.IsZero() {
			end = time.Now()
		}
		rows = append(rows, []string{m.ID, m.Application, m.From, m.To, names.of(m.Image), string(m.State), seconds(max(end.Sub(m.Started), 0)),
			age(m.Started), orDash(m.By), orDash(m.Deployment), note})
	}
	return o.f.table([]string{"PROMOTION", "APPLICATION", "FROM", "TO", "IMAGE", "STATE", "TOOK", "AGE", "BY", "DEPLOYMENT", "NOTE"}, rows)
}
