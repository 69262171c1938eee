package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type imagesOptions struct {
	f           *Factory
	application string
	limit       int
}

func newImages(f *Factory, runF func(context.Context, *imagesOptions) error) *cobra.Command {
	o := &imagesOptions{f: f}
	c := &cobra.Command{
		Use:   "images [APPLICATION]",
		Short: "Images, newest first",
		Long: `List images, the newest first. Only one that is ready can be deployed: by its version, by its digest,
or by at least six of the digest's first digits.`,
		Example: "  slipway images hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.application = clusterOf(args).Application
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imagesRun(c.Context(), o)
		},
	}
	c.Flags().IntVarP(&o.limit, "limit", "n", 20, "how many at most; 0 for all")
	return c
}

func imagesRun(ctx context.Context, o *imagesOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	images, err := c.Images(ctx, o.application)
	if err != nil {
		return err
	}
	if len(images) == 0 && o.application != "" {
		if _, err := c.Application(ctx, o.application); err != nil {
			return err
		}
	}
	if o.limit > 0 && len(images) > o.limit {
		images = images[:o.limit]
	}
	if o.f.json {
		return o.f.printJSON(images)
	}
	headings, rows := []string{"VERSION", "DIGEST", "STATE", "FROM", "LAYERS", "SIZE", "TESTS", "AGE"}, [][]string{}
	for _, i := range images {
		rows = append(rows, []string{orDash(i.Version), i.Digest.Short(), string(i.State), i.From, fmt.Sprint(len(i.Layers)), sizeText(i.Size()), tests(i.Tests), age(i.Created)})
	}
	if o.application == "" {
		headings = append([]string{"APPLICATION"}, headings...)
		for n, i := range images {
			rows[n] = append([]string{i.Application}, rows[n]...)
		}
	}
	return o.f.table(headings, rows)
}

func tests(r *slipway.TestReport) string {
	if r == nil {
		return "-"
	}
	passed := 0
	for _, t := range r.Results {
		if t.Passed {
			passed++
		}
	}
	return fmt.Sprintf("%d/%d", passed, len(r.Results))
}
