package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

type logsOptions struct {
	f        *Factory
	instance string
	follow   bool
	lines    int
}

func newLogs(f *Factory, runF func(context.Context, *logsOptions) error) *cobra.Command {
	o := &logsOptions{f: f}
	c := &cobra.Command{
		Use:   "logs INSTANCE",
		Short: "What a machine's service printed",
		Long: `Print the last lines that a machine's service printed. Those of a machine that is gone are kept
for a while.

--json prints an object {"line": …} for every line.`,
		Example: `  slipway instances hello prod          which machines there are
  slipway logs i-4fa25ba751 --follow`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.instance = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return logsRun(c.Context(), o)
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until the machine is gone")
	c.Flags().IntVarP(&o.lines, "lines", "n", 100, "how many of the last lines")
	return c
}

func logsRun(ctx context.Context, o *logsOptions) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	r, err := c.Logs(ctx, o.instance, o.lines, o.follow)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.f.json {
		err = linesAsJSON(o.f.Out, r)
	} else {
		_, err = io.Copy(o.f.Out, r)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func linesAsJSON(w io.Writer, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		if err := out.Encode(map[string]string{"line": lines.Text()}); err != nil {
			return err
		}
	}
	return lines.Err()
}
