package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// deploymentView is a deployment and what has to do with it now.
type deploymentView struct {
	d            slipway.Deployment
	names        labels
	restrictions []slipway.Restriction // in force for its cluster
	queued       []string              // deployments of its cluster that wait for their turn, the next one first
	current      *slipway.Deployment   // of its cluster
}

// deployment prints all there is to say about a deployment.
func (f *Factory) deployment(v deploymentView, now time.Time) error {
	d := v.d
	verb := "deploy " + d.Cluster.Application + " to " + d.Cluster.Environment
	if d.Kind == slipway.KindRollback {
		verb = "roll " + d.Cluster.Application + " back in " + d.Cluster.Environment
	}
	image := d.Image.Short()
	if name := v.names.of(d.Image); name != image {
		image = name + " (" + image + ")"
	}
	fmt.Fprintf(f.Out, "%s: %s, image %s\n\n", d.ID, verb, image)
	f.facts(append(v.what(now), v.waits(now)...))
	if len(d.Undo) > 0 {
		fmt.Fprintf(f.Out, "\n%s\n", map[bool]string{true: "still to be undone, in this order:", false: "if it is undone it will, in this order:"}[d.State.Done() || d.State == slipway.DeploymentUndoing])
		for i, u := range slices.Backward(d.Undo) {
			fmt.Fprintf(f.Out, "  %d. %s\n", len(d.Undo)-i, undoText(u))
		}
	}
	if len(d.Measurements) > 0 {
		fmt.Fprintln(f.Out)
		if err := f.measurements(d.Measurements, now); err != nil {
			return err
		}
	}
	for _, verdict := range d.Verdicts {
		fmt.Fprintln(f.Out)
		if err := f.analysis(verdict); err != nil {
			return err
		}
	}
	f.listed("went on without proof:", d.Flags)
	f.listed("overridden:", d.Override)
	var restrictions []string
	for _, r := range v.restrictions {
		restrictions = append(restrictions, r.ID+": "+restrictionText(r, v.names, now))
	}
	f.listed("in force for "+d.Cluster.Application+" in "+d.Cluster.Environment+":", restrictions)
	f.listed("you can:", possible(d))
	return nil
}

// what says what was asked and what came of it.
func (v deploymentView) what(now time.Time) [][2]string {
	d := v.d
	state := strings.ReplaceAll(string(d.State), "_", " ")
	if d.Paused != nil && !d.State.Done() {
		state += ", paused since " + moment(d.Paused.Since, now) + byWhom(d.Paused.By, d.Paused.Reason)
	}
	doing := "doing"
	switch {
	case d.State.Done():
		doing = "did last"
	case d.State == slipway.DeploymentHeld:
		doing = "stopped at"
	}
	source := d.Source
	if source == "" && d.State != slipway.DeploymentQueued {
		source = "none: it is the first"
	}
	traffic := ""
	if d.Weight > 0 && d.State != slipway.DeploymentSucceeded {
		traffic = fmt.Sprintf("%d %% on %s", d.Weight, d.Target)
	}
	why := ""
	if d.Error != nil {
		why = d.Error.Error()
	}
	part := ""
	switch {
	case d.Release != "":
		part = "release " + d.Release
	case d.Execution != "":
		part = "ship " + d.Execution
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return moment(t, now)
	}
	facts := [][2]string{
		{"state", state},
		{doing, d.Step},
		{"why", why},
		{"strategy", strategyText(d)},
		{"source", source},
		{"target", d.Target},
		{"baseline", d.Baseline},
		{"traffic", traffic},
		{"asked", at(d.Started) + byWhom(d.By, d.Reason)},
		{"shifted", at(d.Shifted)},
		{"ended", at(d.Finished)},
		{"part of", part},
		{"guard", prefixed("overridden: ", d.Forced)},
	}
	if d.Hotfix {
		facts = append(facts, [2]string{"hotfix", "it goes before all that waits"})
	}
	if d.Irreversible {
		facts = append(facts, [2]string{"irreversible", "a failure is not undone: what the image changes would not change back"})
	}
	return facts
}

// waits says what a deployment waits for, what would unblock it, when it moves by itself, and what it does then.
func (v deploymentView) waits(now time.Time) [][2]string {
	d := v.d
	w := d.Waiting
	var facts [][2]string
	switch {
	case d.State.Done():
		return nil
	case w == nil:
		facts = append(facts, [2]string{"waits for", "nothing: it is at work"})
		if !d.Deadline.IsZero() {
			facts = append(facts, [2]string{"may take until", moment(d.Deadline, now)})
		}
		return facts
	}
	facts = append(facts, [2]string{"waits for", w.For})
	if d.State == slipway.DeploymentQueued {
		facts = append(facts, [2]string{"behind", v.behind()})
	}
	facts = append(facts, [2]string{"unblocked by", w.Unblocks})
	if w.Until.IsZero() {
		return append(facts, [2]string{"moves by itself", "not before that"}, [2]string{"and then", w.Then})
	}
	return append(facts, [2]string{"moves by itself", moment(w.Until, now)}, [2]string{"and then", w.Then})
}

// behind says what a deployment that is queued is behind.
func (v deploymentView) behind() string {
	var lines []string
	if c := v.current; c != nil && c.ID != v.d.ID && !c.State.Done() {
		lines = append(lines, c.ID+", which is under way: "+doing(*c))
	}
	for _, id := range v.queued {
		if id == v.d.ID {
			break
		}
		lines = append(lines, id+", which waits too")
	}
	return strings.Join(lines, "\n")
}

// doing says in a line what a deployment that is not over does, or waits for.
func doing(d slipway.Deployment) string {
	text := d.Step
	if d.Waiting != nil && d.Waiting.For != "" && (d.State != slipway.DeploymentRunning || d.Paused != nil || !d.Waiting.Until.IsZero()) {
		text = "waits for " + d.Waiting.For
		if !d.Waiting.Until.IsZero() {
			text += " until " + clock(d.Waiting.Until)
		}
	}
	return text
}

// stateOf says in a word how far a deployment is: "running", "paused", "held", "rolled back".
func stateOf(d slipway.Deployment) string {
	if d.Paused != nil && d.State == slipway.DeploymentRunning {
		return "paused"
	}
	return strings.ReplaceAll(string(d.State), "_", " ")
}

// clock says when t is, for a line that has no room for more: with the day if that is not today.
func clock(t time.Time) string {
	t = t.Local()
	if y, m, d := time.Now().Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// undoText says what takes a change back.
func undoText(u slipway.Undo) string {
	switch u.Kind {
	case slipway.UndoDestroyGroup:
		return "destroy " + u.Group
	case slipway.UndoResizeGroup:
		if u.Size.Desired == 0 {
			return "stop the machines of " + u.Group + " again"
		}
		return fmt.Sprintf("give %s back its size of %s", u.Group, count(u.Size.Desired, "machine"))
	case slipway.UndoRestoreRoute:
		return "give the traffic back to " + routeText(u)
	}
	return strings.ReplaceAll(string(u.Kind), "_", " ") + " " + u.Group
}

// routeText says where traffic goes back to.
func routeText(u slipway.Undo) string {
	if u.Route == nil {
		return cmp.Or(u.Group, "nothing: nothing served before")
	}
	var active []slipway.GroupRoute
	total := 0
	for _, g := range u.Route.Groups {
		if g.Mode == slipway.Active {
			active = append(active, g)
			total += cmp.Or(g.Weight, 100)
		}
	}
	var parts []string
	for _, g := range active {
		if len(active) == 1 {
			return g.Group
		}
		parts = append(parts, fmt.Sprintf("%s (%d %%)", g.Group, (cmp.Or(g.Weight, 100)*100+total/2)/total))
	}
	return cmp.Or(strings.Join(parts, " and "), u.Group, "nothing: nothing served before")
}

// strategyText says by what a deployment moves.
func strategyText(d slipway.Deployment) string {
	s := d.Environment.Strategy
	if d.Kind == slipway.KindRollback {
		return "at once, watched for " + span(s.Watch())
	}
	text := string(s.Name())
	each := func(steps []int, what string) {
		var list []string
		for _, n := range steps {
			list = append(list, fmt.Sprintf("%d %%", n))
		}
		if len(list) > 0 {
			text += ", " + strings.Join(list, ", ") + what
		}
	}
	switch {
	case s.None != nil:
		return text + ": it gets no traffic"
	case s.RollingRedBlack != nil:
		each(s.RollingRedBlack.Steps, "")
	case s.Rolling != nil && !s.Rolling.Batch.IsZero():
		text += ", " + s.Rolling.Batch.String() + " at a time"
	case s.Canary != nil:
		each(s.Canary.Steps, ", each observed for "+span(s.Canary.Interval.Or(slipway.DefaultInterval)))
	case s.Custom != nil:
		text += ", " + count(len(s.Custom.Steps), "step")
	}
	return text + ", watched for " + span(s.Watch()) + ", " + count(s.Keep(), "old group") + " kept"
}

// possible lists the commands that make sense now.
func possible(d slipway.Deployment) []string {
	say := func(verb, does string) string {
		return fmt.Sprintf("slipway %-*s  %s", len("approve ")+len(d.ID), verb+" "+d.ID, does)
	}
	abort := say("abort", "end it, and undo what it did")
	switch d.State {
	case slipway.DeploymentQueued:
		return []string{say("abort", "take it out of the queue")}
	case slipway.DeploymentHeld:
		return []string{say("retry", "do again what failed"), abort}
	case slipway.DeploymentRunning:
		switch {
		case !d.Shifted.IsZero() && len(d.Undo) == 0: // it has settled, and only tidies up
			return nil
		case d.Paused != nil:
			return []string{say("resume", "let it go on"), abort}
		case d.Waiting != nil && strings.Contains(d.Waiting.Unblocks, "slipway approve"):
			return []string{say("approve", "let it go on"), say("reject", "undo it"), abort}
		}
		return []string{say("pause", "halt it where it is"), say("promote", "let it wait no longer"), abort}
	case slipway.DeploymentRolledBack, slipway.DeploymentAborted:
		return []string{say("retry", "start it again, as it was asked for")}
	case slipway.DeploymentNeedsAttention:
		return []string{say("retry", "take back what is still to be undone")}
	}
	return nil
}

// measurements prints what checks have found last.
func (f *Factory) measurements(all []slipway.Measurement, now time.Time) error {
	var rows [][]string
	for _, m := range all {
		value := "-"
		if m.Value != nil {
			value = number(*m.Value)
		}
		measured := "-"
		if !m.Time.IsZero() {
			measured = m.Time.Local().Format("15:04:05") + " (" + span(max(now.Sub(m.Time), 0)) + " ago)"
		}
		rows = append(rows, []string{m.Check, orDash(string(m.Phase)), strings.ReplaceAll(string(m.Outcome), "_", " "), value, measured, m.Detail})
	}
	return f.table([]string{"CHECK", "PHASE", "OUTCOME", "VALUE", "MEASURED", "DETAIL"}, rows)
}

// listed prints lines below a heading, if there are any.
func (f *Factory) listed(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(f.Out, "\n%s\n", heading)
	for _, line := range lines {
		fmt.Fprintln(f.Out, indent(line))
	}
}

// byWhom says who did something, and why, as far as that is known.
func byWhom(who, reason string) string {
	text := ""
	if who != "" {
		text = " by " + who
	}
	return text + prefixed(": ", reason)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// number writes a number with four significant digits.
func number(n float64) string { return strconv.FormatFloat(n, 'g', 4, 64) }
