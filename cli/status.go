package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type statusOptions struct {
	f       *Factory
	cluster slipway.Cluster // zero fields stand for all
}

func newStatus(f *Factory, runF func(context.Context, *statusOptions) error) *cobra.Command {
	o := &statusOptions{f: f}
	return &cobra.Command{
		Use:   "status [APPLICATION [ENVIRONMENT]]",
		Short: "What runs where, how it is, who put it there and what comes next",
		Long: `Show what runs where, as it is now: a line for every environment of every application, or, of one, all
there is to say of it, with its server groups. TRAFFIC is what the load balancer itself says. DRIFT is
what is not as it was decided: machines that are tainted, or of another image or configuration than
their server group; what slipway.yaml has otherwise; images that were revoked.

--json prints a list of cluster statuses with every machine, or the one of APPLICATION ENVIRONMENT;
"slipway state ENVIRONMENT --json" prints what is shown here.`,
		Example: `  slipway status
  slipway status hello prod`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.cluster = clusterOf(args)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return statusRun(c.Context(), o)
		},
	}
}

// clusterOf reads [APPLICATION [ENVIRONMENT]].
func clusterOf(args []string) slipway.Cluster {
	var c slipway.Cluster
	if len(args) > 0 {
		c.Application = args[0]
	}
	if len(args) > 1 {
		c.Environment = args[1]
	}
	return c
}

func statusRun(ctx context.Context, o *statusOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	switch one := o.cluster.Environment != ""; {
	case one && o.f.json:
		s, err := c.Cluster(ctx, o.cluster)
		if err != nil {
			return err
		}
		return o.f.printJSON(s)
	case one:
		s, err := c.ClusterState(ctx, o.cluster)
		if err != nil {
			return err
		}
		return o.f.clusterState(s, nil)
	case o.f.json:
		all, err := clusters(ctx, c, o.cluster)
		if err != nil {
			return err
		}
		return o.f.printJSON(all)
	}
	states, err := clusterStates(ctx, c, o.cluster.Application)
	if err != nil {
		return err
	}
	return o.f.clusterStates(states)
}

// clusterStates returns what runs of an application, of all for "", by environment: each is asked for in one call. The application must be
// known, but need not have run anywhere.
func clusterStates(ctx context.Context, c *client.Client, application string) ([]slipway.ClusterState, error) {
	environments, err := c.Environments(ctx)
	if err != nil {
		return nil, err
	}
	var all []slipway.ClusterState
	for _, e := range environments {
		if application != "" && !slices.ContainsFunc(e.Applications, func(m slipway.EnvironmentMember) bool { return m.Application == application }) {
			continue
		}
		state, err := c.EnvironmentState(ctx, e.Name)
		if slipway.CodeOf(err) == slipway.NotFound {
			continue // it has gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, s := range state.Clusters {
			if application == "" || s.Cluster.Application == application {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 && application != "" {
		_, err = c.Application(ctx, application)
	}
	slices.SortStableFunc(all, func(x, y slipway.ClusterState) int { return cmp.Compare(x.Cluster.Application, y.Cluster.Application) })
	return all, err
}

// clusters returns the clusters that want selects. An application must be known, but need not have run anywhere.
func clusters(ctx context.Context, c *client.Client, want slipway.Cluster) ([]slipway.ClusterStatus, error) {
	all, err := c.Clusters(ctx)
	if err != nil || want.Application == "" {
		return all, err
	}
	some := []slipway.ClusterStatus{}
	for _, s := range all {
		if s.Cluster.Application == want.Application && (want.Environment == "" || s.Cluster.Environment == want.Environment) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		_, err = c.Application(ctx, want.Application)
	}
	return some, err
}

// clusterStates prints one line a cluster: about the server group that serves.
func (f *Factory) clusterStates(all []slipway.ClusterState) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(f.Out, "nothing runs; start with: slipway ship")
		return err
	}
	var rows [][]string
	for _, s := range all {
		image, share, machines, since, by := "-", "-", "-", "-", "-"
		for _, g := range s.Groups {
			if g.Name == s.Serving {
				image, share, machines = runningImage(g.Image), shareText(s, g), fmt.Sprintf("%d/%d", g.Healthy, g.Size.Desired)
			}
		}
		if s.Placed != nil {
			since, by = age(s.Placed.Since), orDash(s.Placed.By)
		}
		rows = append(rows, []string{s.Cluster.Application, s.Cluster.Environment, string(s.Condition), orDash(s.Serving), image, share, machines,
			since, by, orDash(driftText(s)), nextText(s)})
	}
	return f.table([]string{"APPLICATION", "ENVIRONMENT", "CONDITION", "SERVER GROUP", "IMAGE", "TRAFFIC", "HEALTHY", "SINCE", "BY", "DRIFT", "NEXT"}, rows)
}

// shareText says what share of the traffic a group gets.
func shareText(s slipway.ClusterState, g slipway.GroupState) string {
	switch {
	case s.LoadBalancer == nil:
		return "-"
	case g.Mode == slipway.Standby:
		return "standby"
	}
	return fmt.Sprintf("%d %%", g.Traffic)
}

// runningImage says which image runs, and what is wrong with it.
func runningImage(i slipway.RunningImage) string {
	text := cmp.Or(i.Version, i.Digest.Short())
	switch {
	case i.Revoked != nil:
		text += ", revoked"
	case i.State == slipway.ImageFailed:
		text += ", failed"
	}
	return text
}
