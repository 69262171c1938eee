package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type instancesOptions struct {
	f       *Factory
	cluster slipway.Cluster // zero fields stand for all
}

func newInstances(f *Factory, runF func(context.Context, *instancesOptions) error) *cobra.Command {
	o := &instancesOptions{f: f}
	return &cobra.Command{
		Use:   "instances [APPLICATION [ENVIRONMENT]]",
		Short: "Machines, as they are now",
		Long: `List machines, as they are now: those of server groups that serve, of groups kept for a rollback, and
those that images are being tested on. REASON says why one is not healthy.`,
		Example: "  slipway instances hello prod",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return instancesRun(c.Context(), o)
		},
	}
}

func instancesRun(ctx context.Context, o *instancesOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	instances, err := c.Instances(ctx)
	if err != nil {
		return err
	}
	if o.cluster.Application != "" {
		all, err := clusters(ctx, c, o.cluster)
		if err != nil {
			return err
		}
		var groups []string
		for _, s := range all {
			for _, g := range s.Groups {
				groups = append(groups, g.Name)
			}
		}
		instances = slices.DeleteFunc(instances, func(i slipway.Instance) bool { return !slices.Contains(groups, i.Group) })
	}
	if o.f.json {
		return o.f.printJSON(instances)
	}
	images, err := c.Images(ctx, o.cluster.Application)
	if err != nil {
		return err
	}
	names := labelsOf(images)
	var rows [][]string
	for _, i := range instances {
		address := i.Address
		if i.Port != 0 {
			address = fmt.Sprintf("%s:%d", i.Address, i.Port)
		}
		rows = append(rows, []string{i.ID, orDash(i.Group), names.of(i.Image), string(i.State), orDash(address), age(i.Started), i.Reason})
	}
	return o.f.table([]string{"INSTANCE", "SERVER GROUP", "IMAGE", "STATE", "ADDRESS", "AGE", "REASON"}, rows)
}
