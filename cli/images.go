package cli

import (
	"context"
	"fmt"
	"strings"

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
		Long: `List images, the newest first. Only one that is ready and not revoked can be deployed: by a channel that
names it, by its version, by its digest, or by at least six of the digest's first digits. One that is
outdated was built on something that has moved on; see slipway image show.`,
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
	limitFlag(c, &o.limit, 20)
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
	images := []slipway.ImageStatus{}
	for image, err := range c.EachImageStatus(ctx, o.application) {
		if err != nil {
			return err
		}
		if images = append(images, image); len(images) == o.limit {
			break
		}
	}
	if len(images) == 0 && o.application != "" {
		if _, err := c.Application(ctx, o.application); err != nil {
			return err
		}
	}
	if o.f.json {
		return o.f.printJSON(images)
	}
	headings, rows := []string{"VERSION", "DIGEST", "STATE", "CHANNELS", "FROM", "LAYERS", "SIZE", "TESTS", "AGE", "RUNS IN"}, [][]string{}
	for _, i := range images {
		rows = append(rows, []string{
			orDash(i.Version), i.Digest.Short(), standing(i), orDash(channelNames(i.Channels)), i.From, fmt.Sprint(len(i.Layers)),
			sizeText(i.Size()), tests(i.Tests), age(i.Created), orDash(usedBy(i.Uses)),
		})
	}
	if o.application == "" {
		headings = append([]string{"APPLICATION"}, headings...)
		for n, i := range images {
			rows[n] = append([]string{i.Application}, rows[n]...)
		}
	}
	return o.f.table(headings, rows)
}

// standing says what an image is good for.
func standing(i slipway.ImageStatus) string {
	text := string(i.State)
	if i.Revoked != nil {
		text = "revoked"
	}
	if i.Parent != nil {
		text += ", outdated"
	}
	return text
}

func channelNames(channels []slipway.Channel) string {
	var names []string
	for _, c := range channels {
		names = append(names, c.Name)
	}
	return strings.Join(names, ",")
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
