package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/pipeline"
)

// planWidth is how wide a plan is drawn at most: as wide as a terminal, or else as text that is still read with ease.
const planWidth = 100

// drawPlan draws the stages from the top to the bottom: below each number those that may run side by side, as all that they need stands above.
func (f *Factory) drawPlan(plan slipway.PipelinePlan) error {
	width := planWidth
	if f.Terminal && f.Width != nil {
		width = min(max(f.Width(), 60), 2*planWidth)
	}
	d := &drawing{width: width}
	ranks, recovery := ranked(plan.Stages)
	for _, s := range plan.Stages {
		d.column = max(d.column, len([]rune(s.ID)))
	}
	d.line("pipeline %s of %s: %s", plan.Pipeline, plan.Application, cmp.Or(plan.Description, count(len(plan.Stages)-len(recovery), "stage")))
	for _, name := range slices.Sorted(maps.Keys(plan.Parameters)) {
		d.line("  %s = %q", name, plan.Parameters[name])
	}
	if plan.OnFailure != "" {
		d.line("  when a stage fails: %s", plan.OnFailure)
	}
	if plan.Behind != "" {
		d.line("  %s is under way: %s", plan.Behind, map[slipway.ConcurrencyPolicy]string{
			slipway.ConcurrencyQueue: "this one would wait for its turn", slipway.ConcurrencySupersede: "this one would abort it", slipway.ConcurrencyRefuse: "this one would be refused",
		}[plan.Concurrency])
	}
	d.line("")
	digits := len(fmt.Sprint(len(ranks)))
	d.indent = digits + 5
	for n, stages := range ranks {
		if n > 0 {
			d.line("  %*s │", digits, "")
		}
		for i, s := range stages {
			number := ""
			if i == 0 {
				number = fmt.Sprint(n + 1)
			}
			above := n == 0 && len(s.Needs) == 0 || n > 0 && len(ranks[n-1]) == 1 && slices.Equal(s.Needs, []string{ranks[n-1][0].ID})
			d.stage(fmt.Sprintf("  %*s %s ", digits, number, signs[s.Runs]), s, planNotes(s, above))
		}
	}
	if len(recovery) > 0 {
		d.line("")
		for i, s := range recovery {
			if i == 0 || s.After != recovery[i-1].After {
				d.line("  if %s fails", map[bool]string{true: "any stage", false: s.After}[s.After == "any"])
			}
			above := len(s.Needs) == 0 || i > 0 && slices.Equal(s.Needs, []string{recovery[i-1].ID})
			d.stage(fmt.Sprintf("  %*s ! ", digits, ""), s, planNotes(s, above))
		}
	}
	d.legend(plan.Stages)
	_, err := io.WriteString(f.Out, d.text.String())
	return err
}

var signs = map[slipway.Answer]string{slipway.Yes: "●", slipway.No: "○", slipway.Maybe: "?"}

// ranked sorts stages by how many others come before them, one after the other; those that are run if another fails apart.
func ranked(stages []slipway.StagePlan) (ranks [][]slipway.StagePlan, recovery []slipway.StagePlan) {
	rank := map[string]int{}
	for _, s := range stages {
		if s.After != "" {
			recovery = append(recovery, s)
			continue
		}
		at := 0
		for _, need := range s.Needs {
			at = max(at, rank[need]+1)
		}
		rank[s.ID] = at
		for len(ranks) <= at {
			ranks = append(ranks, nil)
		}
		ranks[at] = append(ranks[at], s)
	}
	return ranks, recovery
}

// planNotes is what there is to say of a stage beside what it does, a line for each kind of thing. above says that what it needs is all that stands right above it.
func planNotes(s slipway.StagePlan, above bool) (notes []string) {
	switch {
	case above:
	case len(s.Needs) == 0:
		notes = append(notes, "at once")
	default:
		notes = append(notes, "after "+strings.Join(s.Needs, ", "))
	}
	if s.When != "" {
		what := map[slipway.Answer]string{slipway.Yes: "it is", slipway.No: "it is not", slipway.Maybe: "known only then"}[s.Runs]
		if s.After != "" {
			what = "known only then"
		}
		notes = append(notes, "when "+strings.Join(strings.Fields(s.When), " ")+" ("+what+")")
	}
	var how []string
	if s.Retries > 0 {
		how = append(how, "tried "+count(s.Retries+1, "time"))
	}
	if s.Timeout > 0 {
		how = append(how, "at most "+pipeline.Short(s.Timeout))
	}
	if s.OnFailure != "" {
		how = append(how, "if it fails "+s.OnFailure)
	}
	if len(how) > 0 {
		notes = append(notes, strings.Join(how, "; "))
	}
	return notes
}

// drawing is a plan as it is drawn.
type drawing struct {
	text   strings.Builder
	width  int
	column int // of stages' names
	indent int // of what stands before them
}

func (d *drawing) line(format string, args ...any) {
	d.text.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// stage draws a stage: what it does beside its name, and below that what else there is to say.
func (d *drawing) stage(head string, s slipway.StagePlan, notes []string) {
	left := d.indent + d.column + 2
	name := fmt.Sprintf("%-*s  ", d.column, s.ID)
	for _, line := range wrapped(s.Does, d.width-left) {
		d.line("%s%s%s", head, name, line)
		head, name = strings.Repeat(" ", d.indent), strings.Repeat(" ", d.column+2)
	}
	for _, note := range notes {
		for i, line := range wrapped(note, d.width-left-4) {
			d.line("%s%s%s", strings.Repeat(" ", left), map[bool]string{true: "  ", false: "    "}[i == 0], line)
		}
	}
}

// legend says what signs mean, of those that are there.
func (d *drawing) legend(stages []slipway.StagePlan) {
	var said []string
	for _, sign := range []struct {
		answer slipway.Answer
		means  string
	}{{slipway.No, "○ is skipped"}, {slipway.Maybe, "? is known only when its turn comes"}} {
		if slices.ContainsFunc(stages, func(s slipway.StagePlan) bool { return s.After == "" && s.Runs == sign.answer }) {
			said = append(said, sign.means)
		}
	}
	if len(said) > 0 {
		d.line("\n  ● runs   %s", strings.Join(said, "   "))
	}
}

// wrapped breaks a text at its spaces into lines of so many letters; a word that is longer stays whole. There are none of no text.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
