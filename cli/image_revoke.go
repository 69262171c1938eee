package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type imageRevokeOptions struct {
	f      *Factory
	image  imageRef
	reason string
	undo   bool
}

func newImageRevoke(f *Factory) *cobra.Command {
	o := &imageRevokeOptions{f: f}
	c := &cobra.Command{
		Use:   "revoke APPLICATION@REF --reason TEXT",
		Short: "Say that an image must not be launched any more",
		Long: `Revoke an image: it cannot be deployed, rolled back to, tried or built on from then on, and whoever tries is
told the reason. Baking the same again does not lift it.

What runs of it already goes on and is listed: revoking takes nothing away from those who are served. A
machine of such a server group that dies is replaced. Deploy another image to be rid of it.`,
		Example: `  slipway image revoke hello@v7 --reason "CVE-2026-1234 in libssl"
  slipway image revoke hello@v7 --undo`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.image, err = imageArgs(args); err != nil {
				return err
			}
			if o.undo == (o.reason != "") {
				return usageError{fmt.Errorf("cannot revoke %s: want --reason TEXT, or --undo", o.image)}
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().StringVar(&o.reason, "reason", "", "what is wrong with it")
	c.Flags().BoolVar(&o.undo, "undo", false, "lift the revocation")
	return c
}

func (o *imageRevokeOptions) run(ctx context.Context, c *client.Client) error {
	var s slipway.ImageStatus
	var err error
	if o.undo {
		s, err = c.Reinstate(ctx, o.image.application, o.image.ref, o.f.who())
	} else {
		s, err = c.Revoke(ctx, o.image.application, o.image.ref, o.reason, o.f.who())
	}
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(s)
	}
	if o.undo {
		_, err = fmt.Fprintf(o.f.Out, "%s %s may be launched again\n", s.Application, s.Name())
		return err
	}
	fmt.Fprintf(o.f.Out, "%s %s is revoked\n", s.Application, s.Name())
	for _, channel := range s.Channels {
		fmt.Fprintf(o.f.Out, "channel %s still names it: whoever uses the channel is refused; move it with `slipway image channel %s %s REF`\n",
			channel.Name, s.Application, channel.Name)
	}
	if s.Children > 0 {
		fmt.Fprintf(o.f.Out, "%s built on it; see `slipway image tree %s@%s`\n", count(s.Children, "image"), s.Application, s.Digest.Short())
	}
	if len(s.Uses) == 0 {
		_, err = fmt.Fprintln(o.f.Out, "nothing runs of it")
		return err
	}
	fmt.Fprintln(o.f.Out, "what runs of it goes on:")
	var rows [][]string
	for _, u := range s.Uses {
		environment, what := "-", "throw-away"
		if u.Cluster != nil {
			environment, what = u.Cluster.Environment, "kept"
		}
		if u.Serving {
			what = "serves"
		}
		for _, i := range u.Instances {
			rows = append(rows, []string{i, environment, orDash(u.Group), what})
		}
	}
	return o.f.table([]string{"INSTANCE", "ENVIRONMENT", "SERVER GROUP", "USE"}, rows)
}
