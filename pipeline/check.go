package pipeline

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/slipway-sh/slipway"
)

// Check returns nil, or every mistake in the expressions of a valid spec's pipelines as Invalid errors joined into one, each with its place.
func Check(spec slipway.Spec) error {
	var problems []error
	for _, name := range spec.PipelineNames() {
		p, _ := spec.PipelineNamed(name)
		place := func(inner string) string { return "pipelines." + name + "." + inner }
		if name == slipway.DefaultPipeline && len(spec.Pipeline) > 0 {
			place = func(inner string) string { return "pipeline" + inner[len("stages"):] }
		}
		problems = append(problems, checkOne(p, place)...)
	}
	return errors.Join(problems...)
}

func checkOne(p slipway.Pipeline, place func(string) string) []error {
	var problems []error
	g := p.Graph()
	main := map[string]bool{}
	for _, s := range g.Stages {
		main[s.ID] = true
	}
	look := func(at string, s slipway.Step, all map[string]bool) {
		sc := scope{parameters: p.Parameters, before: g.Before(s.ID), all: all}
		add := func(where string, err error) {
			var e *slipway.Error
			if errors.As(err, &e) {
				err = e.At(place(at + "." + where))
			}
			if err != nil {
				problems = append(problems, err)
			}
		}
		if s.When != "" {
			e, err := Compile(s.When)
			if err == nil {
				err = e.within(sc)
			}
			add("when", err)
		}
		_ = eachText(&s, func(where, text string) (string, error) {
			t, err := ParseText(text)
			if err == nil {
				err = t.within(sc)
			}
			add(where, err)
			return text, nil
		})
	}
	recovery := func(at, of string) {
		all := maps.Clone(main)
		for _, s := range g.Recovery[of] {
			all[s.ID] = true
		}
		for i, s := range g.Recovery[of] {
			look(at+"on_failure["+strconv.Itoa(i)+"]", s, all)
		}
	}
	for i, s := range g.Stages {
		at := "stages[" + strconv.Itoa(i) + "]"
		look(at, s.Step, main)
		recovery(at+".", s.ID)
	}
	if len(g.Recovery[""]) > 0 {
		recovery("", "")
	}
	return problems
}

// Prepared is a stage whose turn has come.
type Prepared struct {
	Runs bool         `json:"runs"` // its condition is true, or it has none
	Why  string       `json:"why,omitempty"`
	Step slipway.Step `json:"step"` // with the values of the expressions in its texts
}

// Prepare decides whether the stage runs, and fills in its texts.
func Prepare(ctx context.Context, s slipway.Step, v Values) (Prepared, error) {
	if s.When != "" {
		e, err := Compile(s.When)
		if err != nil {
			return Prepared{}, err
		}
		yes, err := e.Eval(ctx, v)
		if err != nil || !yes {
			return Prepared{Step: s, Why: quoted(s.When) + " is false"}, err
		}
	}
	err := eachText(&s, func(_, text string) (string, error) {
		t, err := ParseText(text)
		if err != nil {
			return "", err
		}
		return t.Eval(ctx, v)
	})
	return Prepared{Runs: true, Step: s}, err
}

func sorted(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }

func digits(i int) string { return strconv.Itoa(i) }
