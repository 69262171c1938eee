package check

import (
	"fmt"

	"github.com/slipway-sh/slipway"
)

// Tally counts the measurements of one check in one phase, and says what they come to. It is a value that can be kept as JSON between two
// measurements. The zero Tally has none.
type Tally struct {
	Passed  int    `json:"passed,omitempty"`
	Failed  int    `json:"failed,omitempty"`
	Missing int    `json:"missing,omitempty"` // without data
	Fault   string `json:"fault,omitempty"`   // what the last one found that failed
	Gap     string `json:"gap,omitempty"`     // why the last one had no data that had none
}

// Add returns the tally with one more measurement. An outcome that is not known is no data.
func (t Tally) Add(m slipway.Measurement) Tally {
	switch m.Outcome {
	case slipway.OutcomePass:
		t.Passed++
	case slipway.OutcomeFail:
		t.Failed++
		t.Fault = m.Detail
	default:
		t.Missing++
		t.Gap = m.Detail
	}
	return t
}

// Verdict says what the measurements come to by now.
//
// err, with the code Failed, is set as soon as more measurements have failed than the check bears with; where that is its policy, those
// without data count as failed. done is set when, before traffic, as many have passed as the check wants; in the other phases it never is:
// the check is measured until the phase is over. flag is what the deployment must say in its record if the phase ends now: that it went
// on, as is the policy, without data.
func (t Tally) Verdict(c slipway.Check, phase slipway.Phase) (done bool, err *slipway.Error, flag string) {
	policy := c.WithoutData()
	failed, passed, fault := t.Failed, t.Passed, t.Fault
	switch policy {
	case slipway.NoDataFail:
		failed += t.Missing
		fault = or(fault, t.Gap)
	case slipway.NoDataPass:
		passed += t.Missing
		flag = t.flag(c, phase)
	}
	if failed > c.Failures {
		return false, t.failure(c, failed, fault), ""
	}
	return phase == slipway.PhaseBefore && passed >= max(c.Count, 1), nil, flag
}

// Unproved reports whether nothing was measured, and the check does not allow to go on without: then the phase must not end well.
func (t Tally) Unproved(c slipway.Check) bool {
	return c.WithoutData() != slipway.NoDataPass && t.Passed+t.Failed == 0
}

// String returns "3 passed, 1 failed, 2 without data".
func (t Tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d without data", t.Passed, t.Failed, t.Missing)
}

// flag says the same however often data was missing, so that it is noted once.
func (t Tally) flag(c slipway.Check, phase slipway.Phase) string {
	switch {
	case t.Passed+t.Failed+t.Missing == 0:
		return fmt.Sprintf("check %s was never made in the phase %s", CheckName(c), phase)
	case t.Missing > 0:
		return fmt.Sprintf("check %s had no data in the phase %s, and was passed over", CheckName(c), phase)
	}
	return ""
}

func (t Tally) failure(c slipway.Check, failed int, fault string) *slipway.Error {
	text := "check " + CheckName(c) + " failed"
	if t.Failed == 0 {
		text = "check " + CheckName(c) + " had no data"
	}
	if c.Failures > 0 {
		text += fmt.Sprintf(" %d times, more than the %d that are borne with", failed, c.Failures)
	}
	return slipway.Errorf(slipway.Failed, "%s", text+": "+or(fault, "nothing more is known"))
}
