package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Pair is a metric as it was measured of both groups.
type Pair struct {
	Metric  string // its name
	Canary  slipway.Series
	Control slipway.Series
	Missing string // why it could not be measured, without a full stop; "" if it was
}

// Judge compares each metric of spec with the pair of its name, and grades them together:
//
//   - fail, and a score of 0, if a critical metric failed;
//   - else no data, and a score of 0, if half of the metrics or more, or a critical one, could not be judged, or if there are none;
//   - else by the score, the share of the metrics passed among those that could be judged: pass, marginal or fail.
//
// Zero fields of spec are its defaults: see [Defaults]. Values that are no finite numbers count as not measured. The verdict names the
// groups of the first pair and its earliest and latest time. All its numbers are finite. Judge is a function of its arguments alone and safe for
// concurrent use; it takes time in proportion to the lengths of the series and their logarithms, but for short ones, of 50 values at most, whose
// distribution is computed exactly, in milliseconds.
func Judge(spec slipway.Analysis, pairs []Pair) slipway.Verdict {
	spec = Defaults(spec)
	v := slipway.Verdict{Metrics: make([]slipway.MetricResult, 0, len(spec.Metrics))}
	v.Canary, v.Control, v.From, v.To = extent(pairs)
	for _, m := range spec.Metrics {
		p := Pair{Missing: "it was not measured"}
		if i := slices.IndexFunc(pairs, func(p Pair) bool { return p.Metric == m.Name }); i >= 0 {
			p = pairs[i]
		}
		v.Metrics = append(v.Metrics, judge(m, p, spec.MinSamples))
	}
	grade(&v, spec)
	return v
}

// grade fills in what is found of all metrics together.
func grade(v *slipway.Verdict, spec slipway.Analysis) {
	var passed, failed, missing, criticalFailed, criticalMissing []string
	for _, m := range v.Metrics {
		told := m.Name + ": " + m.Detail
		switch m.Grade {
		case slipway.GradePass:
			passed = append(passed, told)
		case slipway.GradeFail:
			failed = append(failed, told)
			if m.Critical {
				criticalFailed = append(criticalFailed, told)
			}
		default:
			missing = append(missing, told)
			if m.Critical {
				criticalMissing = append(criticalMissing, told)
			}
		}
	}
	n := len(v.Metrics)
	switch {
	case len(criticalFailed) > 0:
		v.Grade, v.Detail = slipway.GradeFail, "a critical metric failed: "+strings.Join(criticalFailed, "; ")
		return
	case len(criticalMissing) > 0:
		v.Grade, v.Detail = slipway.GradeNoData, "a critical metric could not be judged: "+strings.Join(criticalMissing, "; ")
		return
	case 2*len(missing) >= n:
		v.Grade, v.Detail = slipway.GradeNoData, fmt.Sprintf("%d of %s could not be judged: %s", len(missing), metrics(n), strings.Join(missing, "; "))
		return
	}
	judged := n - len(missing)
	v.Score = float64(100*len(passed)) / float64(judged)
	switch {
	case v.Score >= float64(spec.Pass):
		v.Grade = slipway.GradePass
	case v.Score >= float64(spec.Marginal):
		v.Grade = slipway.GradeMarginal
	default:
		v.Grade = slipway.GradeFail
	}
	v.Detail = fmt.Sprintf("%d of %s passed", len(passed), metrics(judged))
	if len(failed) > 0 {
		v.Detail += "; failed: " + strings.Join(failed, "; ")
	}
	if len(missing) > 0 {
		v.Detail += "; not judged: " + strings.Join(missing, "; ")
	}
}

// judge compares one metric, whose defaults are filled in.
func judge(m slipway.Metric, p Pair, minSamples int) slipway.MetricResult {
	canary, control := measured(p.Canary.Values), measured(p.Control.Values)
	r := slipway.MetricResult{
		Name: m.Name, Critical: m.Critical, Grade: slipway.GradeNoData,
		Canary: mean(canary), Control: mean(control), Samples: [2]int{len(canary), len(control)}, P: 1,
	}
	switch {
	case p.Missing != "":
		r.Detail = p.Missing
		return r
	case len(canary) < minSamples || len(control) < minSamples:
		r.Detail = fmt.Sprintf("%s of the canary and %d of its control, of %d that are needed of each", samples(len(canary)), len(control), minSamples)
		return r
	case !decidable(len(canary), len(control)):
		r.Detail = fmt.Sprintf("%s of the canary and %d of its control: with so few, any difference could be chance", samples(len(canary)), len(control))
		return r
	}
	c := compare(canary, control)
	r.P, r.Effect = c.p, c.estimate
	rises := m.Direction != slipway.DirectionDecrease && c.beyond(m.Tolerance)
	falls := m.Direction != slipway.DirectionIncrease && c.mirrored().beyond(m.Tolerance)
	change := max(math.Abs(r.Canary-r.Control), math.Abs(c.estimate)) / math.Abs(r.Control) // Inf if there was nothing before
	switch {
	case c.same:
		r.Grade, r.Detail = slipway.GradePass, "all values are the same"
	case !rises && !falls:
		r.Grade, r.Detail = slipway.GradePass, "no worse than its control"
	case change < m.MinEffect:
		r.Grade, r.Detail = slipway.GradePass, fmt.Sprintf("a change by %.2g %%, less than the %.2g %% that count", 100*change, 100*m.MinEffect)
	case rises:
		r.Grade, r.Detail = slipway.GradeFail, "higher "+c.text()
	default:
		r.Grade, r.Detail = slipway.GradeFail, "lower "+c.mirrored().text()
	}
	return r
}

// text says by how much the canary's values are higher.
func (c comparison) text() string {
	if c.lower <= 0 {
		return fmt.Sprintf("in %.0f %% of comparisons with its control, where 50 %% were to be expected", 100*c.u/c.pairs)
	}
	return fmt.Sprintf("than its control by %.3g (at %.0f %% confidence from %.3g to %.3g)", c.estimate, 100*Confidence, c.lower, c.upper)
}

// extent returns the groups, and the first and the last time, of pairs.
func extent(pairs []Pair) (canary, control string, from, to time.Time) {
	for _, p := range pairs {
		if canary == "" {
			canary = p.Canary.Group
		}
		if control == "" {
			control = p.Control.Group
		}
		for _, t := range slices.Concat(p.Canary.Times, p.Control.Times) {
			if from.IsZero() || t.Before(from) {
				from = t
			}
			if t.After(to) {
				to = t
			}
		}
	}
	return canary, control, from, to
}

func metrics(n int) string {
	if n == 1 {
		return "1 metric"
	}
	return fmt.Sprintf("%d metrics", n)
}

func samples(n int) string {
	if n == 1 {
		return "1 sample"
	}
	return fmt.Sprintf("%d samples", n)
}
