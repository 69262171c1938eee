package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type bakesOptions struct {
	f           *Factory
	application string
	limit       int
}

func newBakes(f *Factory, runF func(context.Context, *bakesOptions) error) *cobra.Command {
	o := &bakesOptions{f: f}
	c := &cobra.Command{
		Use:     "bakes [APPLICATION]",
		Short:   "Bakes, newest first",
		Example: `  slipway bakes hello --limit 5`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.application = args[0]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return bakesRun(c.Context(), o)
		},
	}
	limitFlag(c, &o.limit, 20)
	return c
}

func bakesRun(ctx context.Context, o *bakesOptions) error {
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		bakes, err := c.Bakes(ctx, o.application, o.limit)
		if err != nil {
			return err
		}
		if o.f.json {
			return o.f.printJSON(bakes)
		}
		return o.f.bakesTable(bakes)
	})
}

func (f *Factory) bakesTable(bakes []slipway.Bake) error {
	var rows [][]string
	for _, b := range bakes {
		rows = append(rows, []string{b.ID, b.Application, orDash(b.Version), string(b.State), bakeLayers(b), bakeTook(b), age(b.Started), bakeResult(b)})
	}
	return f.table([]string{"BAKE", "APPLICATION", "VERSION", "STATE", "LAYERS", "TOOK", "AGE", "RESULT"}, rows)
}

// bakeLayers says how many layers there are and how many of them were cached: "5 (4 cached)".
func bakeLayers(b slipway.Bake) string {
	cached := 0
	for _, l := range b.Layers {
		if l.Cached {
			cached++
		}
	}
	if cached == 0 {
		return fmt.Sprint(len(b.Layers))
	}
	return fmt.Sprintf("%d (%d cached)", len(b.Layers), cached)
}

func bakeTook(b slipway.Bake) string {
	if !b.State.Done() {
		return seconds(max(time.Since(b.Started), 0))
	}
	return seconds(max(b.Finished.Sub(b.Started), 0))
}

// bakeResult says in a few words what came of a bake.
func bakeResult(b slipway.Bake) string {
	switch {
	case b.Rebuild != "" && b.State == slipway.BakeSucceeded:
		return "rebuilt " + b.Rebuild.Short() + " identically"
	case b.Error != nil:
		first, _, _ := strings.Cut(b.Error.Error(), "\n") // what follows is the end of an output
		return cut(first, 80)
	case b.Image != "":
		return "image " + b.Image.Short()
	}
	return "-"
}
