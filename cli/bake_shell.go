package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

type bakeShellOptions struct {
	f  *Factory
	id string
}

func newBakeShell(f *Factory, runF func(context.Context, *bakeShellOptions) error) *cobra.Command {
	o := &bakeShellOptions{f: f}
	return &cobra.Command{
		Use:   "shell BAKE",
		Short: "Look into the sandbox of a script that failed",
		Long: `Open a shell in the sandbox that a bake with --keep-on-failure has kept: what the script saw is there, as it left
it, but for secrets. It is kept for an hour, and until slipwayd is started anew; slipway bake abort
removes it at once. The exit status is the shell's. The shell always has a terminal: commands that are piped in must end with exit.`,
		Example: `  slipway bake --keep-on-failure
  slipway bake shell b-44bbgrolax`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if !strings.HasPrefix(o.id, "b-") {
				return usageError{fmt.Errorf("cannot enter %q: want the ID of a bake (b-…)", o.id)}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return bakeShellRun(c.Context(), o)
		},
	}
}

func bakeShellRun(ctx context.Context, o *bakeShellOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	terminal := o.f.terminal()
	shell, err := c.BakeShell(ctx, o.id, slipway.ShellRequest{Terminal: terminal})
	if err != nil {
		return err
	}
	return o.f.attach(ctx, shell, terminal != nil)
}
