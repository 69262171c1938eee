package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

type executionOptions struct {
	f           *Factory
	id          string
	stage       string
	application string
	watch       bool
	limit       int
	wait        waitFlags
}

func newExecution(f *Factory) *cobra.Command {
	c := &cobra.Command{Use: "execution", Short: "Look at an execution, its stages and their output; restart it"}
	c.AddCommand(newExecutionShow(f, nil), newExecutionLog(f, nil), newExecutionRestart(f, nil))
	return c
}

func newExecutions(f *Factory, runF func(context.Context, *executionOptions) error) *cobra.Command {
	o := &executionOptions{f: f}
	c := &cobra.Command{
		Use:     "executions [APPLICATION]",
		Short:   "Executions of pipelines, and ships, newest first",
		Long:    "List executions of pipelines, and ships to named environments, the newest first. NOTE is what one does now, or why it failed.",
		Example: "  slipway executions hello --limit 5",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.application = strings.Join(args, "")
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.list)
		},
	}
	limitFlag(c, &o.limit, 20)
	return c
}

func (o *executionOptions) list(ctx context.Context, c *client.Client) error {
	all, err := c.Executions(ctx, o.application, o.limit)
	if err != nil {
		return err
	}
	if len(all) == 0 && o.application != "" {
		if _, err := c.Application(ctx, o.application); err != nil {
			return err
		}
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	var rows [][]string
	for _, x := range all {
		what := "pipeline " + x.Pipeline
		if x.Pipeline == "" {
			what = "ship to " + strings.Join(x.Environments, ", ")
		}
		end := x.Finished
		if end.IsZero() {
			end = time.Now()
		}
		rows = append(rows, []string{x.ID, x.Application, what, string(x.State), orDash(x.Image.Short()), moment(x.Started, time.Now()), seconds(end.Sub(x.Started)), executionNote(x)})
	}
	return o.f.table([]string{"EXECUTION", "APPLICATION", "DOES", "STATE", "IMAGE", "STARTED", "TOOK", "NOTE"}, rows)
}

// executionNote says what an execution does now, or why it failed.
func executionNote(x slipway.Execution) string {
	if x.Error != nil {
		first, _, _ := strings.Cut(x.Error.Message, "\n")
		return first
	}
	if x.Behind != "" {
		return "waits for " + x.Behind
	}
	var at []string
	for _, s := range x.Stages {
		if s.State == slipway.StageRunning || s.State == slipway.StageWaiting {
			at = append(at, s.ID)
		}
	}
	return strings.Join(at, ", ")
}

func newExecutionShow(f *Factory, runF func(context.Context, *executionOptions) error) *cobra.Command {
	o := &executionOptions{f: f}
	c := &cobra.Command{
		Use:   "show EXECUTION",
		Short: "Show an execution and what became of its stages",
		Long: `Show an execution: why it began, with what, and what became of each of its stages, or what that waits for.

--watch keeps telling what happens until it is over, and then ends with the exit status of what came of it.`,
		Example: `  slipway execution show x-44bbgrolax
  slipway execution show x-44bbgrolax --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return o.show(c.Context())
		},
	}
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "keep telling what happens until it is over")
	return c
}

func (o *executionOptions) show(ctx context.Context) error {
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	asking, stop := o.f.interruptible(ctx)
	x, err := c.Execution(asking, o.id)
	stop()
	if err != nil {
		return err
	}
	if o.watch && !x.State.Done() && x.Pipeline != "" {
		return o.f.awaitPipeline(ctx, c, o.f.progress(false), x, nil, waitFlags{interrupt: "detach"}, 0)
	}
	if o.f.json {
		return o.f.printJSON(x)
	}
	what := "pipeline " + x.Pipeline + " of " + x.Application
	if x.Pipeline == "" {
		what = "ship of " + x.Application + " to " + strings.Join(x.Environments, ", ")
	}
	fmt.Fprintf(o.f.Out, "%s: %s, %s\n", x.ID, what, x.State)
	o.f.printCause(x)
	o.f.printStages(x)
	if x.Error != nil {
		fmt.Fprintf(o.f.Out, "why: %s\n", x.Error.Message)
	}
	if o.watch && x.State.Done() {
		return executionOutcome(ctx, o.f, c, x, nil)
	}
	return nil
}

func (f *Factory) printCause(x slipway.Execution) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(f.Out, "  %-11s %s\n", name, value)
		}
	}
	c := x.Cause
	line("by", strings.TrimSpace(c.By+prefixed(" via ", strings.TrimSpace(c.Trigger+" "+c.Name))))
	line("commit", strings.TrimSpace(c.Commit+prefixed(" on ", c.Branch)+prefixed(" by ", c.Author)))
	line("build", strings.TrimSpace(c.BuildKey+" "+c.Build))
	line("parent", c.Parent)
	line("image", x.Image.Short())
	for _, name := range slices.Sorted(maps.Keys(x.Parameters)) {
		line(name, fmt.Sprintf("%q", x.Parameters[name]))
	}
	if x.Attempt > 1 {
		line("attempt", fmt.Sprint(x.Attempt))
	}
	line("started", moment(x.Started, time.Now()))
	line("behind", x.Behind)
}

// printStages prints what became of the stages.
func (f *Factory) printStages(x slipway.Execution) {
	var rows [][]string
	for _, s := range x.Stages {
		took := "-"
		if !s.Started.IsZero() && s.State != slipway.StageSkipped {
			end := s.Finished
			if end.IsZero() {
				end = time.Now()
			}
			took = seconds(end.Sub(s.Started))
		}
		state := string(s.State)
		if s.Ignored {
			state += ", borne with"
		}
		if s.Attempt > 1 {
			state += fmt.Sprintf(", try %d", s.Attempt)
		}
		rows = append(rows, []string{"  " + s.ID, state, took, stageNote(s)})
	}
	if len(rows) > 0 {
		_ = f.table([]string{"  STAGE", "STATE", "TOOK", "NOTE"}, rows) // what cannot be printed is seen
	}
}

func stageNote(s slipway.StageRecord) string {
	if s.Error != nil {
		first, _, _ := strings.Cut(s.Error.Message, "\n")
		return first
	}
	if s.Reason != "" {
		return s.Reason
	}
	last := ""
	if n := len(s.Deployments); n > 0 {
		last = s.Deployments[n-1]
	}
	return cmp.Or(last, s.Bake, s.Child, s.Approval, s.Promotion, s.Output["message"], s.Output["detail"])
}

func newExecutionLog(f *Factory, runF func(context.Context, *executionOptions) error) *cobra.Command {
	o := &executionOptions{f: f}
	c := &cobra.Command{
		Use:     "log EXECUTION STAGE",
		Short:   "Print what the command of a stage printed",
		Long:    "Print what the command of a run stage printed in its last try; the end of it, if it is long.",
		Example: "  slipway execution log x-44bbgrolax qa",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			o.id, o.stage = args[0], args[1]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				text, err := c.StageLog(ctx, o.id, o.stage)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(map[string]string{"execution": o.id, "stage": o.stage, "log": text})
				}
				_, err = fmt.Fprint(f.Out, text)
				return err
			})
		},
	}
	return c
}

func newExecutionRestart(f *Factory, runF func(context.Context, *executionOptions) error) *cobra.Command {
	o := &executionOptions{f: f}
	c := &cobra.Command{
		Use:   "restart EXECUTION",
		Short: "Run an execution again from where it failed",
		Long: `Run an execution of a pipeline that is over again: all stages that did not succeed, and those that come after
them. With --from that stage is run again too, whatever came of it, and what comes after it. The pipeline is the
one that the execution began with, whatever slipway.yaml says by now.`,
		Example: `  slipway execution restart x-44bbgrolax
  slipway execution restart x-44bbgrolax --from deploy-staging`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			if runF != nil {
				return runF(c.Context(), o)
			}
			return o.restart(c.Context())
		},
	}
	c.Flags().StringVar(&o.stage, "from", "", "`stage` to begin with")
	o.wait.add(c)
	return c
}

func (o *executionOptions) restart(ctx context.Context) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	asking, stop := o.f.interruptible(ctx)
	defer stop()
	last, err := c.EventList(asking, slipway.EventFilter{Execution: o.id, Newest: true}, 1)
	if err != nil {
		return err
	}
	after := int64(0) // what happened before is known
	if len(last) > 0 {
		after = last[0].Seq
	}
	x, err := c.RestartExecution(asking, o.id, slipway.RestartRequest{From: o.stage, Cause: slipway.Cause{Trigger: "restart"}})
	if err != nil {
		return accepted(err, "slipway execution show "+o.id)
	}
	stop()
	return o.f.awaitPipeline(ctx, c, o.f.workProgress(false, o.wait), x, nil, o.wait, after)
}
