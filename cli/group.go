package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway/client"
)

// newGroup returns the group of verbs about server groups.
func newGroup(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "group",
		Short: "Destroy server groups",
		Long:  `Server groups are made by deployments, and listed by "slipway status APPLICATION ENVIRONMENT".`,
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q a server group: there is no such verb; see slipway group --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newGroupDestroy(f, nil))
	return c
}

type groupDestroyOptions struct {
	f     *Factory
	group string
	removalFlags
}

func newGroupDestroy(f *Factory, runF func(context.Context, *groupDestroyOptions) error) *cobra.Command {
	o := &groupDestroyOptions{f: f}
	c := &cobra.Command{
		Use:   "destroy NAME",
		Short: "Stop a server group's machines gracefully, and remove it",
		Long: `Stop a server group's machines gracefully, and remove it. A rollback to it is slower from then on: it has to be
made again from its image.

It is refused if the group serves. --force does it all the same, and says why to whoever asks later.`,
		Example: `  slipway group destroy hello-prod-v041`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.group = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return groupDestroyRun(c.Context(), o)
		},
	}
	o.add(c)
	return c
}

func groupDestroyRun(ctx context.Context, o *groupDestroyOptions) error {
	how, err := o.removal(o.f, "server group "+o.group)
	if err != nil {
		return err
	}
	return o.f.look(ctx, func(ctx context.Context, c *client.Client) error {
		if err := c.DestroyGroup(ctx, o.group, how); err != nil {
			return err
		}
		return o.f.removed(o.group, "is destroyed")
	})
}
