package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
	"github.com/slipway-sh/slipway/pipeline"
)

// pipelineOptions say which pipeline of which application a command is about: by the slipway.yaml here, or as slipwayd knows it.
type pipelineOptions struct {
	f           *Factory
	name        string
	application string // "" for the slipway.yaml here
	file        string
	image       string
	parameters  []string
	key         string
	wait        waitFlags
	ingredients
}

func newPipeline(f *Factory) *cobra.Command {
	c := &cobra.Command{
		Use:   "pipeline",
		Short: "Run, plan and look at pipelines",
		Long: `A pipeline is what slipway.yaml says is done to bring an application from its sources to where it runs:
stages, each of which begins when those that it needs are over.`,
	}
	c.AddCommand(newPipelineRun(f, nil), newPipelinePlan(f, nil), newPipelineShow(f, nil), newPipelineList(f, nil))
	return c
}

// source adds the flags that say where the pipeline is defined.
func (o *pipelineOptions) source(c *cobra.Command) {
	fileFlag(c, &o.file)
	c.Flags().StringVarP(&o.application, "application", "a", "", "the pipeline of this application as it was baked last, instead of the slipway.yaml here")
}

// arguments adds the flags that say what it is given.
func (o *pipelineOptions) arguments(c *cobra.Command) {
	c.Flags().StringVar(&o.image, "image", "", "begin with this image, a channel, version or digest, instead of baking one")
	c.Flags().StringArrayVarP(&o.parameters, "param", "p", nil, "value of a parameter, NAME=VALUE; may be repeated")
}

// request returns what to ask for, without what is baked.
func (o *pipelineOptions) request(application string) (slipway.PipelineRequest, error) {
	req := slipway.PipelineRequest{Application: application, Pipeline: o.name, Image: o.image, Key: o.key}
	for _, p := range o.parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return req, usageError{fmt.Errorf("cannot use --param %s: want NAME=VALUE", p)}
		}
		if req.Parameters == nil {
			req.Parameters = map[string]string{}
		}
		req.Parameters[name] = value
	}
	return req, nil
}

// spec returns the slipway.yaml that defines the pipeline.
func (o *pipelineOptions) spec(ctx context.Context) (slipway.Spec, error) {
	if o.application == "" {
		m, err := manifest.Load(o.file)
		if err != nil {
			return slipway.Spec{}, err
		}
		return m.Spec, nil
	}
	var spec slipway.Spec
	err := o.f.look(ctx, func(ctx context.Context, c *client.Client) (err error) {
		spec, err = c.Application(ctx, o.application)
		return err
	})
	return spec, err
}

// definition returns the pipeline of the spec.
func (o *pipelineOptions) definition(spec slipway.Spec) (slipway.Pipeline, error) {
	p, ok := spec.PipelineNamed(o.name)
	switch {
	case ok:
		return p, nil
	case len(spec.PipelineNames()) == 0:
		return p, slipway.Errorf(slipway.NotFound, "cannot find a pipeline: the slipway.yaml of %s defines none", spec.Application)
	}
	return p, slipway.Errorf(slipway.NotFound, "cannot find the pipeline %s: the slipway.yaml of %s defines %s", cmp.Or(o.name, slipway.DefaultPipeline), spec.Application,
		strings.Join(spec.PipelineNames(), ", "))
}

func newPipelinePlan(f *Factory, runF func(context.Context, *pipelineOptions) error) *cobra.Command {
	o := &pipelineOptions{f: f}
	c := &cobra.Command{
		Use:   "plan [PIPELINE]",
		Short: "Draw what a pipeline would do",
		Long: `Draw what a pipeline would do: which stages there are, what each needs, and whether it would run, as far as
that is known before. Stages below the same number may run side by side; what a stage comes after is said where it is
not just what stands above. Nothing is done; slipwayd is not needed for the slipway.yaml here.`,
		Example: `  slipway pipeline plan
  slipway pipeline plan nightly --param suite=full
  slipway pipeline plan --application hello --image v7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = strings.Join(args, "")
			if runF != nil {
				return runF(c.Context(), o)
			}
			return pipelinePlanRun(c.Context(), o)
		},
	}
	o.source(c)
	o.arguments(c)
	return c
}

func pipelinePlanRun(ctx context.Context, o *pipelineOptions) error {
	plan, err := o.plan(ctx)
	if err != nil {
		return err
	}
	if o.f.json {
		return o.f.printJSON(plan)
	}
	return o.f.drawPlan(plan)
}

func (o *pipelineOptions) plan(ctx context.Context) (plan slipway.PipelinePlan, err error) {
	if o.application != "" {
		req, err := o.request(o.application)
		if err != nil {
			return plan, err
		}
		err = o.f.look(ctx, func(ctx context.Context, c *client.Client) (err error) {
			plan, err = c.PlanPipeline(ctx, req)
			return err
		})
		return plan, err
	}
	spec, err := o.spec(ctx)
	if err != nil {
		return plan, err
	}
	definition, err := o.definition(spec)
	if err != nil {
		return plan, err
	}
	req, err := o.request(spec.Application)
	if err != nil {
		return plan, err
	}
	arguments, err := definition.Arguments(req.Parameters)
	if err != nil {
		return plan, err
	}
	v := pipeline.Values{
		Application: spec.Application, Pipeline: cmp.Or(o.name, slipway.DefaultPipeline), Attempt: 1, Parameters: arguments,
		Cause: slipway.Cause{Trigger: "ship"}, Image: slipway.Image{Digest: slipway.Digest(o.image), Version: o.image, Application: spec.Application},
	}
	if s := sourceOf(ctx, o.f.Env, "."); s != nil {
		v.Cause.Commit, v.Cause.Branch, v.Cause.Author = s.Commit, s.Branch, s.Author
	}
	return pipeline.Plan(ctx, definition, v)
}

func newPipelineShow(f *Factory, runF func(context.Context, *pipelineOptions) error) *cobra.Command {
	o := &pipelineOptions{f: f}
	c := &cobra.Command{
		Use:     "show [PIPELINE]",
		Short:   "Show how a pipeline is defined",
		Long:    "Print a pipeline as it is defined, as JSON, with the ids and the needs that are left out filled in.",
		Example: "  slipway pipeline show --application hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name = strings.Join(args, "")
			if runF != nil {
				return runF(c.Context(), o)
			}
			spec, err := o.spec(c.Context())
			if err != nil {
				return err
			}
			p, err := o.definition(spec)
			if err != nil {
				return err
			}
			p.Stages = p.Graph().Stages
			b, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(f.Out, "%s\n", b)
			return err
		},
	}
	o.source(c)
	return c
}

func newPipelineList(f *Factory, runF func(context.Context, *pipelineOptions) error) *cobra.Command {
	o := &pipelineOptions{f: f}
	c := &cobra.Command{
		Use:     "list [APPLICATION]",
		Short:   "List pipelines, and how each ended last",
		Long:    "List the pipelines of an application, or of all, as they were baked last, with the last execution of each.",
		Example: "  slipway pipeline list hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.application = strings.Join(args, "")
			if runF != nil {
				return runF(c.Context(), o)
			}
			return f.look(c.Context(), o.list)
		},
	}
	return c
}

// listed is a pipeline in a list.
type listed struct {
	Application string             `json:"application"`
	Pipeline    string             `json:"pipeline"`
	Description string             `json:"description,omitempty"`
	Stages      []string           `json:"stages"`
	Last        *slipway.Execution `json:"last,omitempty"`
}

func (o *pipelineOptions) list(ctx context.Context, c *client.Client) error {
	var specs []slipway.Spec
	var err error
	if o.application == "" {
		specs, err = c.Applications(ctx)
	} else {
		var one slipway.Spec
		one, err = c.Application(ctx, o.application)
		specs = []slipway.Spec{one}
	}
	if err != nil {
		return err
	}
	all, rows := []listed{}, [][]string{}
	for _, spec := range specs {
		names := spec.PipelineNames()
		if len(names) == 0 {
			continue
		}
		executions, err := c.Executions(ctx, spec.Application, 200)
		if err != nil {
			return err
		}
		for _, name := range names {
			p, _ := spec.PipelineNamed(name)
			l := listed{Application: spec.Application, Pipeline: name, Description: p.Description}
			for _, s := range p.Graph().Stages {
				l.Stages = append(l.Stages, s.ID)
			}
			last := "never"
			if i := slices.IndexFunc(executions, func(x slipway.Execution) bool { return x.Pipeline == name }); i >= 0 {
				l.Last = &executions[i]
				last = string(l.Last.State) + " " + l.Last.ID
			}
			all = append(all, l)
			rows = append(rows, []string{l.Application, l.Pipeline, fmt.Sprint(len(l.Stages)), last, l.Description})
		}
	}
	if o.f.json {
		return o.f.printJSON(all)
	}
	return o.f.table([]string{"APPLICATION", "PIPELINE", "STAGES", "LAST", "DESCRIPTION"}, rows)
}
