package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type triggerAddOptions struct {
	f      *Factory
	spec   slipway.TriggerSpec
	states []string
	stdin  bool
}

// triggerHelp is what is said of each kind.
var triggerHelp = []struct {
	kind                slipway.TriggerKind
	short, long, sample string
}{
	{slipway.TriggerGitHub, "A webhook of GitHub's", `By default a push to any branch or tag. --event release is a release that was published; --event workflow_run a workflow
that has succeeded. At GitHub, under Settings, Webhooks: the printed address, content type application/json, the printed
secret, and the events that the trigger waits for.`, `  slipway trigger add github --application hello --branch main
  slipway trigger add github --application hello --name release --event release --deploy prod --image latest
  slipway trigger add github --application hello --name built --event workflow_run --workflow CI --branch main`},
	{slipway.TriggerGitLab, "A webhook of GitLab's", `By default a push to any branch or tag; --event release and --event pipeline wait for these. At GitLab, under Settings,
Webhooks: the printed address, and the printed secret as signing token, or as secret token of a GitLab that cannot sign.`, `  slipway trigger add gitlab --application hello --branch main
  slipway trigger add gitlab --application hello --event pipeline --branch 'release/**'`},
	{slipway.TriggerWebhook, "A webhook of anybody's, signed as Standard Webhooks says", `The body is a JSON object, or nothing: "type" is the event; "branch", "tag", "commit", "author", "build", "build_url",
"paths", "image" and "parameters" are read where they are there, beside it or in "data".`, `  slipway trigger add webhook --application hello --event 'build.*'`},
	{slipway.TriggerArtifact, "A file that was pushed with slipway artifact push", `The application is baked as it was last, but for the one file whose place the artifact takes: --path, or the one that has
its name. A pipeline then has that bake; with --deploy the image is deployed when it is ready.`, `  slipway trigger add artifact --application hello --artifact 'hello*' --path dist/hello --deploy dev`},
	{slipway.TriggerChannel, "A channel names another image", `The image that the channel names is what the pipeline starts with, or what is deployed. With --from it is a channel of
another application's, such as a base image's: then the application is baked anew, or its newest image deployed.`, `  slipway trigger add channel --application hello --channel stable --deploy prod
  slipway trigger add channel --application hello --channel stable --from base --name rebase`},
	{slipway.TriggerCron, "A time of day", `--schedule has five fields as cron has them (minute hour day month weekday), or is @hourly, @daily, @weekly, @monthly or
@every 6h. Of times that come while no slipwayd runs it makes up for the last alone.`, `  slipway trigger add cron --application hello --name nightly --schedule "30 2 * * 1-5" --time-zone Europe/Berlin`},
	{slipway.TriggerPipeline, "Another execution is over", `By default one that has succeeded, of the application itself; --from names another. A trigger does not fire for what it
has led to itself.`, `  slipway trigger add pipeline --application hello --from base --name after-base
  slipway trigger add pipeline --application hello --after build --state failed --pipeline clean-up --name clean`},
}

func newTriggerAdd(f *Factory, runF func(context.Context, *triggerAddOptions) error) *cobra.Command {
	c := &cobra.Command{
		Use:   "add KIND",
		Short: "Make a trigger",
		Long: `Make a trigger. It starts the pipeline called "default" unless --pipeline names another, or --deploy an environment to deploy
to. A webhook's secret is printed this once.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot make a trigger of kind %q: want one of %v", args[0], slipway.TriggerKinds)}
			}
			return c.Help()
		},
	}
	for _, h := range triggerHelp {
		o := &triggerAddOptions{f: f, spec: slipway.TriggerSpec{Kind: h.kind}}
		kind := &cobra.Command{
			Use: string(h.kind) + " --application APPLICATION", Short: h.short, Long: h.long, Example: h.sample, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if runF != nil {
					return runF(c.Context(), o)
				}
				return f.look(c.Context(), o.run)
			},
		}
		o.flags(kind)
		c.AddCommand(kind)
	}
	return c
}

func (o *triggerAddOptions) flags(c *cobra.Command) {
	s := &o.spec
	c.Flags().StringVar(&s.Application, "application", "", "the application")
	c.Flags().StringVar(&s.Name, "name", string(s.Kind), "what the trigger is called")
	c.Flags().StringVar(&s.Pipeline, "pipeline", "", `the pipeline to start (default "default")`)
	c.Flags().StringVar(&s.Deploy, "deploy", "", "start no pipeline, but a deployment to this `environment`")
	c.Flags().StringToStringVar(&s.Parameters, "parameter", nil, "what the pipeline is given, `NAME=VALUE`; repeatable")
	if s.Kind != slipway.TriggerArtifact {
		c.Flags().StringVar(&s.Image, "image", "", "the image to start with: a channel, a version, a digest or latest")
	}
	if s.Kind.Hook() {
		c.Flags().StringSliceVar(&s.Events, "event", nil, "`glob` of events, such as push or release; repeatable")
		c.Flags().StringSliceVar(&s.Branches, "branch", nil, "`glob` of branches, such as main or 'release/**'; repeatable")
		c.Flags().StringSliceVar(&s.Tags, "tag", nil, "`glob` of tags, such as 'v*'; repeatable")
		c.Flags().StringSliceVar(&s.Paths, "changed", nil, "`glob` of files, one of which must have changed; repeatable")
		c.Flags().BoolVar(&o.stdin, "secret-stdin", false, "read the secret from stdin, instead of having one made")
	}
	switch s.Kind {
	case slipway.TriggerGitHub:
		c.Flags().StringSliceVar(&s.Workflows, "workflow", nil, "`glob` of the names of workflows; repeatable")
	case slipway.TriggerArtifact:
		c.Flags().StringSliceVar(&s.Artifacts, "artifact", nil, "`glob` of the names of artifacts; repeatable (default all)")
		c.Flags().StringVar(&s.Path, "path", "", "the `file` of the build context whose place the artifact takes (default the one that has its name)")
	case slipway.TriggerChannel:
		c.Flags().StringVar(&s.Channel, "channel", "", "the channel")
		c.Flags().StringVar(&s.From, "from", "", "the `application` whose channel it is (default the application itself)")
	case slipway.TriggerCron:
		c.Flags().StringVar(&s.Schedule, "schedule", "", "when, as cron has it")
		c.Flags().StringVar(&s.TimeZone, "time-zone", "", "whose clock, such as Europe/Berlin (default UTC)")
	case slipway.TriggerPipeline:
		c.Flags().StringVar(&s.From, "from", "", "the `application` whose execution it is (default the application itself)")
		c.Flags().StringSliceVar(&s.Pipelines, "after", nil, "`glob` of the pipelines that must be over; repeatable (default all)")
		c.Flags().StringSliceVar(&o.states, "state", nil, "in which it must have ended: succeeded, failed, aborted; repeatable (default succeeded)")
	}
}

func (o *triggerAddOptions) run(ctx context.Context, c *client.Client) error {
	for _, s := range o.states {
		o.spec.States = append(o.spec.States, slipway.ExecutionState(s))
	}
	if err := o.spec.Validate(); err != nil {
		return err
	}
	secret, err := o.f.givenSecret(o.stdin)
	if err != nil {
		return err
	}
	made, err := c.AddTrigger(ctx, o.spec, secret)
	if err != nil {
		return err
	}
	return o.f.newTrigger(made)
}

// givenSecret reads a secret from stdin if that is wanted: an argument would be seen by everyone on this host.
func (f *Factory) givenSecret(stdin bool) (string, error) {
	if !stdin {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(f.In, 1000)).ReadString('\n')
	if secret := strings.TrimRight(line, "\r\n"); secret != "" {
		return secret, nil
	}
	return "", slipway.Errorf(slipway.Invalid, "cannot read the secret from stdin: it is empty (%v)", err)
}

// newTrigger prints a trigger with its secret.
func (f *Factory) newTrigger(t slipway.NewTrigger) error {
	if f.json {
		return f.printJSON(t)
	}
	fmt.Fprintf(f.Out, "trigger %s/%s is made: %s starts %s\n", t.Application, t.Name, condition(t.TriggerSpec), t.Does())
	lines := [][2]string{{"id", t.ID}}
	if t.Secret != "" {
		server := cmp.Or(f.server, f.Env("SLIPWAY_SERVER"), client.DefaultServer)
		if strings.HasPrefix(server, "unix:") {
			server = "https://<where slipwayd is reached>"
		}
		lines = append(lines, [2]string{"address", strings.TrimSuffix(server, "/") + slipway.HookPath(t.ID)}, [2]string{"secret", t.Secret + "  (shown this once)"})
	}
	f.facts(lines)
	return nil
}
