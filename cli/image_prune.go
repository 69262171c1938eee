package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type imagePruneOptions struct {
	f          *Factory
	req        slipway.PruneRequest
	keep, days int
}

func newImagePrune(f *Factory) *cobra.Command {
	o := &imagePruneOptions{f: f}
	c := &cobra.Command{
		Use:   "prune [APPLICATION]",
		Short: "Remove images that nothing needs",
		Long: `Remove images, and say of each why it stays or goes.

An image stays while a server group or machine is of it, a rollback would lead to it, a channel names it, a
cluster is pinned to it, a bake, deployment, release, promotion or execution under way refers to it, or an image
that stays is built on it. The newest ready image of every application stays too.

Of the others --keep keeps the newest so many that are ready, --days all that are younger. Without both,
"retention" in the application's slipway.yaml decides; an application that has none loses nothing.
slipwayd applies retention by itself about every hour.`,
		Example: `  slipway image prune --dry-run
  slipway image prune hello --keep 5 --days 14`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.req.Application = clusterOf(args).Application
			if c.Flags().Changed("keep") {
				o.req.Keep = &o.keep
			}
			if c.Flags().Changed("days") {
				o.req.Days = &o.days
			}
			if err := o.req.Validate(); err != nil {
				return err
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().IntVar(&o.keep, "keep", 0, "keep the newest so many ready images of each application")
	c.Flags().IntVar(&o.days, "days", 0, "keep images younger than so many days")
	c.Flags().BoolVar(&o.req.DryRun, "dry-run", false, "say what would go, and remove nothing")
	return c
}

func (o *imagePruneOptions) run(ctx context.Context, c *client.Client) error {
	p, err := c.Prune(ctx, o.req)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(p)
	}
	var rows [][]string
	gone, problems := 0, 0
	for _, i := range p.Images {
		what := "stays"
		if i.Removed {
			gone++
			what = "removed"
			if p.DryRun {
				what = "goes"
			}
		}
		reasons := strings.Join(i.Reasons, "; ")
		if i.Problem != "" {
			problems++
			reasons += "; " + i.Problem
		}
		rows = append(rows, []string{i.Application, orDash(i.Version), i.Digest.Short(), string(i.State), age(i.Created), sizeText(i.Size), what, reasons})
	}
	if err := o.f.table([]string{"APPLICATION", "VERSION", "DIGEST", "STATE", "AGE", "SIZE", "", "BECAUSE"}, rows); err != nil {
		return err
	}
	verb := "removed"
	if p.DryRun {
		verb = "would go"
	}
	freed := ""
	if p.Freed > 0 {
		freed = ", " + sizeText(p.Freed) + " of layers with them"
	}
	fmt.Fprintf(o.f.Out, "\n%d of %s %s%s\n", gone, count(len(p.Images), "image"), verb, freed)
	if problems > 0 {
		return fmt.Errorf("%s could not be removed altogether; slipwayd's log has the details", count(problems, "image"))
	}
	return nil
}
