package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

func newPipelineRun(f *Factory, runF func(context.Context, *pipelineOptions) error) *cobra.Command {
	o := &pipelineOptions{f: f}
	c := &cobra.Command{
		Use:   "run [PIPELINE]",
		Short: "Run a pipeline",
		Long: `Run a pipeline of the slipway.yaml here: what it bakes is read from here, too. With --application it is the
pipeline as the application was baked last, and what was baked then is baked again, or taken from the cache.

The execution follows the pipeline as it is now: editing slipway.yaml afterwards changes nothing about it.
--json prints the execution as it ended, and nothing before.`,
		Example: `  slipway pipeline run
  slipway pipeline run nightly --param suite=full
  slipway pipeline run release --application hello --image v7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = strings.Join(args, "")
			if runF != nil {
				return runF(c.Context(), o)
			}
			return pipelineRun(c.Context(), o)
		},
	}
	o.source(c)
	o.arguments(c)
	c.Flags().StringVar(&o.key, "key", "", "run it once: a second time with the same key shows what the first has started")
	o.ingredients.add(c)
	o.wait.add(c)
	return c
}

func pipelineRun(ctx context.Context, o *pipelineOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	view := o.f.workProgress(false, o.wait)
	x, m, err := startPipeline(ctx, o, c, view, "api")
	if err != nil {
		view.close()
		return err
	}
	return o.f.awaitPipeline(ctx, c, view, x, m, o.wait, 0)
}

// startPipeline starts an execution; the manifest is nil if the pipeline is not of the slipway.yaml here.
func startPipeline(ctx context.Context, o *pipelineOptions, c *client.Client, view progress, trigger string) (slipway.Execution, *manifest.Manifest, error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	if o.application != "" {
		req, err := o.request(o.application)
		if err != nil {
			return slipway.Execution{}, nil, err
		}
		req.Cause.Trigger, req.Cause.By = trigger, o.f.who()
		x, err := c.RunPipeline(ctx, req)
		return x, nil, accepted(err, "slipway executions "+o.application)
	}
	m, err := manifest.Load(o.file)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	definition, err := o.definition(m.Spec)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	req, err := o.rightRequest(m.Spec, definition)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	bake, m, err := o.prepare(ctx, o.f, c, view, o.file)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	req.Bake, req.Cause.Trigger, req.Cause.By = &bake, trigger, o.f.who()
	x, err := c.RunPipeline(ctx, req)
	if err != nil {
		return x, nil, accepted(m.Locate(err), "slipway executions "+m.Spec.Application)
	}
	return x, m, nil
}

// rightRequest is as request, once the arguments are found right: before anything is uploaded.
func (o *pipelineOptions) rightRequest(spec slipway.Spec, p slipway.Pipeline) (slipway.PipelineRequest, error) {
	req, err := o.request(spec.Application)
	if err == nil {
		_, err = p.Arguments(req.Parameters)
	}
	return req, err
}

// awaitPipeline waits for an execution of a pipeline, if it is to, and returns what came of it. It tells what came after an event.
func (f *Factory) awaitPipeline(ctx context.Context, c *client.Client, view progress, x slipway.Execution, m *manifest.Manifest, wait waitFlags, after int64) error {
	if wait.noWait {
		view.close()
		return f.printID(x.ID, x)
	}
	w := newWaiter(f, c, view, x.ID, wait)
	get := func(ctx context.Context) (slipway.Execution, error) { return c.Execution(ctx, x.ID) }
	attempt := x.Attempt
	done := func(now slipway.Execution) bool { return now.State.Done() && now.Attempt >= attempt }
	x, err := follow(ctx, w, slipway.EventFilter{Execution: x.ID, After: after}, slipway.ExecutionFinished, get, done)
	view.close()
	if err != nil {
		return err
	}
	if f.json {
		if err := f.printJSON(x); err != nil {
			return err
		}
	} else {
		f.printStages(x)
	}
	return executionOutcome(ctx, f, c, x, m)
}

// executionOutcome returns how an execution of a pipeline ended.
func executionOutcome(ctx context.Context, f *Factory, c *client.Client, x slipway.Execution, m *manifest.Manifest) error {
	locate := func(err error) error { return err }
	if m != nil {
		locate = m.Locate
	}
	switch {
	case x.State == slipway.ExecutionSucceeded:
		return nil
	case x.State == slipway.ExecutionAborted:
		message := "aborted: " + x.ID
		if x.Error != nil {
			message += ": " + x.Error.Message
		}
		return &outcome{exitAborted, message}
	case x.Error == nil:
		return &outcome{exitError, x.ID + " ended as " + string(x.State)}
	}
	exit := exitOf(x.Error)
	for _, s := range x.Stages {
		if s.State != slipway.StageFailed || s.Ignored || len(s.Deployments) == 0 {
			continue
		}
		ctx, stop := f.interruptible(ctx)
		d, err := c.Deployment(ctx, s.Deployments[len(s.Deployments)-1])
		stop()
		switch {
		case err != nil:
			return err
		case d.State == slipway.DeploymentNeedsAttention:
			exit = exitAttention
		case d.State == slipway.DeploymentRolledBack:
			exit = exitRolledBack
		}
		break
	}
	return &outcome{exit, locate(x.Error).Error()}
}
