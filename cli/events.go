package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type eventsOptions struct {
	f      *Factory
	filter slipway.EventFilter
	follow bool
	limit  int
}

func newEvents(f *Factory, runF func(context.Context, *eventsOptions) error) *cobra.Command {
	o := &eventsOptions{f: f}
	c := &cobra.Command{
		Use:   "events",
		Short: "What happened, in order",
		Long: `Print what happened, oldest first: the last events, or with --after the first ones after that. With --follow it
prints all, and goes on with what happens, also when slipwayd is restarted meanwhile.

--json prints one event a line.`,
		Example: `  slipway events --follow --application hello
  slipway events --deployment d-44bbgrolax --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(c.Context(), o)
			}
			return eventsRun(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what happens")
	limitFlag(c, &o.limit, 1000)
	flags.Int64Var(&o.filter.After, "after", 0, "only events after the one with this number")
	flags.StringVar(&o.filter.Application, "application", "", "only events of this application")
	flags.StringVar(&o.filter.Environment, "env", "", "only events of this environment")
	flags.StringVar(&o.filter.Bake, "bake", "", "only events of this bake")
	flags.StringVar(&o.filter.Deployment, "deployment", "", "only events of this deployment")
	flags.StringVar(&o.filter.Execution, "execution", "", "only events of this ship")
	return c
}

func eventsRun(ctx context.Context, o *eventsOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	if !o.follow {
		o.filter.Newest = o.filter.After == 0 // whoever reads on from a place wants what is next, everybody else what was last
		events, err := c.EventList(ctx, o.filter, o.limit)
		for _, e := range events {
			if err := o.f.printEvent(e); err != nil {
				return err
			}
		}
		return err
	}
	if _, err := c.Health(ctx); err != nil { // whoever never was there is not waited for
		return err
	}
	for e, err := range c.Events(ctx, o.filter) {
		if err != nil {
			return err
		}
		if err := o.f.printEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *Factory) printEvent(e slipway.Event) error {
	if f.json {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f.Out, "%s\n", b)
		return err
	}
	_, err := fmt.Fprintf(f.Out, "%d  %s  %-19s  %s: %s\n", e.Seq, e.Time.Local().Format("2006-01-02 15:04:05.000"), e.Kind, subject(e), strings.ReplaceAll(e.Message, "\n", "\n    "))
	return err
}
