package slipway

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What bounds pipelines.
const (
	maxStages    = 100 // of a pipeline, those for failures too
	maxPipelines = 50
	maxRetries   = 20
	maxNeeded    = 100
	// MaxExpression is the length of the longest expression, bytes.
	MaxExpression = 2000
)

var (
	stageForm     = regexp.MustCompile(`^[a-z]([a-z0-9_-]{0,62}[a-z0-9])?$`)
	parameterForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	clockForm     = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

// Validate returns nil, or every mistake in r as Invalid errors joined into one. Whether what it names exists is not its business.
func (r PipelineRequest) Validate() error {
	var p problems
	p.check("application", ValidateName("application", r.Application))
	if r.Pipeline != "" {
		p.check("pipeline", ValidateName("pipeline", r.Pipeline))
	}
	p.values("parameters", r.Parameters)
	if r.Bake != nil {
		if r.Bake.Spec.Application != r.Application {
			p.add("bake.spec.application", "cannot run a pipeline of %s by the slipway.yaml of %s", r.Application, r.Bake.Spec.Application)
		}
		var own problems
		own.bakeRequest(*r.Bake)
		for _, err := range own {
			p = append(p, err) // where the slipway.yaml has it, as a bake says it
		}
	}
	if len(r.Key) > maxReason {
		p.add("key", "cannot use a key of %d bytes: want at most %d", len(r.Key), maxReason)
	}
	return p.err()
}

// Arguments returns the parameters of an execution: those that are given, and the defaults of the others. The error joins an Invalid one for
// each that is unknown, missing or none of its options.
func (d Pipeline) Arguments(given map[string]string) (map[string]string, error) {
	var p problems
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := d.Parameters[name]; !ok {
			p.add(key("parameters", name), "cannot give %q: the pipeline has %s", name, orNone(slices.Sorted(maps.Keys(d.Parameters)), "no parameters"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		spec := d.Parameters[name]
		value, ok := given[name]
		switch {
		case ok && len(spec.Options) > 0 && !slices.Contains(spec.Options, value):
			p.add(key("parameters", name), "cannot use %q: want one of %s", value, strings.Join(spec.Options, ", "))
		case ok:
			values[name] = value
		case spec.Default == nil:
			p.add(key("parameters", name), "cannot do without it: it has no default")
		default:
			values[name] = *spec.Default
		}
	}
	return values, p.err()
}

func orNone(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

func (p *problems) values(place string, values map[string]string) {
	if len(values) > maxParameters {
		p.add(place, "cannot take %d parameters: want at most %d", len(values), maxParameters)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if n := len(values[name]); n > maxParameter {
			p.add(key(place, name), "cannot take a value of %d bytes: want at most %d", n, maxParameter)
		}
	}
}

func (p *problems) pipelines(s Spec) {
	if _, both := s.Pipelines[DefaultPipeline]; both && s.Pipeline != nil {
		p.add("pipeline", "cannot have the default pipeline twice: write pipeline, or pipelines.%s", DefaultPipeline)
	}
	if s.Pipeline != nil {
		p.pipeline("", DefaultPipeline, Pipeline{Stages: s.Pipeline}, s)
	}
	if len(s.Pipelines) > maxPipelines {
		p.add("pipelines", "cannot have %d pipelines: want at most %d", len(s.Pipelines), maxPipelines)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Pipelines)) {
		place := key("pipelines", name)
		p.check(place, ValidateName("pipeline", name))
		p.pipeline(place, name, s.Pipelines[name], s)
	}
}

// pipeline looks at a pipeline; place is "" for the short form, whose stages stand in Spec.Pipeline.
func (p *problems) pipeline(place, name string, d Pipeline, s Spec) {
	at := func(place string) func(string) string {
		return func(inner string) string {
			if place == "" {
				return "pipeline" + strings.TrimPrefix(inner, "stages")
			}
			return key(place, inner)
		}
	}(place)
	if len(d.Stages) == 0 {
		p.add(at("stages"), "cannot run a pipeline without stages: write at least one, such as bake")
		return
	}
	known(p, at("concurrency"), "a policy for another execution under way", d.Concurrency, ConcurrencyPolicies)
	p.declared(at("parameters"), d.Parameters)
	total := 0
	d.EachStep(func(string, Step) { total++ })
	if total > maxStages {
		p.add(at("stages"), "cannot run %d stages: want at most %d", total, maxStages)
		return
	}
	before := len(*p)
	ids := map[string]string{}
	d.EachStep(func(inner string, step Step) {
		where := at(inner)
		p.stage(where, name, step, s)
		switch {
		case step.ID == "":
		case !stageForm.MatchString(step.ID):
			p.add(key(where, "id"), "cannot use %q as the id of a stage: want up to 64 lower-case letters, digits, dashes and underscores, a letter first", step.ID)
		case ids[step.ID] != "":
			p.add(key(where, "id"), "cannot have two stages %q: the other is %s", step.ID, ids[step.ID])
		}
		ids[step.ID] = where
	})
	for i, stage := range d.Stages {
		p.onFailure(at(key(index("stages", i), "on_failure")), stage.OnFailure)
	}
	p.onFailure(at("on_failure"), d.OnFailure)
	if len(*p) > before {
		return // what follows makes sense of stages that are right
	}
	p.needs(at, d)
}

func (p *problems) declared(place string, all map[string]Parameter) {
	if len(all) > maxParameters {
		p.add(place, "cannot have %d parameters: want at most %d", len(all), maxParameters)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		place, spec := key(place, name), all[name]
		if !parameterForm.MatchString(name) {
			p.add(place, "cannot use %q as a parameter: want up to 63 lower-case letters, digits and underscores, a letter first", name)
		}
		if spec.Default != nil && len(*spec.Default) > maxParameter {
			p.add(key(place, "default"), "cannot take a value of %d bytes: want at most %d", len(*spec.Default), maxParameter)
		}
		if spec.Options != nil && len(spec.Options) == 0 {
			p.add(key(place, "options"), "cannot choose among no options: write at least one, or leave options out")
		} else if spec.Default != nil && len(spec.Options) > 0 && !slices.Contains(spec.Options, *spec.Default) {
			p.add(key(place, "default"), "cannot use %q: want one of the options %s", *spec.Default, strings.Join(spec.Options, ", "))
		}
	}
}

func (p *problems) onFailure(place string, f *OnFailure) {
	if f == nil {
		return
	}
	known(p, key(place, "do"), "what to do on failure", f.Do, FailureActions)
	if f.Do == FailureContinue && len(f.Stages) > 0 {
		p.add(place, "cannot continue and run stages for the failure: let a stage that comes after it ask for its state in when")
	}
}

// needs looks whether what stages need is there, and whether one would wait for itself.
func (p *problems) needs(at func(string) string, d Pipeline) {
	g := d.Graph()
	look := func(place string, steps []Step, what string) {
		ids := map[string]int{}
		for i, s := range steps {
			ids[s.ID] = i
		}
		wrong := false
		for i, s := range steps {
			for j, need := range s.Needs {
				where := index(key(index(place, i), "needs"), j)
				switch _, ok := ids[need]; {
				case need == s.ID:
					p.add(where, "cannot need itself")
				case !ok:
					p.add(where, "cannot need %q: %s are %s", need, what, strings.Join(slices.Sorted(maps.Keys(ids)), ", "))
				case slices.Contains(s.Needs[:j], need):
					p.add(where, "cannot need %q twice", need)
				default:
					continue
				}
				wrong = true
			}
		}
		if wrong {
			return
		}
		if circle := circleOf(steps); circle != nil {
			p.add(key(index(place, ids[circle[0]]), "needs"), "cannot begin any of %s: each waits for the next", strings.Join(append(circle, circle[0]), " -> "))
		}
	}
	steps := make([]Step, len(g.Stages))
	for i, s := range g.Stages {
		steps[i] = s.Step
		look(at(key(index("stages", i), "on_failure")), g.Recovery[s.ID], "the stages for this failure")
	}
	look(at("stages"), steps, "the stages")
	look(at("on_failure"), g.Recovery[""], "the stages for failures")
}

// circleOf returns the IDs of stages that wait for each other in a circle, nil if there are none.
func circleOf(steps []Step) []string {
	needs := map[string][]string{}
	for _, s := range steps {
		needs[s.ID] = s.Needs
	}
	over := map[string]bool{}
	var walk func(id string, path []string) []string
	walk = func(id string, path []string) []string {
		if i := slices.Index(path, id); i >= 0 {
			return path[i:]
		}
		if over[id] {
			return nil
		}
		for _, n := range needs[id] {
			if circle := walk(n, append(path, id)); circle != nil {
				return circle
			}
		}
		over[id] = true
		return nil
	}
	for _, s := range steps {
		if circle := walk(s.ID, nil); circle != nil {
			return slices.Clone(circle)
		}
	}
	return nil
}

// stage looks at one stage of the pipeline of the name.
func (p *problems) stage(place, name string, s Step, spec Spec) {
	var kinds []field
	for _, k := range StageKinds {
		kinds = append(kinds, field{string(k), s.has(k)})
	}
	if !p.oneOf(place, kinds...) {
		return
	}
	kind := s.Kind()
	inner := key(place, string(kind))
	p.duration(key(place, "timeout"), s.Timeout)
	p.duration(key(place, "backoff"), s.Backoff)
	if s.Retries < 0 || s.Retries > maxRetries {
		p.add(key(place, "retries"), "cannot try %d times again: want 0 to %d", s.Retries, maxRetries)
	}
	if s.Retries > 0 && (kind == StageApprove || kind == StageWait) {
		p.add(key(place, "retries"), "cannot try again to %s: leave retries out", kind)
	}
	if s.Backoff != 0 && s.Retries == 0 {
		p.add(key(place, "backoff"), "cannot wait before a retry when there is none: write retries too, or leave backoff out")
	}
	if len(s.When) > MaxExpression {
		p.add(key(place, "when"), "cannot use an expression of %d bytes: want at most %d", len(s.When), MaxExpression)
	}
	e := s.Environment()
	environment, defined := spec.Environments[e]
	wanted := kind == StageDeploy || kind == StageCheck || kind == StageAnalysis || kind == StagePromote || kind == StageRollback
	field := "environment"
	if kind == StagePromote {
		field = "to"
	}
	switch {
	case e == "" && wanted:
		p.add(key(inner, field), "cannot %s nowhere: want one of %s", kind, nameList(spec.Environments))
	case e != "" && !defined:
		p.add(key(inner, field), "cannot use the environment %q: slipway.yaml defines %s", e, nameList(spec.Environments))
	}
	t := termsOf(environment, spec.Image.Service.Port)
	switch {
	case s.Test != nil:
		for i, test := range s.Test.Suite {
			p.test(index(key(inner, "suite"), i), test, spec.Image.Service.Port)
		}
	case s.Deploy != nil:
		if s.Deploy.Strategy != nil && defined {
			p.strategy(key(inner, "strategy"), *s.Deploy.Strategy, t)
		}
		known(p, key(inner, "on_conflict"), "a policy for another deployment under way", s.Deploy.OnConflict, ConflictPolicies)
	case s.Check != nil && defined:
		p.measure(inner, s.Check.Check, t, true)
	case s.Approve != nil:
		p.approveStage(inner, *s.Approve)
	case s.Wait != nil:
		p.waitStage(inner, *s.Wait)
	case s.Run != nil:
		p.runStage(inner, *s.Run)
	case s.Webhook != nil:
		p.webhook(inner, s.Webhook.WebhookCheck)
		p.duration(key(inner, "interval"), s.Webhook.Interval)
	case s.Analysis != nil && defined:
		p.duration(key(inner, "for"), s.Analysis.For)
		p.analysis(inner, s.Analysis.Analysis, t)
		if s.Analysis.Control != "" && s.Analysis.Canary == "" {
			p.add(key(inner, "control"), "cannot compare with %s what is not named: write canary too", s.Analysis.Control)
		}
	case s.Pipeline != nil:
		p.childStage(inner, name, *s.Pipeline, spec)
	case s.Promote != nil && s.Promote.From != "":
		if _, ok := spec.Environments[s.Promote.From]; !ok || s.Promote.From == s.Promote.To {
			p.add(key(inner, "from"), "cannot promote from %q to %q: want another one of %s", s.Promote.From, s.Promote.To, nameList(spec.Environments))
		}
	}
}

func (p *problems) approveStage(place string, s ApproveStage) {
	if s.Needed < 0 || s.Needed > maxNeeded {
		p.add(key(place, "needed"), "cannot ask for %d approvals: want 1 to %d", s.Needed, maxNeeded)
	}
	for i, by := range s.By {
		switch {
		case strings.TrimSpace(by) == "":
			p.add(index(key(place, "by"), i), "cannot ask nobody: want the name or a group of whoever may approve")
		case slices.ContainsFunc(s.By[:i], func(other string) bool { return strings.EqualFold(other, by) }):
			p.add(index(key(place, "by"), i), "cannot ask %s twice", by)
		}
	}
	p.reason(key(place, "message"), s.Message)
	p.duration(key(place, "expires"), s.Expires)
}

func (p *problems) waitStage(place string, s WaitStage) {
	p.duration(key(place, "for"), s.For)
	_, moment := time.Parse(time.RFC3339, s.Until)
	switch {
	case s.For == 0 && s.Until == "":
		p.add(place, "cannot wait for nothing: write for: 10m, or until: \"18:00\"")
	case s.For != 0 && s.Until != "":
		p.add(place, "cannot wait for a time and until a time: write for, or until")
	case s.Until != "" && !clockForm.MatchString(s.Until) && moment != nil:
		p.add(key(place, "until"), "cannot read %q as a time: want a form such as \"18:00\" or 2026-01-02T15:04:05Z", s.Until)
	case s.Zone != "" && !clockForm.MatchString(s.Until):
		p.add(key(place, "zone"), "cannot use a time zone without a time of the day: write until: \"18:00\", or leave zone out")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		p.add(key(place, "zone"), "cannot use %q as a time zone: want a name such as Europe/Berlin", s.Zone)
	}
}

func (p *problems) runStage(place string, s RunStage) {
	switch {
	case len(s.Command) == 0:
		p.add(key(place, "command"), "cannot run nothing: write the command and its arguments, such as [./smoke.sh, --fast]")
	case s.Command[0] == "":
		p.add(index(key(place, "command"), 0), "cannot run a program without a name")
	}
	p.words(key(place, "command"), s.Command)
	for i, glob := range s.Inputs {
		p.contextPath(index(key(place, "inputs"), i), glob)
	}
	p.env(key(place, "env"), s.Env)
}

func (p *problems) childStage(place, name string, s PipelineStage, spec Spec) {
	own := s.Application == "" || s.Application == spec.Application
	if s.Application != "" {
		p.check(key(place, "application"), ValidateName("application", s.Application))
	}
	child := s.Name
	if child == "" {
		child = DefaultPipeline
	}
	p.check(key(place, "name"), ValidateName("pipeline", child))
	definition, ok := spec.PipelineNamed(child)
	switch {
	case own && child == name:
		p.add(key(place, "name"), "cannot run %s in itself", name)
	case own && !ok:
		p.add(key(place, "name"), "cannot run the pipeline %q: slipway.yaml defines %s", child, strings.Join(spec.PipelineNames(), ", "))
	case own:
		for _, given := range slices.Sorted(maps.Keys(s.Parameters)) {
			if _, ok := definition.Parameters[given]; !ok {
				p.add(key(key(place, "parameters"), given), "cannot give %q: the pipeline %s has %s", given, child,
					orNone(slices.Sorted(maps.Keys(definition.Parameters)), "no parameters"))
			}
		}
	}
	p.values(key(place, "parameters"), s.Parameters)
}
