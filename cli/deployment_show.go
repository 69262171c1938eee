package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type deploymentShowOptions struct {
	f      *Factory
	id     string
	of     slipway.Cluster // instead of an ID: the deployment under way, or the last
	follow bool
}

func newDeploymentShow(f *Factory, runF func(context.Context, *deploymentShowOptions) error) *cobra.Command {
	o := &deploymentShowOptions{f: f}
	c := &cobra.Command{
		Use:   "show DEPLOYMENT | show APPLICATION ENVIRONMENT",
		Short: "What a deployment does, what it waits for, when it moves by itself, what it would undo",
		Long: `Show a deployment: what it is doing, what it waits for, what would unblock it, when it moves by itself and what it does
then; what it would take back if it were undone, in that order; what its checks measured last; what went on without
proof or in spite of a rule. Of an application in an environment it is the deployment under way, or the last.

--follow keeps it up to date until it is over, and then ends with the exit status of what came of it. --json prints the
record; with --follow one a line, whenever it changes.`,
		Example: `  slipway deployment show d-44bbgrolax
  slipway deployment show hello prod --follow`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.of = clusterOf(args)
			} else if o.id = args[0]; !deploymentForm.MatchString(o.id) {
				return isDeployment("show", o.id)
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "keep it up to date until it is over")
	return c
}

func (o *deploymentShowOptions) run(ctx context.Context, c *client.Client) error {
	if o.id == "" {
		s, err := c.Cluster(ctx, o.of)
		if err != nil {
			return err
		}
		if s.Deployment == nil {
			return slipway.Errorf(slipway.NotFound, "cannot find a deployment of %s to %s", o.of.Application, o.of.Environment)
		}
		o.id = s.Deployment.ID
	}
	if o.follow {
		return o.watch(ctx, c)
	}
	v, err := o.look(ctx, c)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(v.d)
	}
	return o.f.deployment(v, time.Now())
}

// look reads the deployment and what has to do with it now.
func (o *deploymentShowOptions) look(ctx context.Context, c *client.Client) (v deploymentView, err error) {
	if v.d, err = c.Deployment(ctx, o.id); err != nil || o.f.json {
		return v, err
	}
	if v.names, err = imageNames(ctx, c, v.d.Cluster.Application); err != nil {
		return v, err
	}
	s, err := c.Cluster(ctx, v.d.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return v, nil
	}
	v.restrictions, v.queued, v.current = s.Restrictions, s.Queued, s.Deployment
	return v, err
}

// How often a deployment that is followed is looked at, at least. Its events tell of most changes.
const (
	lookAtTerminal = time.Second // its times pass
	lookElsewhere  = 2 * time.Second
)

// watch shows the deployment whenever it has changed, until it is over, through restarts of slipwayd.
func (o *deploymentShowOptions) watch(ctx context.Context, c *client.Client) error {
	happened, stop := o.events(ctx, c)
	defer stop()
	screen := o.screen()
	every := lookElsewhere
	if screen.redraws {
		every = lookAtTerminal
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var away time.Time
	for {
		v, err := o.look(ctx, c)
		switch {
		case err == nil:
			away = time.Time{}
			if err := screen.show(v); err != nil {
				return err
			}
			if v.d.State.Done() {
				return o.end(ctx, c, v.d)
			}
		case slipway.CodeOf(err) != slipway.Unavailable:
			return err
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > c.Patience:
			return err
		}
		select {
		case <-happened:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end returns how the deployment ended; that it went well has been shown.
func (o *deploymentShowOptions) end(ctx context.Context, c *client.Client, d slipway.Deployment) error {
	if d.State == slipway.DeploymentSucceeded {
		return nil
	}
	return o.f.deploymentEnd(ctx, c, d)
}

// events returns a channel that says that something happened to the deployment.
func (o *deploymentShowOptions) events(ctx context.Context, c *client.Client) (<-chan struct{}, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	happened := make(chan struct{}, 1)
	go func() {
		for _, err := range c.Events(ctx, slipway.EventFilter{Deployment: o.id}) {
			if err != nil {
				return // looking goes on
			}
			select {
			case happened <- struct{}{}:
			default: // it is known already
			}
		}
	}()
	return happened, cancel
}

// screen shows a deployment again and again: in one place on a terminal, below each other elsewhere, if it has changed.
type screen struct {
	f       *Factory
	redraws bool
	drawn   int    // lines that will be drawn over
	last    []byte // the record that was shown
}

func (o *deploymentShowOptions) screen() *screen {
	return &screen{f: o.f, redraws: o.f.Terminal && !o.f.json && o.f.Env("TERM") != "dumb"}
}

func (s *screen) show(v deploymentView) error {
	record, err := json.Marshal(v.d)
	if err != nil {
		return err
	}
	if !s.redraws && bytes.Equal(record, s.last) {
		return nil
	}
	first := s.last == nil
	s.last = record
	if s.f.json {
		_, err := fmt.Fprintf(s.f.Out, "%s\n", record)
		return err
	}
	var text bytes.Buffer
	f := *s.f
	f.Out = &text
	if err := f.deployment(v, time.Now()); err != nil {
		return err
	}
	if !s.redraws {
		if !first {
			fmt.Fprintln(s.f.Out)
		}
		_, err := s.f.Out.Write(text.Bytes())
		return err
	}
	var frame strings.Builder
	frame.WriteString(erase + strings.Repeat(up+erase, s.drawn))
	s.drawn = 0
	for line := range strings.Lines(text.String()) {
		frame.WriteString(cut(strings.TrimRight(line, "\n"), s.f.Width()-1) + "\n")
		s.drawn++
	}
	_, err = fmt.Fprint(s.f.Out, frame.String())
	return err
}
