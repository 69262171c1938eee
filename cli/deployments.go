package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type deploymentsOptions struct {
	f       *Factory
	cluster slipway.Cluster // zero fields stand for all
	limit   int
}

func newDeployments(f *Factory, runF func(context.Context, *deploymentsOptions) error) *cobra.Command {
	o := &deploymentsOptions{f: f}
	c := &cobra.Command{
		Use:   "deployments [APPLICATION [ENVIRONMENT]]",
		Short: "Deployments and rollbacks, newest first",
		Long: `List deployments and rollbacks, the newest first. NOTE is what one does now, or why it failed;
"slipway deployment show" has all.`,
		Example: "  slipway deployments hello prod --limit 5",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return deploymentsRun(c.Context(), o)
		},
	}
	limitFlag(c, &o.limit, 20)
	return c
}

func deploymentsRun(ctx context.Context, o *deploymentsOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	deployments, err := c.Deployments(ctx, o.cluster, o.limit)
	if err != nil {
		return err
	}
	if len(deployments) == 0 && o.cluster.Application != "" {
		if _, err := c.Application(ctx, o.cluster.Application); err != nil {
			return err
		}
	}
	if o.f.json {
		return o.f.printJSON(deployments)
	}
	images, err := c.Images(ctx, o.cluster.Application)
	if err != nil {
		return err
	}
	names := labelsOf(images)
	var rows [][]string
	for _, d := range deployments {
		state, note := stateOf(d), ""
		switch {
		case !d.State.Done():
			note = doing(d)
		case d.Error != nil:
			note, _, _ = strings.Cut(d.Error.Message, "\n")
			if what, why, ok := strings.Cut(note, ": "); ok && strings.HasPrefix(what, "cannot ") { // which the other columns say
				note = why
			}
		}
		end := d.Finished
		if end.IsZero() {
			end = time.Now()
		}
		rows = append(rows, []string{d.ID, d.Cluster.Application, d.Cluster.Environment, string(d.Kind), names.of(d.Image), cmp.Or(d.Source, "-"), cmp.Or(d.Target, "-"),
			state, seconds(max(end.Sub(d.Started), 0)), age(d.Started), note})
	}
	return o.f.table([]string{"DEPLOYMENT", "APPLICATION", "ENVIRONMENT", "KIND", "IMAGE", "FROM", "TO", "STATE", "TOOK", "AGE", "NOTE"}, rows)
}
