package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// better, worse and alike are pairs of which the verdict is plain; scarce is too short for one.
func better(name string) Pair { return pair(name, slices.Repeat([]float64{1}, 60), ramp(60, 2)) }
func worse(name string) Pair  { return pair(name, slices.Repeat([]float64{9}, 60), ramp(60, 2)) }
func alike(name string) Pair  { return pair(name, ramp(60, 2), ramp(60, 2)) }
func scarce(name string) Pair { return pair(name, ramp(60, 2), ramp(49, 2)) }

// ramp is n numbers from start up, less than 1 apart.
func ramp(n int, start float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = start + float64(i)/float64(n)
	}
	return values
}

func TestScore(t *testing.T) {
	pass, marginal, fail, noData := slipway.GradePass, slipway.GradeMarginal, slipway.GradeFail, slipway.GradeNoData
	absent := func(name string) Pair { return Pair{Metric: name, Missing: "nobody answers"} }
	for _, c := range []struct {
		name     string
		spec     slipway.Analysis
		pairs    []func(string) Pair // of metrics a, b, c, …
		critical string              // metrics that are
		grade    slipway.Grade
		score    float64
		detail   string
	}{
		{"all pass", slipway.Analysis{}, []func(string) Pair{alike, better, alike, alike}, "a", pass, 100, "4 of 4 metrics passed"},
		{"one of four fails", slipway.Analysis{}, []func(string) Pair{alike, worse, alike, alike}, "a", marginal, 75, "3 of 4 metrics passed; failed: b: higher than its control by 6.5"},
		{"one of four fails, and that is enough", slipway.Analysis{Pass: 75}, []func(string) Pair{alike, worse, alike, alike}, "", pass, 75, "3 of 4 metrics passed; failed: b"},
		{"two of four fail", slipway.Analysis{}, []func(string) Pair{alike, worse, worse, alike}, "", fail, 50, "2 of 4 metrics passed; failed: b: "},
		{"two of four fail, and that is marginal", slipway.Analysis{Marginal: 50}, []func(string) Pair{alike, worse, worse, alike}, "", marginal, 50, ""},
		{"pass below the default margin", slipway.Analysis{Pass: 50}, []func(string) Pair{alike, worse, worse, alike}, "", pass, 50, ""},
		{"a critical one fails", slipway.Analysis{}, []func(string) Pair{alike, alike, alike, worse}, "d", fail, 0, "a critical metric failed: d: higher than its control by 6.5"},
		{"a critical one fails, and of all others there is no data", slipway.Analysis{}, []func(string) Pair{worse, scarce, absent, nil}, "a", fail, 0, "a critical metric failed: a"},
		{"a critical one has no data", slipway.Analysis{}, []func(string) Pair{alike, alike, alike, scarce}, "d", noData, 0, "a critical metric could not be judged: d: 60 samples of the canary and 49 of its control, of 50"},
		{"one of three has no data", slipway.Analysis{}, []func(string) Pair{alike, alike, scarce}, "", pass, 100, "2 of 2 metrics passed; not judged: c: 60 samples"},
		{"half have no data", slipway.Analysis{}, []func(string) Pair{alike, absent}, "", noData, 0, "1 of 2 metrics could not be judged: b: nobody answers"},
		{"half have no data and the others fail", slipway.Analysis{}, []func(string) Pair{worse, absent}, "", noData, 0, "1 of 2 metrics could not be judged"},
		{"nothing was measured", slipway.Analysis{}, []func(string) Pair{nil}, "", noData, 0, "1 of 1 metric could not be judged: a: it was not measured"},
		{"fewer samples will do", slipway.Analysis{MinSamples: 49}, []func(string) Pair{scarce}, "a", pass, 100, "1 of 1 metric passed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pairs []Pair
			for i, of := range c.pairs {
				name := string(rune('a' + i))
				c.spec.Metrics = append(c.spec.Metrics, slipway.Metric{Name: name, Critical: strings.Contains(c.critical, name)})
				if of != nil {
					pairs = append(pairs, of(name))
				}
			}
			v := Judge(c.spec, pairs)
			if v.Grade != c.grade || v.Score != c.score || !strings.HasPrefix(v.Detail, c.detail) {
				t.Errorf("got %s with %v: %s, want %s with %v: %s…", v.Grade, v.Score, v.Detail, c.grade, c.score, c.detail)
			}
			if len(v.Metrics) != len(c.pairs) {
				t.Errorf("%d metrics are told of", len(v.Metrics))
			}
		})
	}
}

func TestMetricWithoutEnough(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name            string
		canary, control []float64
		min             int
		detail          string
	}{
		{"no canary", nil, ramp(60, 1), 0, "0 samples of the canary and 60 of its control, of 50 that are needed of each"},
		{"no control", ramp(60, 1), nil, 0, "60 samples of the canary and 0 of its control"},
		{"neither", nil, nil, 0, "0 samples of the canary and 0 of its control"},
		{"only gaps", slices.Repeat([]float64{nan}, 60), ramp(60, 1), 0, "0 samples of the canary and 60"},
		{"divisions by zero", slices.Repeat([]float64{inf, -inf}, 60), ramp(60, 1), 0, "0 samples of the canary and 60"},
		{"gaps between", append(slices.Repeat([]float64{nan}, 11), ramp(49, 1)...), ramp(60, 1), 0, "49 samples of the canary and 60"},
		{"one that is worse by far", []float64{1e6}, []float64{1}, 1, "1 sample of the canary and 1 of its control: with so few, any difference could be chance"},
		{"four and four", ramp(4, 9), ramp(4, 1), 1, "4 samples of the canary and 4 of its control: with so few"},
		{"two of the same", []float64{0, 0}, []float64{0, 0}, 2, "2 samples of the canary and 2 of its control: with so few"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(slipway.Analysis{Metrics: []slipway.Metric{{Name: "m"}}, MinSamples: c.min}, []Pair{pair("m", c.canary, c.control)})
			if m := v.Metrics[0]; m.Grade != slipway.GradeNoData || v.Grade != slipway.GradeNoData || !strings.HasPrefix(m.Detail, c.detail) || m.P != 1 {
				t.Errorf("got %+v", v)
			}
		})
	}
	// With a fifth sample of each, it can be told.
	v := Judge(slipway.Analysis{Metrics: []slipway.Metric{{Name: "m"}}, MinSamples: 5}, []Pair{pair("m", ramp(5, 9), ramp(5, 1))})
	if v.Grade != slipway.GradeFail {
		t.Errorf("five and five: got %+v", v)
	}
}

// A wild value in the control does not hide that the canary is worse: neither from the test nor from the least effect.
func TestOutlierHidesNothing(t *testing.T) {
	control := ramp(60, 1)
	control[7] = 60
	spec := slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", MinEffect: 0.3}}}
	v := Judge(spec, []Pair{pair("m", ramp(60, 2), control)})
	if m := v.Metrics[0]; m.Grade != slipway.GradeFail || m.Canary >= 1.3*m.Control {
		t.Errorf("got %+v", m)
	}
}

func TestResultTellsWhatWasCompared(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 12, 0, s, 0, time.UTC) }
	p := worse("m")
	p.Canary.Times, p.Control.Times = []time.Time{at(5), at(9)}, []time.Time{at(2), at(7)}
	got := Judge(slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", Critical: true}}}, []Pair{p})
	m := got.Metrics[0]
	if !(m.P > 0 && m.P < 1e-9) {
		t.Errorf("p is %v", m.P)
	}
	m.P = 0
	want := slipway.MetricResult{Name: "m", Grade: slipway.GradeFail, Critical: true, Canary: 9, Control: m.Control, Samples: [2]int{60, 60}, Effect: m.Effect, Detail: m.Detail}
	if diff := cmp.Diff(want, m); diff != "" || math.Abs(m.Control-2.49167) > 1e-5 || math.Abs(m.Effect-6.50833) > 1e-5 {
		t.Errorf("got %+v\n%s", m, diff)
	}
	if got.Canary != "hello-prod-v002" || got.Control != "hello-prod-v001" || got.From != at(2) || got.To != at(9) {
		t.Errorf("got %+v", got)
	}
}

func TestDefaults(t *testing.T) {
	want := slipway.Analysis{
		Metrics: []slipway.Metric{
			{Name: "error rate", Source: slipway.SourceErrors, Direction: slipway.DirectionIncrease, Critical: true, Tolerance: 0.25},
			{Name: "latency", Source: slipway.SourceLatency, Direction: slipway.DirectionIncrease, Tolerance: 0.25, MinEffect: 0.1},
		},
		Pass: 95, Marginal: 75, MinSamples: 50,
	}
	if diff := cmp.Diff(want, Defaults(slipway.Analysis{})); diff != "" {
		t.Error(diff)
	}
	own := slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", Query: "up"}}, Pass: 60, MinSamples: 7, LowTraffic: slipway.LowTrafficHold}
	got := Defaults(own)
	if got.Pass != 60 || got.Marginal != 60 || got.MinSamples != 7 || got.LowTraffic != slipway.LowTrafficHold || got.Metrics[0].Tolerance != 0.25 {
		t.Errorf("got %+v", got)
	}
	if own.Metrics[0].Tolerance != 0 {
		t.Error("the caller's metrics were changed")
	}
	merged := Merge(slipway.Analysis{Pass: 80}, own)
	if merged.Pass != 80 || merged.MinSamples != 7 || merged.Metrics[0].Name != "m" || merged.LowTraffic != slipway.LowTrafficHold {
		t.Errorf("got %+v", merged)
	}
}

func TestFromSamples(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 12, 0, s, 0, time.UTC) }
	samples := []slipway.Sample{
		{Time: at(3), Group: "a", Requests: 4, Errors: 1, Latency: slipway.Duration(20 * time.Millisecond)},
		{Time: at(1), Group: "a", Requests: 10, Latency: slipway.Duration(1500 * time.Millisecond)},
		{Time: at(1), Group: "b", Requests: 1, Errors: 1},
		{Time: at(2), Group: "a"},
	}
	for _, c := range []struct {
		source slipway.MetricSource
		want   []float64
	}{
		{slipway.SourceErrors, []float64{0, math.NaN(), 0.25}},
		{slipway.SourceLatency, []float64{1.5, math.NaN(), 0.02}},
		{"nonsense", []float64{math.NaN(), math.NaN(), math.NaN()}},
	} {
		got := FromSamples(samples, "a", c.source)
		same := slices.EqualFunc(got.Values, c.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
		if !same || got.Group != "a" || !slices.Equal(got.Times, []time.Time{at(1), at(2), at(3)}) {
			t.Errorf("%s: got %+v, want %v", c.source, got, c.want)
		}
	}
	if got := FromSamples(samples, "c", slipway.SourceErrors); got.Group != "c" || len(got.Values) > 0 {
		t.Errorf("got %+v", got)
	}
}
