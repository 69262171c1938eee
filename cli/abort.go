package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type abortOptions struct {
	f  *Factory
	id string
}

var workForm = regexp.MustCompile(`^[bdmrx]-[A-Za-z0-9_-]+$`)

func newAbort(f *Factory, runF func(context.Context, *abortOptions) error) *cobra.Command {
	o := &abortOptions{f: f}
	return &cobra.Command{
		Use:   "abort ID",
		Short: "End a bake, a deployment, a promotion, a release or a ship, and undo what it did",
		Long: `End a bake (b-…), a deployment (d-…), a promotion (m-…), a release (r-…) or a whole ship (x-…) and undo what it did. It returns
when slipwayd has recorded the wish; "slipway events --follow" shows it come true. Work that is over
already is left as it is.`,
		Example: `  slipway abort d-44bbgrolax`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return abortRun(c.Context(), o)
		},
	}
}

func abortRun(ctx context.Context, o *abortOptions) error {
	if !workForm.MatchString(o.id) {
		return slipway.Errorf(slipway.Invalid, "cannot abort %q: want the id of a bake (b-…), a deployment (d-…), a promotion (m-…), a release (r-…) or a ship (x-…)", o.id)
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	over, err := finalState(ctx, c, o.id)
	if err != nil {
		return err
	}
	if over == "" {
		err = c.Abort(ctx, o.id)
	}
	switch {
	case err != nil:
		return err
	case o.f.json:
		return o.f.printJSON(map[string]string{"id": o.id})
	case over != "":
		_, err = fmt.Fprintf(o.f.Out, "%s is over already: %s\n", o.id, over)
	default:
		_, err = fmt.Fprintf(o.f.Out, "%s is told to end\n", o.id)
	}
	return err
}

// finalState returns the final state of a bake, deployment, release or execution, and "" while it goes on.
func finalState(ctx context.Context, c *client.Client, id string) (string, error) {
	var state string
	var done bool
	var err error
	switch id[0] {
	case 'b':
		var b slipway.Bake
		b, err = c.GetBake(ctx, id)
		state, done = string(b.State), b.State.Done() && b.Kept == ""
	case 'd':
		var d slipway.Deployment
		d, err = c.Deployment(ctx, id)
		state, done = string(d.State), d.State.Done()
	case 'm':
		var m slipway.Promotion
		m, err = c.Promotion(ctx, id)
		state, done = string(m.State), m.State.Done()
	case 'r':
		var r slipway.Release
		r, err = c.GetRelease(ctx, id)
		state, done = string(r.State), r.State.Done()
	default:
		var x slipway.Execution
		x, err = c.Execution(ctx, id)
		state, done = string(x.State), x.State.Done()
	}
	if err != nil || !done {
		return "", err
	}
	return strings.ReplaceAll(state, "_", " "), nil
}
