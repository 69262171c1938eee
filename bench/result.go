package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is one figure. Its form is that of build/bench.json.
type Result struct {
	Name      string     `json:"name"`
	Unit      string     `json:"unit"`
	N         int        `json:"n"`
	Min       float64    `json:"min"`
	Median    float64    `json:"median"`
	Max       float64    `json:"max"`
	Reference *Reference `json:"reference,omitempty"`
	Ratio     float64    `json:"ratio,omitempty"` // of the medians
	LimitOn   string     `json:"limit_on"`        // what the limit is for: ratio, median or max
	Limit     float64    `json:"limit"`
	OK        bool       `json:"ok"`             // within the limit
	Rows      []Waiting  `json:"rows,omitempty"` // of the table that it sums up
}

// Reference is what a figure is compared with, measured in the same run, turn and turn about.
type Reference struct {
	Name   string  `json:"name"`
	Median float64 `json:"median"`
}

// millis adds a figure in milliseconds, and compares it with the reference unless that is "".
func (b *bench) millis(name string, samples []time.Duration, reference string, references []time.Duration, limitOn string, limit float64) {
	b.add(name, "ms", inMillis(samples), reference, inMillis(references), limitOn, limit)
}

func (b *bench) add(name, unit string, samples []float64, reference string, references []float64, limitOn string, limit float64) {
	r := Result{
		Name: name, Unit: unit, N: len(samples),
		Min: slices.Min(samples), Median: median(samples), Max: slices.Max(samples),
		LimitOn: limitOn, Limit: limit,
	}
	if reference != "" {
		r.Reference = &Reference{Name: reference, Median: median(references)}
		r.Ratio = r.Median / r.Reference.Median
	}
	switch limitOn {
	case "ratio":
		r.OK = r.Ratio <= limit
	case "median":
		r.OK = r.Median <= limit
	case "max":
		r.OK = r.Max <= limit
	}
	b.results = append(b.results, r)
}

func median(samples []float64) float64 {
	s := slices.SortedFunc(slices.Values(samples), cmp.Compare[float64])
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// percentile returns what so many percent of the samples are at most.
func percentile[T cmp.Ordered](samples []T, percent float64) T {
	s := slices.Sorted(slices.Values(samples))
	return s[max(0, int(math.Ceil(percent/100*float64(len(s))))-1)]
}

func inMillis(samples []time.Duration) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = float64(s.Microseconds()) / 1000
	}
	return all
}

// printTable prints the figures for people.
func printTable(out io.Writer, results []Result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWHAT\tN\tMIN\tMEDIAN\tMAX\tUNIT\tREFERENCE\tRATIO\tLIMIT\t")
	for _, r := range results {
		reference, ratio, verdict := "", "", "ok"
		if r.Reference != nil {
			reference = fmt.Sprintf("%s: %s", r.Reference.Name, short(r.Reference.Median))
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		if !r.OK {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s <= %g\t%s\n", r.Name, r.N, short(r.Min), short(r.Median), short(r.Max), r.Unit,
			reference, ratio, r.LimitOn, r.Limit, verdict)
	}
	w.Flush()
}

// short leaves three digits or so.
func short(v float64) string {
	if v >= 100 || v == 0 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
