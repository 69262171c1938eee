package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type imageChannelOptions struct {
	f                  *Factory
	application, name  string
	ref, ifAt          string
	create, deleteThis bool
}

func newImageChannel(f *Factory) *cobra.Command {
	o := &imageChannelOptions{f: f}
	c := &cobra.Command{
		Use:   "channel APPLICATION CHANNEL [REF]",
		Short: "Move a channel to an image, or show where it is",
		Long: `Move a channel to an image. A channel is a name that can be moved; it stands wherever an image is named:
"slipway deploy hello prod stable", "from: image:base@stable". What was deployed or baked from it stays
what it was.

Only an image that is ready and not revoked can be named. With --if-at the channel moves only if it is
where you think it is. Without REF the channel is shown.`,
		Example: `  slipway image channel hello stable v7 --create
  slipway image channel hello stable v8 --if-at v7
  slipway image channel hello stable --delete`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			o.application, o.name = args[0], args[1]
			if err := slipway.ValidateName("application", o.application); err != nil {
				return err
			}
			if len(args) > 2 {
				o.ref = args[2]
			}
			if o.deleteThis && (o.ref != "" || o.create || o.ifAt != "") {
				return usageError{fmt.Errorf("cannot remove channel %s and move it: leave out REF, --create and --if-at", o.name)}
			}
			if o.ref == "" && (o.create || o.ifAt != "") {
				return usageError{fmt.Errorf("cannot move channel %s nowhere: say which image it is to name", o.name)}
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVar(&o.create, "create", false, "make the channel if there is none")
	c.Flags().StringVar(&o.ifAt, "if-at", "", "move it only if it names this `image` now")
	c.Flags().BoolVar(&o.deleteThis, "delete", false, "remove the channel; the image stays")
	return c
}

func (o *imageChannelOptions) run(ctx context.Context, c *client.Client) error {
	switch {
	case o.deleteThis:
		return o.remove(ctx, c)
	case o.ref == "":
		return o.f.channels(ctx, c, o.application, o.name)
	}
	channel, err := c.MoveChannel(ctx, o.application, o.name, slipway.ChannelRequest{Image: o.ref, IfAt: o.ifAt, Create: o.create, By: o.f.who()})
	if slipway.CodeOf(err) == slipway.NotFound && !o.create {
		if _, known := c.Image(ctx, o.application, o.ref); known == nil { // so it is the channel that there is none of
			return slipway.Errorf(slipway.NotFound, "cannot move channel %s of %s: there is none; make it with --create", o.name, o.application)
		}
	}
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(channel)
	}
	images, err := c.Images(ctx, o.application)
	if err != nil {
		return err
	}
	names := labelsOf(images)
	from := ""
	if channel.Previous != "" {
		from = ", and was " + names.of(channel.Previous)
	}
	_, err = fmt.Fprintf(o.f.Out, "%s@%s is now %s%s\n", o.application, o.name, names.of(channel.Image), from)
	return err
}

func (o *imageChannelOptions) remove(ctx context.Context, c *client.Client) error {
	if err := c.DeleteChannel(ctx, o.application, o.name, o.f.who()); err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(map[string]string{"removed": o.name})
	}
	_, err := fmt.Fprintf(o.f.Out, "%s has no channel %s any more\n", o.application, o.name)
	return err
}

func newImageChannels(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "channels [APPLICATION]",
		Short:   "Channels, and the images they name",
		Example: "  slipway image channels hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				return f.channels(ctx, c, clusterOf(args).Application, "")
			})
		},
	}
}

// channels prints channels: all applications' for "", all of the application for no name.
func (f *Factory) channels(ctx context.Context, c *client.Client, application, name string) error {
	all, err := c.Channels(ctx, application)
	if err != nil {
		return err
	}
	some := []slipway.Channel{}
	for _, channel := range all {
		if name == "" || channel.Name == name {
			some = append(some, channel)
		}
	}
	if len(some) == 0 && application != "" {
		if _, err := c.Application(ctx, application); err != nil {
			return err
		}
	}
	if len(some) == 0 && name != "" {
		return slipway.Errorf(slipway.NotFound, "cannot find channel %q of %s", name, application)
	}
	switch {
	case f.json && name != "":
		return f.printJSON(some[0])
	case f.json:
		return f.printJSON(some)
	}
	images, err := c.Images(ctx, application)
	if err != nil {
		return err
	}
	names := labelsOf(images)
	var rows [][]string
	for _, channel := range some {
		before := "-"
		if channel.Previous != "" {
			before = names.of(channel.Previous)
		}
		rows = append(rows, []string{channel.Application, channel.Name, names.of(channel.Image), channel.Image.Short(), before, age(channel.Moved), cmp.Or(channel.By, "-")})
	}
	return f.table([]string{"APPLICATION", "CHANNEL", "IMAGE", "DIGEST", "BEFORE", "MOVED", "BY"}, rows)
}
