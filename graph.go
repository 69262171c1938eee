package slipway

import (
	"slices"
	"strconv"
)

// Graph is a pipeline whose stages all have an ID and say what they need.
type Graph struct {
	Stages   []Stage           // as they are written
	Recovery map[string][]Step // what is run when a stage has failed: by that stage's ID, "" for what the pipeline says
}

// Graph fills in what the pipeline leaves out: a stage without an ID gets one of its kind and its environment, and one that does not say what
// it needs needs the one that is written before it. It makes sense of a valid pipeline alone.
func (p Pipeline) Graph() Graph {
	taken := map[string]bool{}
	p.EachStep(func(_ string, s Step) {
		if s.ID != "" {
			taken[s.ID] = true
		}
	})
	g := Graph{Stages: slices.Clone(p.Stages), Recovery: map[string][]Step{}}
	before := ""
	for i := range g.Stages {
		before = g.Stages[i].Step.fill(before, taken)
	}
	recover := func(of string, f *OnFailure) {
		if f == nil || len(f.Stages) == 0 {
			return
		}
		steps, before := slices.Clone(f.Stages), ""
		for i := range steps {
			before = steps[i].fill(before, taken)
		}
		g.Recovery[of] = steps
	}
	for _, s := range g.Stages {
		recover(s.ID, s.OnFailure)
	}
	recover("", p.OnFailure)
	return g
}

// EachStep calls f for every stage of the pipeline, those that are run only when others fail too, with its place.
func (p Pipeline) EachStep(f func(place string, s Step)) {
	for i, s := range p.Stages {
		f(index("stages", i), s.Step)
	}
	for i, s := range p.Stages {
		if s.OnFailure != nil {
			for j, r := range s.OnFailure.Stages {
				f(index(key(index("stages", i), "on_failure"), j), r)
			}
		}
	}
	if p.OnFailure != nil {
		for j, r := range p.OnFailure.Stages {
			f(index("on_failure", j), r)
		}
	}
}

// fill gives the step an ID that is not taken, and what is before it as its need, and returns its ID.
func (s *Step) fill(before string, taken map[string]bool) string {
	if s.ID == "" {
		base := string(s.Kind())
		if e := s.Environment(); e != "" {
			base += "-" + e
		}
		s.ID = base
		for n := 2; taken[s.ID]; n++ {
			s.ID = base + "-" + strconv.Itoa(n)
		}
		taken[s.ID] = true
	}
	switch {
	case s.Needs != nil:
	case before == "":
		s.Needs = []string{}
	default:
		s.Needs = []string{before}
	}
	return s.ID
}

// Stage returns the stage of the ID, those of Recovery too, and whether there is one.
func (g Graph) Stage(id string) (Step, bool) {
	for _, s := range g.Stages {
		if s.ID == id {
			return s.Step, true
		}
	}
	for _, steps := range g.Recovery {
		for _, s := range steps {
			if s.ID == id {
				return s, true
			}
		}
	}
	return Step{}, false
}

// Before returns the IDs of all stages that are over when the stage of the ID begins: what it needs, and what that needs. Those of Recovery
// come after all stages.
func (g Graph) Before(id string) map[string]bool {
	before := map[string]bool{}
	needs := map[string][]string{}
	for _, s := range g.Stages {
		needs[s.ID] = s.Needs
	}
	for _, steps := range g.Recovery {
		for _, s := range steps {
			needs[s.ID] = s.Needs
			if s.ID == id {
				for _, s := range g.Stages {
					before[s.ID] = true
				}
			}
		}
	}
	todo := slices.Clone(needs[id])
	for len(todo) > 0 {
		n := todo[0]
		todo = todo[1:]
		if !before[n] {
			before[n] = true
			todo = append(todo, needs[n]...)
		}
	}
	return before
}

// After returns the IDs of all stages that come after the one of the ID: that need it, or need one that does.
func (g Graph) After(id string) map[string]bool {
	after := map[string]bool{}
	for _, s := range g.Stages {
		if g.Before(s.ID)[id] {
			after[s.ID] = true
		}
	}
	return after
}

// Ordered returns the stages in an order in which each comes after all that it needs; otherwise as they are written.
func (g Graph) Ordered() []Stage {
	var ordered []Stage
	done := map[string]bool{}
	for len(ordered) < len(g.Stages) {
		before := len(ordered)
		for _, s := range g.Stages {
			if !done[s.ID] && !slices.ContainsFunc(s.Needs, func(n string) bool { return !done[n] }) {
				done[s.ID] = true
				ordered = append(ordered, s)
			}
		}
		if len(ordered) == before {
			return ordered // a cycle, which is no valid pipeline
		}
	}
	return ordered
}
