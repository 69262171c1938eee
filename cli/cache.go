package cli

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newCache(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "What is stored for bakes to come",
		Long: `Show how much slipwayd stores, how much of it only the cache keeps, and how much would go now.

The cache has every layer that was baked, by what it was made from. slipwayd removes, about every hour, the
layers that were of use longest ago, as far as its limits ask for it (slipwayd --cache-size, --cache-age), and
all other content that nothing needs. What an image, a server group or a bake under way needs stays.`,
		Example: `  slipway cache
  slipway cache prune --max-size 2GB --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := c.Cache(ctx)
				if err != nil {
					return err
				}
				return f.printCache(r)
			})
		},
	}
	c.AddCommand(newCachePrune(f))
	return c
}

type cachePruneOptions struct {
	f    *Factory
	req  slipway.CacheRequest
	size string
	age  time.Duration
}

func newCachePrune(f *Factory) *cobra.Command {
	o := &cachePruneOptions{f: f}
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove cached layers and content that nothing needs",
		Long: `Remove cached layers beyond the limits, and all stored content that nothing needs. What an image, a server
group or a bake under way needs stays, and so does what was uploaded within the last hours: it may be for a bake
that is about to begin. A layer that is missed later is built again.`,
		Example: `  slipway cache prune --dry-run
  slipway cache prune --max-size 10GB --max-age 168h
  slipway cache prune --max-size 0`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("max-size") {
				n, err := parseSize(o.size)
				if err != nil {
					return err
				}
				o.req.MaxBytes = &n
			}
			if c.Flags().Changed("max-age") {
				age := slipway.Duration(o.age)
				o.req.MaxAge = &age
			}
			if err := o.req.Validate(); err != nil {
				return err
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.size, "max-size", "", "`size` that layers may have which only the cache keeps: 500MB, 10GB (default: slipwayd's --cache-size)")
	c.Flags().DurationVar(&o.age, "max-age", 0, "remove such layers that were not of use for so long: 168h (default: slipwayd's --cache-age)")
	c.Flags().BoolVar(&o.req.DryRun, "dry-run", false, "say what would go, and remove nothing")
	return c
}

func (o *cachePruneOptions) run(ctx context.Context, c *client.Client) error {
	r, err := c.PruneCache(ctx, o.req)
	if err != nil {
		return err
	}
	return o.f.printCache(r)
}

// parseSize reads a number of bytes as people write it: 500MB, 10 GiB, 0.
func parseSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, usageError{fmt.Errorf("cannot use %q as a size: want a form such as 500MB or 10GB", text)}
	}
	return int64(n), nil
}

func (f *Factory) printCache(r slipway.CacheReport) error {
	if f.json {
		return f.printJSON(r)
	}
	removed := "removed"
	if r.DryRun {
		removed = "would go"
	}
	for _, line := range []struct {
		name, value string
	}{
		{"stored", sizeText(r.Bytes)},
		{"cached", fmt.Sprintf("%d layers; %s that only the cache keeps, of %s at most, each for %s since its last use",
			r.Layers, sizeText(r.CacheBytes), sizeText(r.MaxBytes), r.MaxAge)},
		{removed, fmt.Sprintf("%d cached layers; %s in all", r.RemovedLayers, sizeText(r.Freed))},
		{"too young", sizeText(r.Young) + " that nothing needs: uploaded or made within the last hours"},
	} {
		if _, err := fmt.Fprintf(f.Out, "%-10s %s\n", line.name, line.value); err != nil {
			return err
		}
	}
	return nil
}
