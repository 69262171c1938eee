package check

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

// promql asks a Prometheus for the values of now, and compares each with the bounds.
func (m Measurer) promql(ctx context.Context, c *slipway.PromQLCheck, s Subject) slipway.Measurement {
	server := c.Server
	if server == "" {
		server = s.Deployment.Environment.Prometheus
	}
	switch {
	case m.Prometheus == nil || server == "":
		return noData("there is no Prometheus to ask: neither the check nor the environment names one")
	case c.Min == nil && c.Max == nil:
		return noData("the check has no bounds")
	}
	query, err := Expand(c.Query, Variables(s.Deployment))
	if err != nil {
		return noData("%w", err)
	}
	series, err := m.Prometheus(server).Query(ctx, query, time.Now())
	if err != nil {
		return unanswered(ctx, "Prometheus", err)
	}
	return judge(c, series)
}

// judge compares every series with the bounds. One that is out of them fails, whatever is missing; one without a number is no data.
func judge(c *slipway.PromQLCheck, series []slipway.Series) slipway.Measurement {
	worst, value, margin, missing := "", 0.0, math.Inf(1), ""
	for _, one := range series {
		name := or(one.Labels, "the value")
		if len(one.Values) == 0 || math.IsNaN(one.Values[len(one.Values)-1]) {
			missing = name
			continue
		}
		v := one.Values[len(one.Values)-1]
		if left := room(v, c.Min, c.Max); worst == "" || left < margin {
			worst, value, margin = name, v, left
		}
	}
	switch text := worst + " is " + number(value); {
	case len(series) == 0:
		return noData("the answer is empty")
	case worst != "" && margin < 0:
		return of(fail("%s, want %s", text, bounds(c.Min, c.Max)), value)
	case missing != "":
		return noData("%s is NaN", missing)
	case len(series) > 1:
		return of(pass("%s, the worst of %d series", text, len(series)), value)
	default:
		return of(pass("%s", text), value)
	}
}

// room returns how far the value is from the nearer bound; negative outside.
func room(v float64, low, high *float64) float64 {
	left := math.Inf(1)
	for _, b := range []struct {
		bound *float64
		sign  float64
	}{{low, 1}, {high, -1}} {
		if b.bound == nil {
			continue
		}
		switch away := b.sign * (v - *b.bound); {
		case v == *b.bound: // infinite ones, too, whose difference is no number
			left = min(left, 0)
		case math.IsNaN(away):
			left = math.Inf(-1)
		default:
			left = min(left, away)
		}
	}
	return left
}

func bounds(low, high *float64) string {
	switch {
	case high == nil:
		return "at least " + number(*low)
	case low == nil:
		return "at most " + number(*high)
	}
	return number(*low) + " to " + number(*high)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
