//go:build ignore

// Makes the recorded series, each the same every time. The verdicts they must get are in recorded_test.go.
//
//	cd analysis/testdata && go run generate.go && Rscript reference.R
package main

import (
	"encoding/csv"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
)

// none is an interval in which nothing was measured.
var none = math.NaN()

func main() {
	for i, c := range []struct {
		name string
		make func(r *rand.Rand) (canary, control []float64)
	}{
		{"same", func(r *rand.Rand) (a, b []float64) { return latency(r, 60, 1), latency(r, 60, 1) }},
		{"shifted_up", func(r *rand.Rand) (a, b []float64) { return latency(r, 60, 1.25), latency(r, 60, 1) }},
		{"shifted_down", func(r *rand.Rand) (a, b []float64) { return latency(r, 60, 0.8), latency(r, 60, 1) }},
		{"slightly_up", func(r *rand.Rand) (a, b []float64) { return latency(r, 900, 1.06), latency(r, 900, 1) }},
		{"only_variance", func(r *rand.Rand) (a, b []float64) { return normal(r, 60, 0.100, 0.030), normal(r, 60, 0.100, 0.005) }},
		{"error_spikes", func(r *rand.Rand) (a, b []float64) { return errors(r, 60, 0.35), errors(r, 60, 0) }},
		{"errors_in_both", func(r *rand.Rand) (a, b []float64) { return errors(r, 60, 0.3), errors(r, 60, 0.3) }},
		{"single_error_spike", func(r *rand.Rand) (a, b []float64) {
			a, b = errors(r, 60, 0), errors(r, 60, 0)
			a[17] = 1
			return a, b
		}},
		{"single_outlier", func(r *rand.Rand) (a, b []float64) {
			a, b = latency(r, 60, 1), latency(r, 60, 1)
			a[40] = 30
			return a, b
		}},
		{"low_traffic", func(r *rand.Rand) (a, b []float64) {
			a, b = latency(r, 60, 2), latency(r, 60, 1)
			for i := range a {
				if i%5 > 0 {
					a[i] = none
				}
			}
			return a, b
		}},
		{"constant_zero", func(*rand.Rand) (a, b []float64) { return constant(60, 0), constant(60, 0) }},
		{"constant_different", func(*rand.Rand) (a, b []float64) { return constant(60, 0.2), constant(60, 0) }},
		{"step_in_the_middle", func(r *rand.Rand) (a, b []float64) {
			return append(latency(r, 30, 1), latency(r, 30, 1.8)...), latency(r, 60, 1)
		}},
		{"bimodal_same", func(r *rand.Rand) (a, b []float64) { return bimodal(r, 120, 0.3), bimodal(r, 120, 0.3) }},
		{"bimodal_more_misses", func(r *rand.Rand) (a, b []float64) { return bimodal(r, 120, 0.65), bimodal(r, 120, 0.3) }},
		{"coarse_clock", func(r *rand.Rand) (a, b []float64) {
			a, b = latency(r, 80, 1.4), latency(r, 80, 1)
			for i := range a {
				a[i], b[i] = math.Round(100*a[i])/100, math.Round(100*b[i])/100
			}
			return a, b
		}},
		{"different_lengths", func(r *rand.Rand) (a, b []float64) { return latency(r, 52, 1.3), latency(r, 400, 1) }},
		{"short", func(r *rand.Rand) (a, b []float64) { return latency(r, 12, 1.6), latency(r, 15, 1) }},
	} {
		canary, control := c.make(rand.New(rand.NewPCG(1, uint64(i))))
		if err := write(c.name+".csv", canary, control); err != nil {
			log.Fatal(err)
		}
	}
}

// latency has a long tail; the median is 50 ms times factor.
func latency(r *rand.Rand, n int, factor float64) []float64 {
	return repeat(n, func() float64 { return 0.050 * factor * math.Exp(0.2*r.NormFloat64()) })
}

func normal(r *rand.Rand, n int, mean, deviation float64) []float64 {
	return repeat(n, func() float64 { return mean + deviation*r.NormFloat64() })
}

// errors is zero but in the share of intervals that is given.
func errors(r *rand.Rand, n int, share float64) []float64 {
	return repeat(n, func() float64 {
		if r.Float64() >= share {
			return 0
		}
		return 0.02 + 0.3*r.Float64()
	})
}

// bimodal is of a cache: a hit takes 5 ms, a miss 60.
func bimodal(r *rand.Rand, n int, misses float64) []float64 {
	return repeat(n, func() float64 {
		if r.Float64() < misses {
			return 0.060 * math.Exp(0.1*r.NormFloat64())
		}
		return 0.005 * math.Exp(0.1*r.NormFloat64())
	})
}

func constant(n int, v float64) []float64 { return repeat(n, func() float64 { return v }) }

func repeat(n int, f func() float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = f()
	}
	return values
}

// write writes one value of each group a line; an empty cell is an interval in which nothing was measured, or past the end.
func write(name string, canary, control []float64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	cell := func(values []float64, i int) string {
		if i >= len(values) || math.IsNaN(values[i]) {
			return ""
		}
		return strconv.FormatFloat(values[i], 'f', 6, 64)
	}
	w.Write([]string{"canary", "control"})
	for i := range max(len(canary), len(control)) {
		w.Write([]string{cell(canary, i), cell(control, i)})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return f.Close()
}
