package slipway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// Cause is why an execution began: what CI and the triggers know of what changed. It decides nothing by itself, rides along, and is what
// expressions of a pipeline see.
type Cause struct {
	Trigger  string `json:"trigger"`             // "ship", "webhook", "schedule", "channel", "artifact", "pipeline", "restart", "api"
	Name     string `json:"name,omitempty"`      // of the trigger
	By       string `json:"by,omitempty"`        // the principal that asked
	BuildKey string `json:"build,omitempty"`     // CI's name of the build
	Build    string `json:"build_url,omitempty"` // where CI shows it
	Commit   string `json:"commit,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Author   string `json:"author,omitempty"`
	Event    string `json:"event,omitempty"`  // "push", "release", …: of a webhook
	Parent   string `json:"parent,omitempty"` // the execution that started this one
}

// PipelineRequest asks to run a pipeline: of the slipway.yaml that comes with Bake, else as the application's newest one has it.
type PipelineRequest struct {
	Application string            `json:"application"`
	Pipeline    string            `json:"pipeline,omitempty"` // default: the one that is called as DefaultPipeline says
	Image       string            `json:"image,omitempty"`    // channel, version or digest to start with; default: what its bake stage makes
	Parameters  map[string]string `json:"parameters,omitempty"`
	Cause       Cause             `json:"cause,omitzero"`
	// Bake is what the bake stage bakes, and whose slipway.yaml says what the pipeline is; default: what was asked for when the application's
	// newest image was baked.
	Bake *BakeRequest `json:"bake,omitempty"`
	// Key, if set, makes the request idempotent: a second one of the same key returns the execution that the first has started.
	Key string `json:"key,omitempty"`
}

// DefaultPipeline is the name of an application's only pipeline.
const DefaultPipeline = "default"

// Pipeline is what is done to bring an application from its sources to where it runs: stages, each of which begins when those that it needs
// are over.
type Pipeline struct {
	Description string               `json:"description,omitempty"`
	Parameters  map[string]Parameter `json:"parameters,omitempty"`
	Concurrency ConcurrencyPolicy    `json:"concurrency,omitempty"` // when another execution of it is under way; default queue
	OnFailure   *OnFailure           `json:"on_failure,omitempty"`  // of a stage that does not say; default stop
	Stages      []Stage              `json:"stages"`
}

// Parameter is a value that an execution is given. In YAML it is its default alone, or an object.
type Parameter struct {
	Default     *string  `json:"default,omitempty"` // without one it must be given
	Options     []string `json:"options,omitempty"` // what it may be; default: anything
	Description string   `json:"description,omitempty"`
}

// UnmarshalJSON accepts the default or an object.
func (p *Parameter) UnmarshalJSON(b []byte) error {
	var value string
	if json.Unmarshal(b, &value) == nil && string(b) != "null" {
		*p = Parameter{Default: &value}
		return nil
	}
	type plain Parameter
	return strict(b, (*plain)(p), "its default as text, or {default, options, description}")
}

// ConcurrencyPolicy says what becomes of an execution that finds another of its pipeline under way.
type ConcurrencyPolicy string

// The policies.
const (
	ConcurrencyQueue     ConcurrencyPolicy = "queue"     // it waits for its turn, first come, first served
	ConcurrencySupersede ConcurrencyPolicy = "supersede" // it aborts the others, those that wait too
	ConcurrencyRefuse    ConcurrencyPolicy = "refuse"
)

// ConcurrencyPolicies lists every policy.
var ConcurrencyPolicies = []ConcurrencyPolicy{ConcurrencyQueue, ConcurrencySupersede, ConcurrencyRefuse}

// FailureAction says what becomes of an execution when a stage has failed.
type FailureAction string

// The actions.
const (
	FailureStop     FailureAction = "stop"     // no other stage begins; those under way go on to their end; the execution has failed then
	FailureContinue FailureAction = "continue" // as if it had succeeded, for those that need it and for the execution
	FailureUndo     FailureAction = "rollback" // stages under way are aborted, and what the execution has deployed is rolled back, the last first
)

// FailureActions lists every action.
var FailureActions = []FailureAction{FailureStop, FailureContinue, FailureUndo}

// OnFailure is what is done when a stage has failed. In YAML it is an action, a list of stages, or an object.
type OnFailure struct {
	Do     FailureAction `json:"do,omitempty"`     // default stop
	Stages []Step        `json:"stages,omitempty"` // run after that, one after the other unless they say what they need
}

// UnmarshalJSON accepts an action, a list of stages or an object.
func (f *OnFailure) UnmarshalJSON(b []byte) error {
	const want = "stop, continue, rollback, a list of stages, or {do, stages}"
	var action FailureAction
	if json.Unmarshal(b, &action) == nil && string(b) != "null" {
		*f = OnFailure{Do: action}
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		*f = OnFailure{}
		return strict(b, &f.Stages, want)
	}
	type plain OnFailure
	return strict(b, (*plain)(f), want)
}

// PipelineRunner runs pipelines. Safe for concurrent use.
type PipelineRunner interface {
	// RunPipeline starts an execution and returns it as soon as it is durably accepted: running, or queued behind another one. Invalid if the
	// pipeline or what it is given makes no sense, NotFound if there is no such application, pipeline or image, Conflict if another execution
	// of it is under way and the pipeline says to refuse.
	RunPipeline(ctx context.Context, req PipelineRequest) (Execution, error)
}

// Pipelines is what there is to do with pipelines. Safe for concurrent use.
type Pipelines interface {
	PipelineRunner
	// PlanPipeline says what RunPipeline would do, and does nothing.
	PlanPipeline(ctx context.Context, req PipelineRequest) (PipelinePlan, error)
	// RestartExecution runs an execution of a pipeline that is over again from a stage, with the same definition, image and parameters. What
	// that stage and those that come after it do not need again stays as it is. Conflict if it is under way.
	RestartExecution(ctx context.Context, id string, req RestartRequest) (Execution, error)
}

// RestartRequest asks to run an execution again.
type RestartRequest struct {
	From  string `json:"from,omitempty"` // ID of a stage; default: every stage that did not succeed
	Cause Cause  `json:"cause,omitzero"`
}

// PipelinePlan says what an execution of a pipeline would do.
type PipelinePlan struct {
	Application string            `json:"application"`
	Pipeline    string            `json:"pipeline"`
	Description string            `json:"description,omitempty"`
	Concurrency ConcurrencyPolicy `json:"concurrency"`
	Behind      string            `json:"behind,omitempty"`     // the execution that is under way
	OnFailure   string            `json:"on_failure,omitempty"` // for people: of stages that do not say
	Parameters  map[string]string `json:"parameters,omitempty"`
	Stages      []StagePlan       `json:"stages"` // in an order in which they could run one after the other
}

// StagePlan is one stage of a plan.
type StagePlan struct {
	ID          string    `json:"id"`
	Kind        StageKind `json:"kind"`
	Does        string    `json:"does"` // for people: "deploy to prod by canary"
	Environment string    `json:"environment,omitempty"`
	Needs       []string  `json:"needs"`
	When        string    `json:"when,omitempty"`
	Runs        Answer    `json:"runs"`                 // "maybe": its when depends on what stages before it do
	OnFailure   string    `json:"on_failure,omitempty"` // for people
	Retries     int       `json:"retries,omitempty"`
	Timeout     Duration  `json:"timeout,omitempty"`
	After       string    `json:"after,omitempty"` // of a stage that runs only if another fails: that stage's ID, "any" for any
}

// Answer is yes, no, or not known yet.
type Answer string

// The answers.
const (
	Yes   Answer = "yes"
	No    Answer = "no"
	Maybe Answer = "maybe"
)

// PipelineNamed returns a pipeline of the application, and whether there is one. "" stands for [DefaultPipeline].
func (s Spec) PipelineNamed(name string) (Pipeline, bool) {
	if name == "" {
		name = DefaultPipeline
	}
	if name == DefaultPipeline && len(s.Pipeline) > 0 {
		return Pipeline{Stages: s.Pipeline}, true
	}
	p, ok := s.Pipelines[name]
	return p, ok
}

// PipelineNames returns the names of the application's pipelines, sorted.
func (s Spec) PipelineNames() []string {
	names := slices.Collect(maps.Keys(s.Pipelines))
	if _, both := s.Pipelines[DefaultPipeline]; len(s.Pipeline) > 0 && !both {
		names = append(names, DefaultPipeline)
	}
	slices.Sort(names)
	return names
}
