package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type releaseOptions struct {
	f    *Factory
	req  slipway.ReleaseRequest
	wait waitFlags
}

func newRelease(f *Factory, runF func(context.Context, *releaseOptions) error) *cobra.Command {
	o := &releaseOptions{f: f}
	c := &cobra.Command{
		Use:   "release ENVIRONMENT APPLICATION=IMAGE...",
		Short: "Move several applications of an environment as one: all of them, or none",
		Long: `Move several applications of an environment to an image each, as one: in the order in which they are named, or
--parallel. An image is named as to "slipway deploy". None of them is final before all of them serve; if one
fails, all are undone, the last one first.

It ends with the exit statuses of a deployment. --json prints the release as it ended, and nothing before.`,
		Example: `  slipway release prod api=v7 web=v12
  slipway release prod api=stable web=stable --parallel --reason "spring release"`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.req.Environment = args[0]
			for _, arg := range args[1:] {
				application, image, ok := strings.Cut(arg, "=")
				if !ok {
					return usageError{fmt.Errorf("cannot release %q: want APPLICATION=IMAGE", arg)}
				}
				o.req.Members = append(o.req.Members, slipway.ReleaseTarget{Application: application, Image: image})
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return releaseRun(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.req.Parallel, "parallel", false, "all at once, rather than one after the other")
	c.Flags().StringVar(&o.req.Reason, "reason", "", "why, for the record")
	o.wait.add(c)
	return c
}

func releaseRun(ctx context.Context, o *releaseOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	o.req.By = o.f.who()
	if err := o.req.Validate(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	r, after, err := startRelease(ctx, o, c)
	if err != nil {
		return accepted(err, "slipway releases "+o.req.Environment)
	}
	if o.wait.noWait {
		return o.f.printID(r.ID, r)
	}
	view := o.f.progress(true)
	w := newWaiter(o.f, c, view, r.ID, o.wait)
	w.after = after
	r, err = w.release(ctx, r)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		if err := o.f.printJSON(r); err != nil {
			return err
		}
	}
	return o.f.releaseEnd(ctx, c, r)
}

// startRelease starts a release and returns it, and the last event before it.
func startRelease(ctx context.Context, o *releaseOptions, c *client.Client) (r slipway.Release, after int64, err error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	last, err := c.EventList(ctx, slipway.EventFilter{Environment: o.req.Environment, Newest: true}, 1)
	if err != nil {
		return r, 0, err
	}
	if len(last) > 0 {
		after = last[0].Seq
	}
	r, err = c.Release(ctx, o.req)
	return r, after, err
}

// releaseEnd prints what a good release did, unless that was printed as JSON, and returns how a bad one ended.
func (f *Factory) releaseEnd(ctx context.Context, c *client.Client, r slipway.Release) error {
	why := ""
	if r.Error != nil {
		why = "\n" + indent(r.Error.Error())
	}
	switch r.State {
	case slipway.ReleaseSucceeded:
		if f.json {
			return nil
		}
		names, err := imageNames(ctx, c, "")
		if err != nil {
			return err
		}
		var moved []string
		for _, m := range r.Members {
			moved = append(moved, m.Application+" "+names.of(m.Image))
		}
		_, err = fmt.Fprintf(f.Out, "%s: %s serve after %s\n", r.Environment, strings.Join(moved, ", "), seconds(max(r.Finished.Sub(r.Started), 0)))
		return err
	case slipway.ReleaseRolledBack:
		return &outcome{exitRolledBack, fmt.Sprintf("%s: %s failed and was rolled back; every application is as before%s", r.Environment, r.ID, why)}
	case slipway.ReleaseAborted:
		return &outcome{exitAborted, fmt.Sprintf("%s: %s was aborted; every application is as before", r.Environment, r.ID)}
	case slipway.ReleaseNeedsAttention:
		text := fmt.Sprintf("%s: %s failed and could not be undone; look at it now%s", r.Environment, r.ID, why)
		for _, m := range r.Members {
			if m.State == slipway.DeploymentNeedsAttention || m.State == slipway.DeploymentSucceeded {
				text += fmt.Sprintf("\n  %s is not as before: slipway deployment show %s", m.Application, m.Deployment)
			}
		}
		return &outcome{exitAttention, text}
	}
	return fmt.Errorf("%s: %s ended as %s", r.Environment, r.ID, r.State)
}
