package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
		Short: "What runs where, and what share of the traffic it gets",
		Long: `Show what runs where, as it is now: a line for every environment, or, of one, all its server
groups. TRAFFIC is what the load balancer itself says.

--json prints a list of cluster statuses, or the one of APPLICATION ENVIRONMENT.`,
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
	if o.cluster.Environment != "" {
		s, err := c.Cluster(ctx, o.cluster)
		if err != nil {
			return err
		}
		if o.f.json {
			return o.f.printJSON(s)
		}
		images, err := c.Images(ctx, o.cluster.Application)
		if err != nil {
			return err
		}
		return o.f.clusterStatus(s, labelsOf(images))
	}
	all, err := clusters(ctx, c, o.cluster)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	images, err := c.Images(ctx, o.cluster.Application)
	if err != nil {
		return err
	}
	return o.f.clusterStatuses(all, labelsOf(images))
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

// clusterStatuses prints one line a cluster: about the server group that serves.
func (f *Factory) clusterStatuses(all []slipway.ClusterStatus, names labels) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(f.Out, "nothing runs; start with: slipway ship")
		return err
	}
	var rows [][]string
	for _, s := range all {
		row := []string{s.Cluster.Application, s.Cluster.Environment, orDash(s.Serving), "-", traffic(s, s.Serving), "-", lastDeployment(s)}
		for _, g := range s.Groups {
			if g.Name == s.Serving {
				row[3], row[5] = names.of(g.Image), healthy(g)
			}
		}
		rows = append(rows, row)
	}
	return f.table([]string{"APPLICATION", "ENVIRONMENT", "SERVER GROUP", "IMAGE", "TRAFFIC", "HEALTHY", "LAST DEPLOYMENT"}, rows)
}

// clusterStatus prints all there is to say about one cluster.
func (f *Factory) clusterStatus(s slipway.ClusterStatus, names labels) error {
	fmt.Fprintf(f.Out, "%s %s\n", s.Cluster.Application, s.Cluster.Environment)
	if s.Pool != nil {
		fmt.Fprintf(f.Out, "load balancer    %s:%d, %s\n", s.Pool.Address, s.Pool.Port, count(s.Pool.Requests, "request"))
	}
	fmt.Fprintf(f.Out, "last deployment  %s\n", lastDeployment(s))
	if s.Deployment != nil && s.Deployment.Error != nil {
		fmt.Fprintf(f.Out, "                 %s\n", strings.ReplaceAll(s.Deployment.Error.Error(), "\n", "\n                 "))
	}
	if d := s.Deployment; d != nil && !d.State.Done() {
		fmt.Fprintf(f.Out, "                 slipway deployment show %s\n", d.ID)
	}
	if len(s.Queued) > 0 {
		fmt.Fprintf(f.Out, "queue            %s\n", strings.Join(s.Queued, ", "))
	}
	for _, r := range s.Restrictions {
		fmt.Fprintf(f.Out, "restricted       %s (%s)\n", restrictionText(r, names, time.Now()), r.ID)
	}
	fmt.Fprintln(f.Out)
	var rows [][]string
	for _, g := range s.Groups {
		rows = append(rows, []string{g.Name, names.of(g.Image), traffic(s, g.Name), healthy(g), fmt.Sprint(g.Replaced), age(g.Created), g.Trouble})
	}
	return f.table([]string{"SERVER GROUP", "IMAGE", "TRAFFIC", "HEALTHY", "REPLACED", "AGE", "TROUBLE"}, rows)
}

// traffic says what share of new requests the load balancer sends to the group: by the weights of the targets that are up.
func traffic(s slipway.ClusterStatus, group string) string {
	if s.Pool == nil || group == "" {
		return "-"
	}
	all, its, standby := 0, 0, false
	for _, t := range s.Pool.Targets {
		switch {
		case t.Mode == slipway.Active && t.Up:
			all += t.Weight
			if t.Group == group {
				its += t.Weight
			}
		case t.Mode == slipway.Standby && t.Group == group:
			standby = true
		}
	}
	switch {
	case standby && its == 0:
		return "standby"
	case all == 0:
		return "0 %"
	}
	return fmt.Sprintf("%d %%", (its*100+all/2)/all)
}

func healthy(g slipway.ServerGroup) string { return fmt.Sprintf("%d/%d", g.Healthy(), g.Size.Desired) }

// lastDeployment says in a line what the deployment under way does, or how the last ended; what waits behind it; and what is forbidden.
func lastDeployment(s slipway.ClusterStatus) string {
	text := "-"
	if d := s.Deployment; d != nil {
		text = stateOf(*d) + " " + d.ID
		if d.State.Done() {
			text += ", " + age(d.Finished) + " ago"
		} else {
			text += ": " + doing(*d)
		}
	}
	waiting := len(s.Queued)
	if s.Deployment != nil && s.Deployment.State == slipway.DeploymentQueued {
		waiting-- // it is named already
	}
	if waiting > 0 {
		text += fmt.Sprintf("; %d queued", waiting)
	}
	for _, kind := range []slipway.RestrictionKind{slipway.RestrictionFreeze, slipway.RestrictionPin} {
		if slices.ContainsFunc(s.Restrictions, func(r slipway.Restriction) bool { return r.Kind == kind }) {
			text += map[slipway.RestrictionKind]string{slipway.RestrictionFreeze: "; frozen", slipway.RestrictionPin: "; pinned"}[kind]
		}
	}
	return text
}
