package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// newTrigger returns the group of verbs about triggers.
func newTrigger(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "trigger",
		Short: "Start pipelines and deployments when something happens",
		Long: `A trigger starts a pipeline, or a deployment, when something happens: a webhook of GitHub's, GitLab's or anybody's comes
in, CI pushes a file, a channel names another image, a time of day comes, or another pipeline is over.

A trigger is named by its ID, or as APPLICATION/NAME.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot %q a trigger: there is no such verb; see slipway trigger --help", args[0])}
			}
			return c.Help()
		},
	}
	c.AddCommand(newTriggerAdd(f, nil), newTriggerList(f), newTriggerShow(f), newTriggerTest(f), newTriggerEnable(f, true), newTriggerEnable(f, false),
		newTriggerRotate(f), newTriggerRemove(f))
	return c
}

// findTrigger returns the trigger that a person means.
func findTrigger(ctx context.Context, c *client.Client, ref string) (slipway.Trigger, error) {
	application, name, byName := strings.Cut(ref, "/")
	if !byName {
		status, err := c.Trigger(ctx, ref, 0)
		return status.Trigger, err
	}
	all, err := c.Triggers(ctx, application)
	if err != nil {
		return slipway.Trigger{}, err
	}
	for _, t := range all {
		if t.Application == application && t.Name == name {
			return t, nil
		}
	}
	return slipway.Trigger{}, slipway.Errorf(slipway.NotFound, "cannot find trigger %q of application %q: see slipway trigger list", name, application)
}

// triggerVerb returns a verb about one trigger.
func triggerVerb(f *Factory, use, short, long string, run func(context.Context, *client.Client, slipway.Trigger) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				t, err := findTrigger(ctx, c, args[0])
				if err != nil {
					return err
				}
				return run(ctx, c, t)
			})
		},
	}
}

func newTriggerList(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "list [APPLICATION]",
		Short:   "List triggers",
		Args:    cobra.MaximumNArgs(1),
		Example: "  slipway trigger list hello",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				all, err := c.Triggers(ctx, strings.Join(args, ""))
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(all)
				}
				if len(all) == 0 {
					_, err := fmt.Fprintln(f.Out, "there are no triggers; make one with slipway trigger add")
					return err
				}
				var rows [][]string
				for _, t := range all {
					state := "enabled"
					if t.Disabled {
						state = "disabled"
					}
					rows = append(rows, []string{t.ID, t.Application, t.Name, string(t.Kind), condition(t.TriggerSpec), t.Does(), state})
				}
				return f.table([]string{"ID", "APPLICATION", "NAME", "KIND", "WHEN", "STARTS", "STATE"}, rows)
			})
		},
	}
}

// condition says in a few words when a trigger fires.
func condition(t slipway.TriggerSpec) string {
	var parts []string
	say := func(what string, globs []string) {
		if len(globs) > 0 {
			parts = append(parts, strings.TrimSpace(what+" "+strings.Join(globs, ",")))
		}
	}
	switch t.Kind {
	case slipway.TriggerChannel:
		return "channel " + t.Channel + " of " + t.Source() + " moves"
	case slipway.TriggerCron:
		return strings.TrimSpace(t.Schedule + " " + t.TimeZone)
	case slipway.TriggerPipeline:
		parts = append(parts, "execution of "+t.Source()+" ends")
		say("of", t.Pipelines)
		for _, s := range t.States {
			parts = append(parts, string(s))
		}
	case slipway.TriggerArtifact:
		parts = append(parts, "artifact")
		say("", t.Artifacts)
	default:
		events := t.Events
		if len(events) == 0 {
			events = map[slipway.TriggerKind][]string{slipway.TriggerGitHub: {"push"}, slipway.TriggerGitLab: {"push", "tag_push"}, slipway.TriggerWebhook: {"any"}}[t.Kind]
		}
		say("", events)
	}
	say("branch", t.Branches)
	say("tag", t.Tags)
	say("workflow", t.Workflows)
	say("path", t.Paths)
	return strings.Join(parts, " ")
}

func newTriggerShow(f *Factory) *cobra.Command {
	firings := 10
	c := triggerVerb(f, "show TRIGGER", "Show a trigger and what it did lately", "", func(ctx context.Context, c *client.Client, t slipway.Trigger) error {
		s, err := c.Trigger(ctx, t.ID, firings)
		if err != nil {
			return err
		}
		if f.json {
			return f.printJSON(s)
		}
		return f.triggerStatus(s)
	})
	c.Example = "  slipway trigger show hello/ci"
	c.Flags().IntVar(&firings, "firings", firings, "how many of its last firings")
	return c
}

func (f *Factory) triggerStatus(s slipway.TriggerStatus) error {
	now := time.Now()
	state := "enabled"
	if s.Disabled {
		state = "disabled"
	}
	lines := [][2]string{
		{"trigger", s.ID + " " + s.Application + "/" + s.Name + ", " + state},
		{"kind", string(s.Kind)}, {"when", condition(s.TriggerSpec)}, {"starts", s.Does()}, {"image", s.Image}, {"path", s.Path},
		{"made", moment(s.Created, now) + by(s.By)},
	}
	if s.Kind.Hook() {
		lines = append(lines, [2]string{"sent to", slipway.HookPath(s.ID)})
	}
	for _, at := range s.Next {
		lines = append(lines, [2]string{"next", moment(at, now)})
	}
	f.facts(lines)
	if len(s.Firings) == 0 {
		_, err := fmt.Fprintln(f.Out, "it has not fired yet")
		return err
	}
	var rows [][]string
	for _, g := range s.Firings {
		came := strings.TrimSpace(g.Execution + " " + g.Deployment)
		switch {
		case g.Error != nil:
			came = g.Error.Error()
		case came == "":
			came = g.Reason
		}
		rows = append(rows, []string{g.ID, age(g.At), string(g.State), orDash(g.Cause.Event), orDash(g.Cause.Branch), orDash(g.Cause.Commit[:min(12, len(g.Cause.Commit))]),
			orDash(g.Cause.Author), orDash(came)})
	}
	return f.table([]string{"FIRING", "AGE", "STATE", "EVENT", "BRANCH", "COMMIT", "AUTHOR", "CAME OF IT"}, rows)
}

func by(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}

func newTriggerEnable(f *Factory, enable bool) *cobra.Command {
	use, short := "enable TRIGGER", "Let a trigger fire again"
	if !enable {
		use, short = "disable TRIGGER", "Let a trigger fire no more, until it is enabled"
	}
	return triggerVerb(f, use, short, "What happens while a trigger is disabled is not made up for.", func(ctx context.Context, c *client.Client, t slipway.Trigger) error {
		t, err := c.EnableTrigger(ctx, t.ID, enable)
		if err != nil {
			return err
		}
		return f.told(t, "trigger %s/%s is %s", t.Application, t.Name, map[bool]string{true: "disabled", false: "enabled"}[t.Disabled])
	})
}

func newTriggerRemove(f *Factory) *cobra.Command {
	return triggerVerb(f, "remove TRIGGER", "Remove a trigger", "", func(ctx context.Context, c *client.Client, t slipway.Trigger) error {
		t, err := c.RemoveTrigger(ctx, t.ID)
		if err != nil {
			return err
		}
		return f.told(t, "trigger %s/%s is removed", t.Application, t.Name)
	})
}

func newTriggerRotate(f *Factory) *cobra.Command {
	overlap := 24 * time.Hour
	stdin := false
	c := triggerVerb(f, "rotate-secret TRIGGER", "Give a webhook another secret",
		`The new secret is printed this once. The old one is taken for --overlap more, so that the sender can be told meanwhile.
After a leak: --overlap 0s.`, func(ctx context.Context, c *client.Client, t slipway.Trigger) error {
			secret, err := f.givenSecret(stdin)
			if err != nil {
				return err
			}
			made, err := c.RotateTrigger(ctx, t.ID, secret, overlap)
			if err != nil {
				return err
			}
			return f.newTrigger(made)
		})
	c.Flags().DurationVar(&overlap, "overlap", overlap, "for how long the old secret is taken, too")
	c.Flags().BoolVar(&stdin, "secret-stdin", false, "read the secret from stdin, instead of having one made")
	return c
}

// told prints what was done to something, or the thing as JSON.
func (f *Factory) told(thing any, format string, args ...any) error {
	if f.json {
		return f.printJSON(thing)
	}
	_, err := fmt.Fprintf(f.Out, format+"\n", args...)
	return err
}
