package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type instancesOptions struct {
	f      *Factory
	filter slipway.MachineFilter
	state  string
	only   map[string]*bool
}

func newInstances(f *Factory, runF func(context.Context, *instancesOptions) error) *cobra.Command {
	o := &instancesOptions{f: f, only: map[string]*bool{}}
	c := &cobra.Command{
		Use:   "instances [APPLICATION [ENVIRONMENT]]",
		Short: "Machines, as they are now",
		Long: `List machines, as they are now: those of server groups that serve, of groups kept for a rollback, and throw-away machines,
which were started by hand or on which images are being tested.

TRAFFIC is what the load balancer gives one: its weight relative to the others, standby, or off. NOTES say why one is not
healthy, and whether it is disabled, protected or tainted: written to outside of its service's state directories.`,
		Example: "  slipway instances hello prod\n  slipway instances --tainted\n  slipway instances hello prod --image v3 --unhealthy",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.filter.Cluster = clusterOf(args)
			o.filter.State = slipway.InstanceState(o.state)
			for what, set := range o.only {
				if *set {
					o.filter.Only = append(o.filter.Only, what)
				}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return instancesRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.filter.Group, "group", "", "only those of this server `group`")
	c.Flags().StringVar(&o.filter.Image, "image", "", "only those of this `image`: a version label, a digest or its first digits")
	c.Flags().StringVar(&o.state, "state", "", "only those in this `state`: starting, healthy, unhealthy, stopping or dead")
	for _, what := range []string{"tainted", "disabled", "protected"} {
		o.only[what] = c.Flags().Bool(what, false, "only those that are "+what)
	}
	o.only["unhealthy"] = c.Flags().Bool("unhealthy", false, "only those that are not healthy")
	return c
}

func instancesRun(ctx context.Context, o *instancesOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	machines, err := c.Machines(ctx, o.filter)
	if err != nil {
		return err
	}
	if len(machines) == 0 && o.filter.Cluster.Application != "" { // whoever misspelt it wants to know
		if _, err := clusters(ctx, c, o.filter.Cluster); err != nil {
			return err
		}
	}
	if o.f.json {
		return o.f.printJSON(machines)
	}
	var rows [][]string
	for _, m := range machines {
		address := m.Address
		if m.Port != 0 {
			address = fmt.Sprintf("%s:%d", m.Address, m.Port)
		}
		rows = append(rows, []string{
			m.ID, orDash(cmp.Or(m.Group, m.Owner)), cmp.Or(m.Version, m.Image.Short()), string(m.State), trafficText(m), orDash(address), age(m.Started), notes(m),
		})
	}
	return o.f.table([]string{"INSTANCE", "SERVER GROUP", "IMAGE", "STATE", "TRAFFIC", "ADDRESS", "AGE", "NOTES"}, rows)
}

// trafficText is what the load balancer gives a machine.
func trafficText(m slipway.Machine) string {
	switch {
	case m.Traffic == nil:
		return "-"
	case m.Traffic.Mode != slipway.Active:
		return string(m.Traffic.Mode)
	case !m.Traffic.Up:
		return "down"
	}
	return "weight " + strconv.Itoa(m.Traffic.Weight)
}

// notes are what there is to say of a machine.
func notes(m slipway.Machine) string {
	var all []string
	if m.Reason != "" {
		all = append(all, m.Reason)
	}
	for _, mark := range []struct {
		what string
		*slipway.InstanceMark
	}{{"disabled", m.Disabled}, {"protected", m.Protected}} {
		if mark.InstanceMark != nil {
			all = append(all, fmt.Sprintf("%s for %s by %s%s", mark.what, age(mark.Since), mark.By, because(mark.InstanceMark.Reason)))
		}
	}
	if m.Taint != nil {
		all = append(all, "tainted: "+m.Taint.Path)
	}
	if !m.Expires.IsZero() {
		all = append(all, "until "+m.Expires.UTC().Format("15:04:05 MST"))
	}
	return strings.Join(all, "; ")
}
