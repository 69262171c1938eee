package promql

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// maxShown is how much is shown of an answer that is not a Prometheus's, bytes.
const maxShown = 200

// answer is what the API answers: https://prometheus.io/docs/prometheus/latest/querying/api/.
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// element is one series of an answer.
type element struct {
	Metric     map[string]string `json:"metric"`
	Value      *point            `json:"value"`      // in a vector
	Values     []point           `json:"values"`     // in a matrix
	Histogram  json.RawMessage   `json:"histogram"`  // instead of a value
	Histograms json.RawMessage   `json:"histograms"` // instead of values, or of some
}

// point is a value at a time: [1435781430.781, "1"], in which the value may be "NaN", "+Inf" or "-Inf".
type point struct {
	time  time.Time
	value float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *point) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 2 {
		return fmt.Errorf("want a time and a value, got %d things", len(parts))
	}
	var at float64
	var text string
	if err := json.Unmarshal(parts[0], &at); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[1], &text); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%q is no number", text)
	}
	if math.Abs(at) > 1e12 { // the year 33658: beyond it JSON has no times
		return fmt.Errorf("%g is no time", at)
	}
	*p = point{time.UnixMilli(int64(math.Round(at * 1000))).UTC(), value}
	return nil
}

// readAnswer returns the series of an answer, an Invalid error if the query is wrong, or any other if this is not what a Prometheus that
// works answers.
func readAnswer(status int, text []byte) ([]slipway.Series, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || a.Status == "" {
		return nil, fmt.Errorf("it answered with status %d, and not as a Prometheus does: %s", status, shown(text))
	}
	switch {
	case status/100 == 2 && a.Status == "success":
		return readData(a.Data.Type, a.Data.Result)
	case status/100 != 5 && (a.ErrorType == "bad_data" || a.ErrorType == "execution"):
		return nil, slipway.Errorf(slipway.Invalid, "the Prometheus says: %s", shown([]byte(a.Error)))
	}
	return nil, fmt.Errorf("it answered with status %d: %s", status, shown([]byte(cmp.Or(a.Error, string(text)))))
}

func readData(kind string, result json.RawMessage) ([]slipway.Series, error) {
	var all []slipway.Series
	var err error
	switch kind {
	case "scalar":
		var p *point
		if err = json.Unmarshal(result, &p); err == nil && p != nil {
			return []slipway.Series{series(nil, *p)}, nil
		}
	case "vector", "matrix":
		var elements []element
		if err = json.Unmarshal(result, &elements); err != nil {
			break
		}
		all = make([]slipway.Series, 0, len(elements))
		for _, e := range elements {
			if len(e.Histogram)+len(e.Histograms) > 0 {
				return nil, slipway.Errorf(slipway.Invalid, "%s is a histogram, want numbers, as of histogram_quantile or histogram_avg", Labels(e.Metric))
			}
			points := e.Values
			if e.Value != nil {
				points = append(points, *e.Value)
			}
			all = append(all, series(e.Metric, points...))
		}
		slices.SortStableFunc(all, func(a, b slipway.Series) int { return strings.Compare(a.Labels, b.Labels) })
		return all, nil
	case "string":
		return nil, slipway.Errorf(slipway.Invalid, "the answer is a text, want numbers")
	}
	return nil, fmt.Errorf("it answered a %q that cannot be read (%v): %s", kind, err, shown(result))
}

func series(labels map[string]string, points ...point) slipway.Series {
	s := slipway.Series{Labels: Labels(labels), Times: make([]time.Time, len(points)), Values: make([]float64, len(points))}
	for i, p := range points {
		s.Times[i], s.Values[i] = p.time, p.value
	}
	return s
}

// Labels returns labels as PromQL writes them: up{instance="10.0.0.2:80", job="hello"}; "" if there are none.
func Labels(labels map[string]string) string {
	const metric = "__name__"
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != metric {
			parts = append(parts, name+"="+strconv.Quote(labels[name]))
		}
	}
	if len(parts) == 0 {
		return labels[metric]
	}
	return labels[metric] + "{" + strings.Join(parts, ", ") + "}"
}

// shown returns the beginning of what was answered.
func shown(text []byte) string {
	text = []byte(strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), 4*maxShown)])), "\uFFFD"))
	if len(text) == 0 {
		return "nothing"
	}
	if len(text) > maxShown {
		return fmt.Sprintf("%q…", text[:maxShown])
	}
	return fmt.Sprintf("%q", text)
}
