package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// logPage is how many events of a bake's log are asked for at once.
const logPage = 1000

type bakeLogOptions struct {
	f      *Factory
	id     string
	layer  int
	follow bool
}

func newBakeLog(f *Factory, runF func(context.Context, *bakeLogOptions) error) *cobra.Command {
	o := &bakeLogOptions{f: f}
	c := &cobra.Command{
		Use:   "log BAKE",
		Short: "What a bake did and printed, by layer, with times",
		Long: `Print the log of a bake, one that is over or, with --follow, one that is under way until it ends.

--json prints the bake's events, one a line.`,
		Example: `  slipway bake log b-44bbgrolax
  slipway bake log b-44bbgrolax --layer 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return bakeLogRun(c.Context(), o)
		},
	}
	c.Flags().IntVar(&o.layer, "layer", -1, "only what the layer with this number did: 0 is what the image starts from")
	c.Flags().BoolVar(&o.follow, "follow", false, "go on until the bake ends")
	return c
}

func bakeLogRun(ctx context.Context, o *bakeLogOptions) error {
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		bake, err := c.GetBake(ctx, o.id)
		switch {
		case err != nil:
			return err
		case o.follow && !bake.State.Done():
			return o.followTo(ctx, c)
		}
		return o.printAll(ctx, c)
	})
}

// followTo prints the events of the bake, past ones included, until its last.
func (o *bakeLogOptions) followTo(ctx context.Context, c *client.Client) error {
	for e, err := range c.Events(ctx, slipway.EventFilter{Bake: o.id}) {
		if err != nil {
			return err
		}
		if err := o.print(e); err != nil || e.Kind == slipway.BakeFinished {
			return err
		}
	}
	return nil
}

func (o *bakeLogOptions) printAll(ctx context.Context, c *client.Client) error {
	filter := slipway.EventFilter{Bake: o.id}
	for {
		events, err := c.EventList(ctx, filter, logPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := o.print(e); err != nil {
				return err
			}
			filter.After = e.Seq
		}
		if len(events) < logPage {
			return nil
		}
	}
}

func (o *bakeLogOptions) print(e slipway.Event) error {
	layer, of := layerOf(e)
	if o.layer >= 0 && (!of || layer.Index != o.layer) {
		return nil
	}
	if o.f.json {
		return json.NewEncoder(o.f.Out).Encode(e)
	}
	name := ""
	if of {
		name = fmt.Sprintf("[%d %s] ", layer.Index, layer.Step)
	}
	text := e.Message
	switch e.Kind {
	case slipway.BakeLayerStarted:
		text = "building"
	case slipway.BakeLayer:
		text = strings.TrimPrefix(text, layer.Step+": ")
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if _, err := fmt.Fprintf(o.f.Out, "%s %s%s\n", e.Time.Local().Format("2006-01-02 15:04:05.000"), name, line); err != nil {
			return err
		}
	}
	return nil
}

// layerOf returns the layer that an event of a bake is about.
func layerOf(e slipway.Event) (slipway.LayerBake, bool) {
	switch e.Kind {
	case slipway.BakeLayerStarted, slipway.BakeLayer, slipway.BakeOutput:
		var layer slipway.LayerBake
		return layer, json.Unmarshal(e.Data, &layer) == nil && layer.Step != ""
	}
	return slipway.LayerBake{}, false
}
