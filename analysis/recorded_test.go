package analysis

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// The series in testdata get the verdicts that whoever made them meant: see testdata/generate.go.
func TestRecordedSeries(t *testing.T) {
	up, down, either := slipway.DirectionIncrease, slipway.DirectionDecrease, slipway.DirectionEither
	pass, fail, noData := slipway.GradePass, slipway.GradeFail, slipway.GradeNoData
	tested := map[string]bool{}
	for _, c := range []struct {
		series    string
		direction slipway.MetricDirection
		minEffect float64
		want      slipway.Grade
		detail    string // part of it
	}{
		{"same", either, 0, pass, "no worse"},
		{"shifted_up", up, 0, fail, "higher than its control by 0.0115"},
		{"shifted_up", down, 0, pass, "no worse"},
		{"shifted_up", either, 0, fail, "higher"},
		{"shifted_down", up, 0, pass, "no worse"},
		{"shifted_down", down, 0, fail, "lower than its control by 0.00889 (at 98 % confidence from 0.00517 to 0.0126)"},
		{"shifted_down", either, 0, fail, "lower"},
		{"slightly_up", up, 0, fail, "higher"},
		{"slightly_up", up, 0.1, pass, "less than the 10 % that count"},
		{"only_variance", either, 0, pass, "no worse"},
		{"error_spikes", up, 0, fail, "higher in 65 % of comparisons with its control, where 50 % were to be expected"},
		{"error_spikes", up, 0.5, fail, "higher"}, // from nothing to something is no small change
		{"error_spikes", down, 0, pass, "no worse"},
		{"errors_in_both", either, 0, pass, "no worse"},
		{"single_error_spike", up, 0, pass, "no worse"}, // it may be chance
		{"single_outlier", up, 0, pass, "no worse"},
		{"low_traffic", up, 0, noData, "12 samples of the canary and 60 of its control, of 50"},
		{"constant_zero", either, 0, pass, "all values are the same"},
		{"constant_different", up, 0, fail, "higher than its control by 0.2 (at 98 % confidence from 0.2 to 0.2)"},
		{"constant_different", down, 0, pass, "no worse"},
		{"step_in_the_middle", up, 0, fail, "higher"},
		{"bimodal_same", either, 0, pass, "no worse"},
		{"bimodal_more_misses", up, 0, fail, "higher"},
		{"coarse_clock", up, 0, fail, "higher"},
		{"different_lengths", up, 0, fail, "higher"},
		{"short", up, 0, noData, "12 samples of the canary and 15 of its control"},
	} {
		tested[c.series] = true
		t.Run(c.series+" "+string(c.direction), func(t *testing.T) {
			spec := slipway.Analysis{Metrics: []slipway.Metric{{Name: "m", Direction: c.direction, MinEffect: c.minEffect}}}
			canary, control := recorded(t, c.series)
			v := Judge(spec, []Pair{pair("m", canary, control)})
			if m := v.Metrics[0]; m.Grade != c.want || !strings.Contains(m.Detail, c.detail) {
				t.Errorf("got %s: %s, want %s: …%s…\n%+v", m.Grade, m.Detail, c.want, c.detail, m)
			}
			if v.Grade != c.want { // of a single metric
				t.Errorf("the verdict is %s, that of its only metric %s", v.Grade, c.want)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".csv"); name != "reference" && !tested[name] {
			t.Errorf("%s is recorded, and nobody says what its verdict is", name)
		}
	}
}

// What is computed is what R computes: see testdata/reference.R.
func TestSeriesAsR(t *testing.T) {
	rows := table(t, "reference")
	if len(rows) < 15 {
		t.Fatalf("reference.csv has %d rows", len(rows))
	}
	for _, row := range rows {
		t.Run(row[0], func(t *testing.T) {
			var want [7]float64 // n, m, u, p, estimate, lower, upper
			for i := range want {
				want[i] = number64(t, row[i+1])
			}
			canary, control := recorded(t, row[0])
			x, y := measured(canary), measured(control)
			c := compare(x, y)
			near := func(what string, got, want, within float64) {
				if !(math.Abs(got-want) <= within) {
					t.Errorf("%s is %v, R says %v", what, got, want)
				}
			}
			near("n", float64(len(x)), want[0], 0)
			near("m", float64(len(y)), want[1], 0)
			near("U", c.u, want[2], 0)
			near("p", c.p, want[3], 1e-9*want[3]+1e-14) // of very small ones the last digits are lost
			near("the estimate", c.estimate, want[4], 1e-12)
			if !math.IsNaN(want[5]) { // R has no interval for constants
				// R's bounds are where the statistic crosses a line between two differences, ours the difference there.
				within := 0.02*(want[6]-want[5]) + 1e-9
				near("the lower bound", c.lower, want[5], within)
				near("the upper bound", c.upper, want[6], within)
			}
		})
	}
}

func pair(name string, canary, control []float64) Pair {
	return Pair{Metric: name, Canary: slipway.Series{Group: "hello-prod-v002", Values: canary}, Control: slipway.Series{Group: "hello-prod-v001", Values: control}}
}

// recorded reads series of testdata; an empty cell is NaN.
func recorded(t *testing.T, name string) (canary, control []float64) {
	t.Helper()
	for _, row := range table(t, name) {
		canary, control = append(canary, number64(t, row[0])), append(control, number64(t, row[1]))
	}
	return canary, control
}

// table reads a CSV file without its headings.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func number64(t *testing.T, cell string) float64 {
	t.Helper()
	if slices.Contains([]string{"", "NA"}, cell) {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
