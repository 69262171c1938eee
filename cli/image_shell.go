package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type imageShellOptions struct {
	f         *Factory
	image     imageRef
	command   []string
	user      string
	noService bool
}

func newImageShell(f *Factory, runF func(context.Context, *imageShellOptions) error) *cobra.Command {
	o := &imageShellOptions{f: f}
	c := &cobra.Command{
		Use:   "shell APPLICATION[@REF] [-- PROGRAM [ARGUMENT…]]",
		Short: "Look into a machine made from an image",
		Long: `Make a throw-away machine from an image, and run a shell or another program in it, here at your terminal.
The image may be one whose tests failed; name it by its digest.

The machine's service is started as in production, so that you can look at it; the machine stays
when the service fails. With --no-service it is not started: start it yourself to see what it says.
You are root, unless --user names somebody.

The machine is removed when the program ends, when the connection breaks, when slipwayd is started
anew, and after 12 hours. The exit status is the program's.`,
		Example: `  slipway image shell hello
  slipway image shell hello@3f9c2a --no-service
  slipway image shell hello --user app -- /opt/hello/hello --check`,
		Args: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); n >= 0 {
				args = args[:n]
			}
			return cobra.RangeArgs(1, 2)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if n := c.ArgsLenAtDash(); n >= 0 {
				args, o.command = args[:n], args[n:]
			}
			if o.image, err = imageArgs(args); err != nil {
				return err
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return imageShellRun(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.user, "user", "", "run the program as this user of the machine: a name, uid or uid:gid (default root)")
	c.Flags().BoolVar(&o.noService, "no-service", false, "do not start the service")
	return c
}

func imageShellRun(ctx context.Context, o *imageShellOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	terminal := o.f.terminal()
	shell, err := c.ImageShell(ctx, o.image.application, o.image.ref, slipway.ShellRequest{
		Command: o.command, User: o.user, NoService: o.noService, Terminal: terminal,
	})
	if err != nil {
		return err
	}
	if terminal != nil {
		service := "its service is started; see slipway logs " + shell.Machine
		if o.noService {
			service = "its service is not started"
		}
		fmt.Fprintf(o.f.Err, "machine %s of image %s: %s; it is removed when you leave\n", shell.Machine, shell.Image.Short(), service)
	}
	return o.f.attach(ctx, shell, terminal != nil)
}
