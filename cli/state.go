package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// watchEvery is how often a state that is watched is asked for. An answer that it is as it was costs slipwayd little and the line nothing.
const watchEvery = time.Second

type stateOptions struct {
	f           *Factory
	environment string
	application string
	drifted     bool
	watch       bool
}

func newState(f *Factory, runF func(context.Context, *stateOptions) error) *cobra.Command {
	o := &stateOptions{f: f}
	c := &cobra.Command{
		Use:   "state ENVIRONMENT [APPLICATION]",
		Short: "An environment at a glance: what runs, how it is, since when, and what comes next",
		Long: `Show all of an environment as it is now, in one answer: what runs of each application, how it is, who
put it there and since when, what is not as it was decided (drift), and what comes next: deployments
under way or queued, approvals that people are asked for, freezes.

Of one application the reasons are listed. --watch shows it again whenever it changes. --json prints
the whole state; with --watch, one line for every change.`,
		Example: `  slipway state prod
  slipway state prod hello
  slipway state prod --drifted
  slipway state prod --watch`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if o.environment = args[0]; len(args) > 1 {
				o.application = args[1]
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.run)
		},
	}
	c.Flags().BoolVar(&o.drifted, "drifted", false, "only what is not as it was decided")
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "show it again whenever it changes, until interrupted")
	return c
}

func (o *stateOptions) run(ctx context.Context, c *client.Client) error {
	var tag string
	for {
		state, now, changed, err := c.EnvironmentStateSince(ctx, o.environment, tag)
		if err != nil {
			return err
		}
		if changed {
			if tag != "" && !o.f.json {
				fmt.Fprintf(o.f.Out, "\n%s\n", time.Now().Format(time.TimeOnly))
			}
			if err := o.print(state); err != nil {
				return err
			}
			tag = now
		}
		if !o.watch {
			return nil
		}
		timer := time.NewTimer(watchEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

func (o *stateOptions) print(state slipway.EnvironmentState) error {
	some := []slipway.ClusterState{}
	for _, s := range state.Clusters {
		if (o.application == "" || s.Cluster.Application == o.application) && (!o.drifted || len(s.Drift) > 0) {
			some = append(some, s)
		}
	}
	if o.application != "" && len(some) == 0 && !o.drifted {
		return slipway.Errorf(slipway.NotFound, "cannot find %s in %s: its slipway.yaml does not name it, and it was never deployed there", o.application, o.environment)
	}
	state.Clusters = some
	switch {
	case o.f.json && o.watch:
		return json.NewEncoder(o.f.Out).Encode(state)
	case o.f.json:
		return o.f.printJSON(state)
	case o.application != "":
		for _, s := range some {
			if err := o.f.clusterState(s, state.Restrictions); err != nil {
				return err
			}
		}
		return nil
	}
	return o.f.environmentState(state)
}

// environmentState prints one line a cluster.
func (f *Factory) environmentState(state slipway.EnvironmentState) error {
	fmt.Fprintf(f.Out, "%s is %s: %s, %d of %s healthy", state.Environment, state.Condition, count(len(state.Clusters), "application"), state.Healthy, count(state.Machines, "machine"))
	if state.Drifted > 0 {
		fmt.Fprintf(f.Out, ", %d drifted", state.Drifted)
	}
	if state.UnderWay > 0 {
		fmt.Fprintf(f.Out, ", %s under way", count(state.UnderWay, "deployment"))
	}
	fmt.Fprintln(f.Out)
	for _, r := range state.Restrictions {
		fmt.Fprintf(f.Out, "%s (%s)\n", r, r.ID)
	}
	fmt.Fprintln(f.Out)
	var rows [][]string
	for _, s := range state.Clusters {
		machines, commit := "-", "-"
		for _, g := range s.Groups {
			if g.Name == s.Serving {
				machines = fmt.Sprintf("%d/%d", g.Healthy, g.Size.Desired)
			}
		}
		image := "-"
		if s.Image != nil {
			image = cmp.Or(s.Image.Version, s.Image.Digest.Short())
			commit = orDash(shortCommit(s.Image.Commit))
		}
		since, by := "-", "-"
		if s.Placed != nil {
			since, by = age(s.Placed.Since), orDash(s.Placed.By)
		}
		rows = append(rows, []string{s.Cluster.Application, string(s.Condition), image, commit, machines, since, by, orDash(driftText(s)), nextText(s)})
	}
	return f.table([]string{"APPLICATION", "CONDITION", "IMAGE", "COMMIT", "HEALTHY", "SINCE", "BY", "DRIFT", "NEXT"}, rows)
}

// clusterState prints all there is to say about one cluster at a glance; whole are the restrictions of its environment.
func (f *Factory) clusterState(s slipway.ClusterState, whole []slipway.Restriction) error {
	fmt.Fprintf(f.Out, "%s in %s is %s", s.Cluster.Application, s.Cluster.Environment, s.Condition)
	if s.Reason != "" {
		fmt.Fprintf(f.Out, ": %s", s.Reason)
	}
	fmt.Fprintln(f.Out)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(f.Out, "%-15s  %s\n", name, fmt.Sprintf(format, args...))
	}
	if s.Image != nil {
		text := withDigest(s.Image.Version, s.Image.Digest)
		if s.Image.Commit != "" {
			text += ", commit " + shortCommit(s.Image.Commit)
		}
		if s.Image.Branch != "" {
			text += " of " + s.Image.Branch
		}
		line("image", "%s", text)
	}
	if p := s.Placed; p != nil {
		text := fmt.Sprintf("%s ago by deployment %s", age(p.Since), p.Deployment)
		if p.By != "" {
			text += ", for " + p.By
		}
		if p.Reason != "" {
			text += ": " + p.Reason
		}
		line("since", "%s", text)
	}
	if p := s.Failed; p != nil {
		line("last deployment", "%s %s, %s ago: %s", p.Deployment, strings.ReplaceAll(string(p.State), "_", " "), age(p.Since), firstLine(p.Error))
	}
	if l := s.LoadBalancer; l != nil {
		line("load balancer", "%s", strings.TrimSpace(fmt.Sprintf("%s:%d %s", l.Address, l.Port, l.Trouble)))
	}
	for _, d := range s.Drift {
		line("drift", "%s: %s", cmp.Or(d.Group, string(d.Kind)), d.Message)
	}
	for i, d := range s.Next.Deployments {
		line("next", "%s", deploymentText(d))
		if i == 0 && d.State != slipway.DeploymentQueued {
			line("", "slipway deployment show %s", d.Deployment)
		}
	}
	for _, a := range s.Next.Approvals {
		line("next", "approval %s of %d: %s", a.ID, a.Needed, a.Message)
	}
	for _, r := range append(whole, s.Next.Restrictions...) {
		line("restricted", "%s (%s)", r, r.ID)
	}
	fmt.Fprintln(f.Out)
	var rows [][]string
	for _, g := range s.Groups {
		rows = append(rows, []string{g.Name, runningImage(g.Image), shareText(s, g), fmt.Sprintf("%d/%d", g.Healthy, g.Size.Desired),
			fmt.Sprint(g.Replaced), age(g.Created), g.Trouble})
	}
	return f.table([]string{"SERVER GROUP", "IMAGE", "TRAFFIC", "HEALTHY", "REPLACED", "AGE", "TROUBLE"}, rows)
}

func driftText(s slipway.ClusterState) string {
	var kinds []string
	for _, d := range s.Drift {
		if kind := strings.ReplaceAll(string(d.Kind), "_", " "); len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, ", ")
}

// nextText says in a few words what comes next.
func nextText(s slipway.ClusterState) string {
	var parts []string
	for i, d := range s.Next.Deployments {
		if i == 0 {
			parts = append(parts, deploymentText(d))
		}
	}
	if n := len(s.Next.Deployments) - 1; n > 0 {
		parts = append(parts, fmt.Sprintf("%d queued", n))
	}
	if n := len(s.Next.Approvals); n > 0 {
		parts = append(parts, count(n, "approval")+" wanted")
	}
	for _, r := range s.Next.Restrictions {
		parts = append(parts, string(r.Kind))
	}
	if len(s.Next.Deployments) == 0 && s.Failed != nil {
		parts = append(parts, s.Failed.Deployment+" "+strings.ReplaceAll(string(s.Failed.State), "_", " "))
	}
	return orDash(strings.Join(parts, "; "))
}

func deploymentText(d slipway.NextDeployment) string {
	text := d.Deployment + " " + string(d.State)
	switch {
	case d.Paused != nil:
		text += ", paused"
	case d.Waiting != nil:
		text += ", waits for " + d.Waiting.For
	case d.Step != "" && d.State != slipway.DeploymentQueued:
		text += ": " + d.Step
	}
	return text
}

// shortCommit returns the first digits of a commit's hash.
func shortCommit(commit string) string { return commit[:min(len(commit), 10)] }

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
