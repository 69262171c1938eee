package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

type shipOptions struct {
	f            *Factory
	file         string
	environments []string
	ingredients
	deployFlags
	wait waitFlags
}

func newShip(f *Factory, runF func(context.Context, *shipOptions) error) *cobra.Command {
	o := &shipOptions{f: f}
	c := &cobra.Command{
		Use:   "ship [ENVIRONMENT...]",
		Short: "Bake, test and deploy: what CI calls",
		Long: `Bake and test an image, then deploy it to the environments, one after the other, and stop at
the first that fails.

Without an environment, run the default pipeline of slipway.yaml, as "slipway pipeline run" does. If there is
none, the environment is the only one that slipway.yaml defines.

--json prints the execution as it ended, and nothing before.`,
		Example: `  slipway ship
  slipway ship staging prod --version "$CI_COMMIT_TAG"
  slipway ship prod --on-conflict supersede`,
		RunE: func(c *cobra.Command, args []string) error {
			o.environments = append(args, o.environments...)
			if runF != nil {
				return runF(c.Context(), o)
			}
			return shipRun(c.Context(), o)
		},
	}
	fileFlag(c, &o.file)
	o.ingredients.add(c)
	c.Flags().StringSliceVar(&o.environments, "env", nil, "environments, as another way to write them")
	o.deployFlags.add(c)
	o.wait.add(c)
	return c
}

func shipRun(ctx context.Context, o *shipOptions) error {
	if err := o.wait.check(); err != nil {
		return err
	}
	c, err := o.f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	view := o.f.workProgress(false, o.wait)
	if p, err := o.pipeline(); err != nil || p != nil {
		if err == nil {
			var x slipway.Execution
			var m *manifest.Manifest
			if x, m, err = startPipeline(ctx, p, c, view, "ship"); err == nil {
				return o.f.awaitPipeline(ctx, c, view, x, m, o.wait, 0)
			}
		}
		view.close()
		return err
	}
	x, m, err := startShip(ctx, o, c, view)
	if err != nil {
		view.close()
		return err
	}
	if o.wait.noWait {
		view.close()
		return o.f.printID(x.ID, x)
	}
	w := newWaiter(o.f, c, view, x.ID, o.wait)
	x, err = w.execution(ctx, x.ID)
	view.close()
	if err != nil {
		return err
	}
	if o.f.json {
		if err := o.f.printJSON(x); err != nil {
			return err
		}
	}
	return shipOutcome(ctx, o.f, c, x, m)
}

// pipeline returns how to run the default pipeline, nil if there is none or environments are named.
func (o *shipOptions) pipeline() (*pipelineOptions, error) {
	if len(o.environments) > 0 {
		return nil, nil
	}
	m, err := manifest.Load(o.file)
	if err != nil {
		return nil, err
	}
	if _, ok := m.Spec.PipelineNamed(""); !ok {
		return nil, nil
	}
	options, err := o.options(o.f)
	if err != nil {
		return nil, err
	}
	options.By = ""
	if options != (slipway.DeployOptions{}) {
		return nil, usageError{errors.New("cannot say how to deploy when a pipeline decides that: name the environment to ship to, or write it in the pipeline's deploy stage")}
	}
	return &pipelineOptions{f: o.f, file: o.file, ingredients: o.ingredients, wait: o.wait}, nil
}

func startShip(ctx context.Context, o *shipOptions, c *client.Client, view progress) (slipway.Execution, *manifest.Manifest, error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	m, err := manifest.Load(o.file)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	environments, err := chooseEnvironments(m.Spec, o.environments)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	options, err := o.options(o.f)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	req, m, err := o.prepare(ctx, o.f, c, view, o.file)
	if err != nil {
		return slipway.Execution{}, nil, err
	}
	x, err := c.Ship(ctx, slipway.ShipRequest{BakeRequest: req, Environments: environments, Deploy: options})
	if err != nil {
		return x, m, accepted(m.Locate(err), "slipway events --application "+m.Spec.Application)
	}
	return x, m, nil
}

// chooseEnvironments returns those that were asked for, or the only one there is.
func chooseEnvironments(spec slipway.Spec, asked []string) ([]string, error) {
	known := slices.Sorted(maps.Keys(spec.Environments))
	switch {
	case len(known) == 0:
		return nil, slipway.Errorf(slipway.Invalid, "cannot ship %s: its slipway.yaml defines no environments", spec.Application)
	case len(asked) == 0 && len(known) == 1:
		return known, nil
	case len(asked) == 0:
		return nil, usageError{fmt.Errorf("cannot choose among the environments: name one or more of %s", environmentsOf(spec))}
	}
	for i, name := range asked {
		if !slices.Contains(known, name) {
			return nil, slipway.Errorf(slipway.NotFound, "cannot ship to %q: slipway.yaml defines %s", name, environmentsOf(spec))
		}
		if slices.Contains(asked[:i], name) {
			return nil, usageError{fmt.Errorf("cannot ship to %q twice", name)}
		}
	}
	return asked, nil
}

// shipOutcome prints what an execution did, unless that was printed as JSON, and returns how it ended.
func shipOutcome(ctx context.Context, f *Factory, c *client.Client, x slipway.Execution, m *manifest.Manifest) error {
	ctx, stop := f.interruptible(ctx)
	defer stop()
	if x.Bake != "" {
		b, err := c.GetBake(ctx, x.Bake)
		if err != nil {
			return err
		}
		if err := bakeOutcome(b, m); err != nil {
			return err
		}
		if !f.json {
			fmt.Fprintln(f.Out, baked(b))
		}
	}
	for _, id := range x.Deployments {
		d, err := c.Deployment(ctx, id)
		if err != nil {
			return err
		}
		if err := f.deploymentEnd(ctx, c, d); err != nil {
			return err
		}
	}
	switch {
	case x.State == slipway.ExecutionSucceeded:
		return nil
	case x.State == slipway.ExecutionAborted:
		return &outcome{exitAborted, "aborted: " + x.ID}
	case x.Error != nil:
		return m.Locate(x.Error)
	}
	return fmt.Errorf("%s ended as %s", x.ID, x.State)
}
