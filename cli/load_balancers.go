package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newLoadBalancers(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "load-balancers [APPLICATION [ENVIRONMENT]]",
		Short: "Load balancers: what goes where, machine by machine, with counters",
		Long: `List load balancers as they are now: a line for every machine behind one. WEIGHT is relative to the
other active machines; FAILED counts tries that went wrong, also where another machine then took the
request.`,
		Example: "  slipway load-balancers hello prod",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			cluster := clusterOf(args)
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error { return f.loadBalancers(ctx, c, cluster) })
		},
	}
}

func (f *Factory) loadBalancers(ctx context.Context, c *client.Client, cluster slipway.Cluster) error {
	all, err := c.LoadBalancers(ctx, cluster)
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(all)
	}
	var rows [][]string
	for _, b := range all {
		name := fmt.Sprintf("%s %s:%d", b.Name, b.Route.Address, b.Route.Port)
		if b.Pool == nil || len(b.Pool.Targets) == 0 {
			rows = append(rows, []string{name, orDash(b.Trouble), "-", "-", "-", "-", "-", "-", "-"})
			continue
		}
		for _, t := range b.Pool.Targets {
			up := "down"
			if t.Up {
				up = "up"
			}
			rows = append(rows, []string{
				name, t.Group, t.Instance, string(t.Mode), up, fmt.Sprint(t.Weight), fmt.Sprint(t.Open), fmt.Sprint(t.Requests), fmt.Sprint(t.Failed),
			})
		}
	}
	return f.table([]string{"LOAD BALANCER", "SERVER GROUP", "INSTANCE", "MODE", "IS", "WEIGHT", "OPEN", "REQUESTS", "FAILED"}, rows)
}
