package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

const (
	before = slipway.PhaseBefore
	during = slipway.PhaseDuring
)

// tallied adds one measurement for each letter: p passed, f failed, - had no data.
func tallied(outcomes string) check.Tally {
	var t check.Tally
	for _, o := range outcomes {
		t = t.Add(map[rune]slipway.Measurement{
			'p': {Outcome: slipway.OutcomePass, Detail: "fine"},
			'f': {Outcome: slipway.OutcomeFail, Detail: "it broke"},
			'-': {Outcome: slipway.OutcomeNoData, Detail: "nobody answers"},
		}[o])
	}
	return t
}

func TestTally(t *testing.T) {
	hold, fail, pass := slipway.NoDataHold, slipway.NoDataFail, slipway.NoDataPass
	for _, c := range []struct {
		outcomes string
		phase    slipway.Phase
		check    slipway.Check
		done     bool
		fails    string // part of the message
		flag     string
		unproved bool
	}{
		{"", before, slipway.Check{}, false, "", "", true},
		{"p", before, slipway.Check{}, true, "", "", false},
		{"pp", before, slipway.Check{Count: 3}, false, "", "", false},
		{"ppp", before, slipway.Check{Count: 3}, true, "", "", false},
		{"f", before, slipway.Check{}, false, "check load_balancer failed: it broke", "", false},
		{"fp", before, slipway.Check{Failures: 1}, true, "", "", false},
		{"fpf", before, slipway.Check{Failures: 1, Count: 2}, false, "failed 2 times, more than the 1 that are borne with: it broke", "", false},

		{"-----", before, slipway.Check{}, false, "", "", true},
		{"-----", before, slipway.Check{NoData: hold}, false, "", "", true},
		{"--p", before, slipway.Check{NoData: hold}, true, "", "", false},
		{"-", before, slipway.Check{NoData: fail}, false, "had no data: nobody answers", "", true},
		{"-p", before, slipway.Check{NoData: fail, Failures: 1}, true, "", "", false},
		{"--p", before, slipway.Check{NoData: fail, Failures: 1}, false, "had no data 2 times", "", false},
		{"f-", before, slipway.Check{NoData: fail, Failures: 1}, false, "failed 2 times, more than the 1 that are borne with: it broke", "", false},
		{"-", before, slipway.Check{NoData: pass}, true, "", "had no data in the phase before, and was passed over", false},
		{"f-", before, slipway.Check{NoData: pass}, false, "it broke", "", false},

		{"pppp", during, slipway.Check{}, false, "", "", false},
		{"pppf", during, slipway.Check{}, false, "it broke", "", false},
		{"----", during, slipway.Check{}, false, "", "", true},
		{"---p", during, slipway.Check{}, false, "", "", false},
		{"", during, slipway.Check{NoData: fail}, false, "", "", true},
		{"p-", during, slipway.Check{NoData: fail}, false, "had no data: nobody answers", "", false},
		{"", during, slipway.Check{NoData: pass}, false, "", "was never made in the phase during", false},
		{"--", during, slipway.Check{NoData: pass}, false, "", "had no data in the phase during", false},
		{"p-p", during, slipway.Check{NoData: pass}, false, "", "had no data in the phase during, and was passed over", false},
	} {
		t.Run(strings.Join([]string{c.outcomes, string(c.phase), string(c.check.NoData)}, " "), func(t *testing.T) {
			c.check.LoadBalancer = &slipway.LoadBalancerCheck{}
			tally := tallied(c.outcomes)
			done, err, flag := tally.Verdict(c.check, c.phase)
			if done != c.done || (err != nil) != (c.fails != "") || (flag != "") != (c.flag != "") || !strings.Contains(flag, c.flag) {
				t.Errorf("done %v, error %v, flag %q", done, err, flag)
			}
			if err != nil && (err.Code != slipway.Failed || !strings.Contains(err.Message, c.fails)) {
				t.Errorf("%q: %s", err.Code, err.Message)
			}
			if got := tally.Unproved(c.check); got != c.unproved {
				t.Errorf("unproved: %v", got)
			}
		})
	}
}

// TestMissingDataIsNeverSuccessAndNeverSilent is invariant 9: whatever the order of measurements, a phase that may end well without an
// error and without a flag has had an answer, and no more failures than are borne with.
func TestMissingDataIsNeverSuccessAndNeverSilent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := slipway.Check{
			LoadBalancer: &slipway.LoadBalancerCheck{},
			Count:        rapid.IntRange(0, 4).Draw(t, "count"), Failures: rapid.IntRange(0, 3).Draw(t, "failures"),
			NoData: rapid.SampledFrom([]slipway.NoDataPolicy{"", slipway.NoDataFail, slipway.NoDataHold, slipway.NoDataPass}).Draw(t, "policy"),
		}
		phase := rapid.SampledFrom([]slipway.Phase{before, during, slipway.PhaseAfter}).Draw(t, "phase")
		outcomes := rapid.StringMatching(`[pf-]{0,12}`).Draw(t, "outcomes")
		tally := tallied(outcomes)
		passed, failed, missing := strings.Count(outcomes, "p"), strings.Count(outcomes, "f"), strings.Count(outcomes, "-")
		done, err, flag := tally.Verdict(c, phase)

		if failed > c.Failures && err == nil {
			t.Fatal("more failures than are borne with are no error")
		}
		if err != nil && done {
			t.Fatal("it failed and is done")
		}
		if err != nil && failed <= c.Failures && (c.NoData != slipway.NoDataFail || failed+missing <= c.Failures) {
			t.Fatalf("it failed without cause: %v", err)
		}
		if done && phase != before {
			t.Fatal("done by itself while there is traffic")
		}
		endsWell := err == nil && !tally.Unproved(c) && (done || phase != before)
		if endsWell && passed+failed == 0 && flag == "" {
			t.Fatal("nothing was measured, and nobody says so")
		}
		if done && passed < max(c.Count, 1) && flag == "" {
			t.Fatal("done without enough that passed, and nobody says so")
		}
		if c.NoData == slipway.NoDataPass && missing > 0 && err == nil && flag == "" {
			t.Fatal("data was missing, and nobody says so")
		}
		if flag != "" && c.NoData != slipway.NoDataPass {
			t.Fatal("a flag where there is to be none")
		}

		stored, fault := json.Marshal(tally)
		var kept check.Tally
		if fault != nil || json.Unmarshal(stored, &kept) != nil || kept != tally {
			t.Fatalf("%s does not come back", stored)
		}
		if again := tally.Add(slipway.Measurement{Outcome: "something new"}); again.Missing != missing+1 {
			t.Fatal("an unknown outcome is not taken for missing data")
		}
	})
}
