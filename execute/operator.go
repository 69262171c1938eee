package execute

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/pipeline"
	"github.com/slipway-sh/slipway/ship"
)

// maxDepth is how many executions may be each other's parents.
const maxDepth = 8

// Operator implements [slipway.Pipelines] on Temporal.
type Operator struct{ Config }

var _ slipway.Pipelines = (*Operator)(nil)

// New returns an operator. It starts nothing.
func New(c Config) *Operator { return &Operator{c} }

// RunPipeline implements [slipway.PipelineRunner].
func (o *Operator) RunPipeline(ctx context.Context, req slipway.PipelineRequest) (slipway.Execution, error) {
	if err := req.Validate(); err != nil {
		return slipway.Execution{}, err
	}
	id := slipway.RequestedID(ctx, "x-")
	if req.Key != "" {
		id = ship.DerivedID("x-", "key "+req.Application+" "+req.Key)
	}
	if id == "" {
		id = o.newID()
	} else if x, err := o.Parts.Store.Execution(ctx, id); slipway.CodeOf(err) != slipway.NotFound {
		return x, err
	}
	w, err := o.prepare(ctx, &req)
	if err != nil {
		return slipway.Execution{}, err
	}
	for _, s := range w.definition.Graph().Stages {
		if s.Deploy != nil { // said now rather than after the bake
			if err := deploy.Nameable(ctx, o.Parts.Store, slipway.Cluster{Application: req.Application, Environment: s.Deploy.Environment}); err != nil {
				return slipway.Execution{}, err
			}
		}
	}
	bake, err := o.Operator.Accept(ctx, *req.Bake)
	if err != nil {
		return slipway.Execution{}, err
	}
	bake.Bake.Execution = id
	x := slipway.Execution{
		ID: id, Application: req.Application, Pipeline: w.name, Environments: []string{}, State: slipway.ExecutionRunning, Image: w.image.Digest,
		Deployments: []string{}, Started: time.Now().UTC(), Request: bake.Request, Definition: &w.definition, Parameters: w.values.Parameters,
		Cause: w.values.Cause, Principal: slipway.PrincipalOf(ctx).Lasting(), Attempt: 1,
	}
	for _, s := range w.definition.Graph().Stages {
		x.Stages = append(x.Stages, recordOf(s.Step, false))
	}
	return o.start(ctx, Input{Execution: x, Bake: bake, Version: w.image.Version})
}

// PlanPipeline implements [slipway.Pipelines].
func (o *Operator) PlanPipeline(ctx context.Context, req slipway.PipelineRequest) (slipway.PipelinePlan, error) {
	if err := req.Validate(); err != nil {
		return slipway.PipelinePlan{}, err
	}
	w, err := o.prepare(ctx, &req)
	if err != nil {
		return slipway.PipelinePlan{}, err
	}
	plan, err := pipeline.Plan(ctx, w.definition, w.values)
	if err != nil {
		return plan, err
	}
	line, err := o.Turns.Turns(ctx, req.Application, w.name)
	if err == nil && len(line) > 0 {
		plan.Behind = line[0].Execution
	}
	return plan, err
}

// RestartExecution implements [slipway.Pipelines].
func (o *Operator) RestartExecution(ctx context.Context, id string, req slipway.RestartRequest) (slipway.Execution, error) {
	x, err := o.Parts.Store.Execution(ctx, id)
	if err != nil {
		return x, err
	}
	asked := slipway.RequestedID(ctx, "restart-")
	if asked != "" && x.Asked == asked { // an earlier try of the same request has restarted it
		return x, nil
	}
	switch {
	case x.Pipeline == "" || x.Definition == nil:
		return x, slipway.Errorf(slipway.Conflict, "cannot restart %s: it runs no pipeline; ship again", id)
	case !x.State.Done():
		return x, slipway.Errorf(slipway.Conflict, "cannot restart %s: it is %s; abort it with `slipway abort %s`, or wait", id, x.State, id)
	}
	if err := o.reset(&x, req.From); err != nil {
		return x, err
	}
	request, err := slipway.ReadBakeRequest(ctx, o.Parts.Blobs, x.Request)
	if err != nil {
		return x, err
	}
	bake, err := o.Operator.Accept(ctx, *request)
	if err != nil {
		return x, err
	}
	in := Input{Bake: bake}
	if x.Image != "" {
		image, err := o.Parts.Store.Image(ctx, x.Image)
		if err != nil {
			return x, err
		}
		in.Version = image.Version
	}
	x.Attempt++
	x.Asked = asked
	x.Principal = slipway.PrincipalOf(ctx).Lasting()
	x.State, x.Error, x.Finished, x.Behind = slipway.ExecutionRunning, nil, time.Time{}, ""
	in.Execution = x
	return o.start(ctx, in)
}

// reset has the stages begin again that are to: the one that is named, or all that did not succeed, and those that come after them.
func (o *Operator) reset(x *slipway.Execution, from string) error {
	g := x.Definition.Graph()
	again := map[string]bool{}
	if from != "" {
		if s := x.Stage(from); s == nil || s.Recovery {
			return slipway.Errorf(slipway.NotFound, "cannot restart %s from %q: it has no such stage", x.ID, from)
		}
		again[from] = true
	}
	for _, s := range g.Stages {
		rec := x.Stage(s.ID)
		skippedByItself := rec.State == slipway.StageSkipped && !rec.Started.IsZero() // by its condition, which is looked at again only after a stage that is
		if rec.State != slipway.StageSucceeded && !skippedByItself && !rec.Ignored {
			again[s.ID] = true
		}
	}
	if len(again) == 0 {
		return slipway.Errorf(slipway.Conflict, "cannot restart %s: all of its stages are done; name the stage to begin with", x.ID)
	}
	var kept []slipway.StageRecord
	for _, s := range g.Stages {
		before := g.Before(s.ID)
		redo := again[s.ID]
		for id := range again {
			redo = redo || before[id]
		}
		if !redo {
			kept = append(kept, *x.Stage(s.ID))
			continue
		}
		if s.Bake != nil && x.Stage(s.ID).State != slipway.StageSkipped {
			x.Image = ""
		}
		kept = append(kept, recordOf(s.Step, false))
	}
	x.Stages = kept // without those that ran for the failure
	return nil
}

// work is what is asked for, and found out about it.
type work struct {
	name       string
	definition slipway.Pipeline
	image      slipway.Image // to begin with; zero: what is baked
	values     pipeline.Values
}

// prepare finds out what a request means, and fills in what it bakes.
func (o *Operator) prepare(ctx context.Context, req *slipway.PipelineRequest) (work, error) {
	w := work{name: cmp.Or(req.Pipeline, slipway.DefaultPipeline)}
	if req.Bake == nil {
		if err := o.newest(ctx, req); err != nil {
			return w, err
		}
	}
	spec := req.Bake.Spec
	if err := pipeline.Check(spec); err != nil {
		return w, err
	}
	var ok bool
	if w.definition, ok = spec.PipelineNamed(w.name); !ok {
		if len(spec.PipelineNames()) == 0 {
			return w, slipway.Errorf(slipway.NotFound, "cannot run the pipeline %s of %s: its slipway.yaml defines no pipelines", w.name, req.Application)
		}
		return w, slipway.Errorf(slipway.NotFound, "cannot run the pipeline %s of %s: its slipway.yaml defines %s", w.name, req.Application, strings.Join(spec.PipelineNames(), ", "))
	}
	arguments, err := w.definition.Arguments(req.Parameters)
	if err != nil {
		return w, err
	}
	if req.Image != "" {
		if w.image, err = o.Parts.Store.FindImage(ctx, req.Application, req.Image); err != nil {
			return w, err
		}
		if err := w.image.NotRevoked("run a pipeline"); err != nil {
			return w, err
		}
	}
	cause := req.Cause
	switch by := slipway.PrincipalOf(ctx); by.Kind {
	case slipway.PrincipalSystem, slipway.PrincipalLocal: // whoever has the host is believed whom it speaks for
		cause.By = cmp.Or(cause.By, by.Name)
	default:
		cause.By = by.Name
	}
	cause.Trigger = cmp.Or(cause.Trigger, "api")
	if s := req.Bake.Source; s != nil {
		cause.Commit, cause.Branch, cause.Author = cmp.Or(cause.Commit, s.Commit), cmp.Or(cause.Branch, s.Branch), cmp.Or(cause.Author, s.Author)
		cause.Build = cmp.Or(cause.Build, s.Build)
	}
	cause.BuildKey = cmp.Or(cause.BuildKey, req.Bake.Version)
	if err := o.descent(ctx, req.Application, w.name, cause.Parent); err != nil {
		return w, err
	}
	w.values = pipeline.Values{
		Application: req.Application, Pipeline: w.name, Attempt: 1, Parameters: arguments, Cause: cause, Image: w.image,
	}
	return w, nil
}

// newest fills in what was asked for when the application's newest image was baked.
func (o *Operator) newest(ctx context.Context, req *slipway.PipelineRequest) error {
	image, err := o.Parts.Store.FindImage(ctx, req.Application, "latest")
	if err != nil {
		return err
	}
	if image.Request == "" {
		return slipway.Errorf(slipway.Refused, "cannot run a pipeline of %s: its newest image was not baked here, so that its slipway.yaml is not known; ship it", req.Application)
	}
	req.Bake, err = slipway.ReadBakeRequest(ctx, o.Parts.Blobs, image.Request)
	return err
}

// descent returns an error if an execution whose ancestors are known would wait for itself, or has too many of them.
func (o *Operator) descent(ctx context.Context, application, name, parent string) error {
	for depth := 1; parent != ""; depth++ {
		x, err := o.Parts.Store.Execution(ctx, parent)
		if err != nil {
			return err
		}
		if x.Application == application && x.Pipeline == name {
			return slipway.Errorf(slipway.Refused, "cannot run pipeline %s of %s below %s, which runs it already: each would wait for the other", name, application, x.ID)
		}
		if depth == maxDepth {
			return slipway.Errorf(slipway.Refused, "cannot run pipeline %s of %s: it is the %dth of a row of pipelines that run each other", name, application, maxDepth+1)
		}
		parent = x.Cause.Parent
	}
	return nil
}

// start takes a place in the pipeline's line, starts the workflow of an execution and returns its record.
func (o *Operator) start(ctx context.Context, in Input) (slipway.Execution, error) {
	x := in.Execution
	if err := o.Turns.JoinTurn(ctx, x.Application, x.Pipeline, x.ID, time.Now()); err != nil {
		return x, err
	}
	if x.Definition.Concurrency == slipway.ConcurrencyRefuse {
		place, err := o.place(ctx, x.ID, x.Application, x.Pipeline, false)
		if err == nil && !place.Turn {
			err = slipway.Errorf(slipway.Conflict, "cannot run pipeline %s of %s: %s is under way; abort it with `slipway abort %s` or wait", x.Pipeline, x.Application, place.Behind, place.Behind)
		}
		if err != nil {
			return x, errors.Join(err, o.Turns.LeaveTurn(ctx, x.ID))
		}
	}
	_, err := o.Parts.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: x.ID, TaskQueue: durable.TaskQueue, WorkflowTaskTimeout: durable.TaskTimeout, Memo: map[string]any{deploy.MemoID: x.ID},
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, WorkflowName, in)
	var taken *serviceerror.WorkflowExecutionAlreadyStarted
	if err != nil && !errors.As(err, &taken) {
		return x, fmt.Errorf("start workflow %s: %w", x.ID, err) // it leaves the line when somebody sees that it does not run
	}
	return o.recorded(ctx, x)
}

// How long and how often a record is looked for that a workflow just started is about to store.
const (
	recordWithin = 10 * time.Second
	recordEvery  = 2 * time.Millisecond
)

// recorded returns the record of an execution once the workflow has stored it.
func (o *Operator) recorded(ctx context.Context, x slipway.Execution) (slipway.Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	for {
		stored, err := o.Parts.Store.Execution(ctx, x.ID)
		if err == nil && stored.Attempt >= x.Attempt || err != nil && slipway.CodeOf(err) != slipway.NotFound {
			return stored, err
		}
		if pause(ctx, recordEvery) != nil {
			return x, slipway.Errorf(slipway.Unavailable, "cannot tell whether the work began: its record is not there yet")
		}
	}
}

// newID returns a new ID of an execution.
func (o *Operator) newID() string { return ship.DerivedID("x-", rand.Text()) }
