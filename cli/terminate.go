package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// removalFlags say how machines are removed.
type removalFlags struct {
	force  bool
	reason string
}

func (r *removalFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&r.force, "force", false, "though it is the last that serves; wants --reason, and is recorded")
	c.Flags().StringVar(&r.reason, "reason", "", "why, for the record")
}

// removal returns them as the API wants them.
func (r *removalFlags) removal(f *Factory, what string) (client.Removal, error) {
	if r.force && r.reason == "" {
		return client.Removal{}, slipway.Errorf(slipway.Invalid, "cannot remove %s by force without a reason: say why with --reason, for whoever asks later", what)
	}
	return client.Removal{Force: r.force, Reason: r.reason, By: f.who()}, nil
}

type terminateOptions struct {
	f        *Factory
	instance string
	removalFlags
}

func newTerminate(f *Factory, runF func(context.Context, *terminateOptions) error) *cobra.Command {
	o := &terminateOptions{f: f}
	c := &cobra.Command{
		Use:   "terminate INSTANCE",
		Short: "Stop a machine gracefully",
		Long: `Stop a machine gracefully. One of a server group is replaced at once.

It is refused if its environment would be left with fewer serving machines than its policy allows, as the load
balancer sees them now. --force does it all the same, and says why to whoever asks later.`,
		Example: `  slipway terminate i-4fa25ba751
  slipway terminate i-4fa25ba751 --force --reason "it is compromised"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.instance = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return terminateRun(c.Context(), o)
		},
	}
	o.add(c)
	return c
}

func terminateRun(ctx context.Context, o *terminateOptions) error {
	how, err := o.removal(o.f, "instance "+o.instance)
	if err != nil {
		return err
	}
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		if err := c.Terminate(ctx, o.instance, how); err != nil {
			return err
		}
		return o.f.removed(o.instance, "is terminated")
	})
}

// removed says that something is gone.
func (f *Factory) removed(what, how string) error {
	if f.json {
		return f.printJSON(map[string]string{"removed": what})
	}
	_, err := fmt.Fprintf(f.Out, "%s %s\n", what, how)
	return err
}
