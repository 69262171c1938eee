package analysis

import (
	"encoding/json"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// Examples whose answers are in print.
func TestClassicExamples(t *testing.T) {
	for _, c := range []struct {
		name            string
		x, y            []float64
		u, p            float64
		estimate        float64
		lower, upper    float64 // at 98 %
		pWithin, within float64
	}{
		{
			// Hollander and Wolfe, Nonparametric Statistical Methods, example 4.1: permeability of the human chorioamnion at term and
			// at 12 to 26 weeks. R's help of wilcox.test has it too; p and estimate are in coin's documentation, the interval is R's.
			name: "Hollander and Wolfe 4.1",
			x:    []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46},
			y:    []float64{1.15, 0.88, 0.90, 0.74, 1.21},
			u:    35, p: 0.2544, estimate: 0.305, lower: -0.17, upper: 0.90, pWithin: 5e-5, within: 1e-9,
		},
		{
			// SciPy's documentation of mannwhitneyu: ages at which diabetes was diagnosed. U1 = 17; the exact p is 1/9.
			name: "SciPy's example",
			x:    []float64{19, 22, 16, 29, 24},
			y:    []float64{20, 11, 17, 12},
			u:    17, p: 1.0 / 9, estimate: 7, lower: -4, upper: 18, pWithin: 1e-12, within: 1e-9,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := compare(c.x, c.y)
			if got.u != c.u || math.Abs(got.p-c.p) > c.pWithin {
				t.Errorf("U is %v with p %v, want %v with %v", got.u, got.p, c.u, c.p)
			}
			if math.Abs(got.estimate-c.estimate) > c.within || math.Abs(got.lower-c.lower) > c.within || math.Abs(got.upper-c.upper) > c.within {
				t.Errorf("the shift is %v from %v to %v, want %v from %v to %v", got.estimate, got.lower, got.upper, c.estimate, c.lower, c.upper)
			}
		})
	}
}

// Against every way in which the values could have fallen to the groups, ties and all.
func TestCompareIsTheTestByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(i int) float64 { return float64(i) }), 2, 5)
		x, y := values.Draw(t, "x"), values.Draw(t, "y")
		u, p := byDefinition(x, y)
		got := compare(x, y)
		if got.same {
			if slices.Min(slices.Concat(x, y)) != slices.Max(slices.Concat(x, y)) {
				t.Fatalf("they are not the same")
			}
			return
		}
		if got.u != u || math.Abs(got.p-p) > 1e-9 {
			t.Fatalf("U is %v with p %v, want %v with %v", got.u, got.p, u, p)
		}
	})
}

// byDefinition returns U of x over y, and twice the share of all ways to choose len(x) of the values as the first group in which U is as far
// from the middle, or farther, on the same side.
func byDefinition(x, y []float64) (u, p float64) {
	statistic := func(x, y []float64) (u float64) {
		for _, a := range x {
			for _, b := range y {
				switch {
				case a > b:
					u++
				case a == b:
					u += 0.5
				}
			}
		}
		return u
	}
	u = statistic(x, y)
	all := slices.Concat(x, y)
	middle := float64(len(x)*len(y)) / 2
	ways, far := 0.0, 0.0
	for chosen := range 1 << len(all) {
		if bits.OnesCount(uint(chosen)) != len(x) {
			continue
		}
		var a, b []float64
		for i, v := range all {
			if chosen>>i&1 == 1 {
				a = append(a, v)
			} else {
				b = append(b, v)
			}
		}
		ways++
		if other := statistic(a, b); u <= middle && other <= u || u > middle && other >= u {
			far++
		}
	}
	if u == middle {
		return u, 1
	}
	return u, min(1, 2*far/ways)
}

// Every rank of every difference is what it is in a sorted list of all.
func TestDifference(t *testing.T) {
	values := rapid.SliceOfN(rapid.OneOf(
		rapid.Float64Range(-greatest, greatest),
		rapid.Float64Range(-1, 1),
		rapid.Map(rapid.IntRange(-3, 3), func(i int) float64 { return float64(i) }),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, greatest, -greatest}),
	), 1, 12)
	rapid.Check(t, func(t *rapid.T) {
		x, y := values.Draw(t, "x"), values.Draw(t, "y")
		slices.Sort(x)
		slices.Sort(y)
		var all []float64
		for _, a := range x {
			for _, b := range y {
				all = append(all, a-b)
			}
		}
		slices.Sort(all)
		for k, want := range all {
			if got := difference(x, y, k+1); got != want {
				t.Fatalf("difference %d is %v, want %v of %v", k+1, got, want, all)
			}
		}
		want := all[len(all)/2]
		if len(all)%2 == 0 {
			want = (all[len(all)/2-1] + want) / 2
		}
		if got := medianDifference(x, y); got != want {
			t.Fatalf("the median is %v, want %v of %v", got, want, all)
		}
	})
}

// series draws values as they are measured: of any kind, with ties, with gaps, of any length.
func series() *rapid.Generator[[]float64] {
	value := rapid.OneOf(
		rapid.Float64Range(0, 1),
		rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return float64(i) }),
		rapid.SampledFrom([]float64{0, 0, 0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, greatest, -greatest}),
	)
	return rapid.OneOf(
		rapid.SliceOfN(value, 0, 70),
		rapid.SliceOfN(rapid.Float64Range(0, 1), 5, 12),
		rapid.Custom(func(t *rapid.T) []float64 {
			return slices.Repeat([]float64{value.Draw(t, "v")}, rapid.IntRange(0, 70).Draw(t, "n"))
		}),
	)
}

func TestRulesOfComparison(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := measured(series().Draw(t, "x")), measured(series().Draw(t, "y"))
		if !decidable(len(x), len(y)) {
			return
		}
		c, mirror := compare(x, y), compare(y, x)
		if !(c.p >= 0 && c.p <= 1) {
			t.Fatalf("p is %v", c.p)
		}
		if c.lower > c.estimate || c.estimate > c.upper {
			t.Errorf("%v is not from %v to %v", c.estimate, c.lower, c.upper)
		}
		if certain := c.p < 1-Confidence-1e-9; certain && c.lower < 0 && c.upper > 0 {
			t.Errorf("p is %v, and the interval from %v to %v has room on both sides of 0", c.p, c.lower, c.upper)
		}
		if doubtful := c.p > 1-Confidence+1e-9; doubtful && (c.lower > 0 || c.upper < 0) {
			t.Errorf("p is %v, and the interval from %v to %v does not hold 0", c.p, c.lower, c.upper)
		}
		if math.Abs(c.p-mirror.p) > 1e-9 || c.u != mirror.pairs-mirror.u || c.estimate != -mirror.estimate || c.lower != -mirror.upper {
			t.Errorf("%+v is not the mirror of %+v", mirror, c)
		}
		if c.beyond(0.25) && c.mirrored().beyond(0.25) {
			t.Error("both are higher than the other")
		}
		if c.beyond(0.5) && !c.beyond(0.25) {
			t.Error("with less tolerance the difference is borne with")
		}
		if compare(x, x).beyond(1e-9) {
			t.Error("a series is higher than itself")
		}
	})
}

// Whatever comes in, a verdict that can be sent comes out; what lies below the minimum passes for nothing.
func TestRulesOfVerdicts(t *testing.T) {
	grades := []slipway.Grade{slipway.GradePass, slipway.GradeMarginal, slipway.GradeFail, slipway.GradeNoData}
	rapid.Check(t, func(t *rapid.T) {
		var spec slipway.Analysis
		var pairs []Pair
		for _, name := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "metrics")] {
			spec.Metrics = append(spec.Metrics, slipway.Metric{Name: name, Critical: rapid.Bool().Draw(t, "critical"), Direction: slipway.DirectionEither})
			if rapid.IntRange(0, 5).Draw(t, "there") > 0 {
				pairs = append(pairs, pair(name, series().Draw(t, "canary"), series().Draw(t, "control")))
			}
		}
		spec.MinSamples = rapid.SampledFrom([]int{1, 5, 50}).Draw(t, "min")
		v := Judge(spec, pairs)
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(grades, v.Grade) || v.Detail == "" || !(v.Score >= 0 && v.Score <= 100) {
			t.Fatalf("got %+v", v)
		}
		for _, m := range v.Metrics {
			if m.Detail == "" {
				t.Errorf("%+v says nothing", m)
			}
			if m.Grade != slipway.GradeNoData && (m.Samples[0] < spec.MinSamples || m.Samples[1] < spec.MinSamples) {
				t.Errorf("%+v is judged by too few samples", m)
			}
			if m.Critical && m.Grade != slipway.GradePass && (v.Grade == slipway.GradePass || v.Grade == slipway.GradeMarginal || v.Score != 0) {
				t.Errorf("got %s with %v, though the critical %+v", v.Grade, v.Score, m)
			}
		}
	})
}

// Two groups that are alike fail as seldom as was promised, and those that are not are found: over draws that are the same each time.
func TestHowOftenItIsWrong(t *testing.T) {
	const draws = 2000
	lognormal := func(r *rand.Rand) float64 { return math.Exp(0.3 * r.NormFloat64()) }
	sparse := func(share float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 {
			if r.Float64() < share {
				return r.Float64()
			}
			return 0
		}
	}
	ticks := func(r *rand.Rand) float64 { return math.Round(4 * lognormal(r)) }
	two := func(r *rand.Rand) float64 {
		if r.Float64() < 0.4 {
			return 12 * lognormal(r)
		}
		return lognormal(r)
	}
	for i, c := range []struct {
		name            string
		canary, control func(*rand.Rand) float64
		n, m            int
		least, most     float64 // share that fails
	}{
		{"alike", lognormal, lognormal, 60, 60, 0, 0.01},
		{"alike, few", lognormal, lognormal, 12, 12, 0, 0.01},
		{"alike, many and few", lognormal, lognormal, 300, 50, 0, 0.01},
		{"alike, mostly zero", sparse(0.1), sparse(0.1), 60, 60, 0, 0.01},
		{"alike, in ticks", ticks, ticks, 60, 60, 0, 0.01},
		{"alike, few and in ticks", ticks, ticks, 12, 12, 0, 0.01},
		{"alike, of two kinds", two, two, 60, 60, 0, 0.01},
		{"a third slower", func(r *rand.Rand) float64 { return 1.33 * lognormal(r) }, lognormal, 60, 60, 0.95, 1},
		{"errors in a third instead of none", sparse(0.33), sparse(0), 60, 60, 0.95, 1},
		{"errors in half instead of a tenth", sparse(0.5), sparse(0.1), 60, 60, 0.95, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, uint64(i)))
			draw := func(n int, of func(*rand.Rand) float64) []float64 {
				values := make([]float64, n)
				for i := range values {
					values[i] = of(r)
				}
				return values
			}
			failed := 0
			for range draws {
				cmp := compare(draw(c.n, c.canary), draw(c.m, c.control))
				if cmp.beyond(DefaultTolerance) || c.most < 0.5 && cmp.mirrored().beyond(DefaultTolerance) {
					failed++
				}
			}
			if share := float64(failed) / draws; share < c.least || share > c.most {
				t.Errorf("%.2f %% fail, want %.0f to %.0f %%", 100*share, 100*c.least, 100*c.most)
			} else {
				t.Logf("%.2f %% fail", 100*share)
			}
		})
	}
}
