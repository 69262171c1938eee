package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// Tally is what the measurements of a check have come to, and when the last was made.
type Tally struct {
	check.Tally
	Last time.Time `json:"last,omitzero"`
}

// add returns the tally with one more measurement.
func (t Tally) add(m slipway.Measurement) Tally { return Tally{t.Tally.Add(m), m.Time} }

// verdict is that of the tally. A check that is a step of its own is over when it has passed, as those before traffic are.
func (t Tally) verdict(c slipway.Check, phase slipway.Phase) (done bool, err error, flag string) {
	if phase == phaseStep {
		phase = slipway.PhaseBefore
	}
	done, failure, flag := t.Tally.Verdict(c, phase)
	if failure != nil {
		err = failure
	}
	return done, err, flag
}

// maxMeasurements bounds what the record says of checks.
const maxMeasurements = 50

// tallyKey names the tally of the environment's check of that number in a phase.
func tallyKey(phase slipway.Phase, n int) string { return fmt.Sprintf("%s/%d", phase, n) }

// checksIn returns the numbers of the checks that are made in the phase of the deployment. A rollback is checked from the machines' side alone:
// it works while metrics and other people's programs are down.
func checksIn(d slipway.Deployment, phase slipway.Phase) []int {
	var list []int
	for n, c := range d.Environment.Checks {
		_, machine := c.Test()
		if c.In(phase) && (machine || d.Kind == slipway.KindDeploy) {
			list = append(list, n)
		}
	}
	return list
}

// has reports whether any check is made in the phase.
func (r *rollout) has(phase slipway.Phase) bool { return len(checksIn(r.d, phase)) > 0 }

// forget begins to count the checks of a phase anew.
func (r *rollout) forget(phase slipway.Phase) {
	kept := map[string]Tally{}
	for key, t := range r.tallies {
		if !strings.HasPrefix(key, string(phase)+"/") {
			kept[key] = t
		}
	}
	r.tallies = kept
}

// unproved returns the name of a check that waits for data and has had none in the phase, "" if there is none.
func unproved(d slipway.Deployment, phase slipway.Phase, tallies map[string]Tally) string {
	for _, n := range checksIn(d, phase) {
		if c := d.Environment.Checks[n]; tallies[tallyKey(phase, n)].Unproved(c) {
			return check.CheckName(c)
		}
	}
	return ""
}

// note takes into the record what was measured.
func (r *rollout) note(look Look) {
	for _, flag := range look.Flags {
		r.flag(flag)
	}
	r.d = noted(r.d, look.Measured)
}

// noted returns the deployment with the last measurement of each check.
func noted(d slipway.Deployment, measured []slipway.Measurement) slipway.Deployment {
	if len(measured) == 0 {
		return d
	}
	list := slices.Clone(d.Measurements)
	for _, m := range measured {
		list = slices.DeleteFunc(list, func(o slipway.Measurement) bool { return o.Check == m.Check && o.Phase == m.Phase })
		list = append(list, m)
	}
	d.Measurements = list[max(0, len(list)-maxMeasurements):]
	return d
}
