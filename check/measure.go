package check

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// measureTimeout is how long a measurement may take that neither its check nor its kind limits.
const measureTimeout = 5 * time.Second

// How much of what a measurement found is kept, and how much of what a check is called, letters.
const (
	maxDetail = 500
	maxName   = 100
)

// Measurer takes measurements of checks. It keeps nothing between two of them, and is safe for concurrent use.
type Measurer struct {
	Provider   slipway.Provider
	Pools      Pools                  // counters of load balancers; a [slipway.Router] has them
	Prometheus func(url string) Asker // the Prometheus at a URL; nil: there are no promql checks
	HTTP       http.RoundTripper      // posts to webhooks; default http.DefaultTransport
}

// Pools tells what load balancers count, as [slipway.Router] does.
type Pools interface {
	Pool(ctx context.Context, loadBalancer string) (slipway.PoolStatus, error)
}

// Asker asks a Prometheus.
type Asker interface {
	// Query returns the series that the query has at a time, each with one value, which may be NaN or infinite. Invalid if the query is
	// wrong, Unavailable if there is no answer to be had.
	Query(ctx context.Context, query string, at time.Time) ([]slipway.Series, error)
}

// Subject is what is measured.
type Subject struct {
	Deployment slipway.Deployment // its Target, above all
	Phase      slipway.Phase
	Since      time.Time          // when the target got traffic, or was made
	Before     slipway.PoolStatus // what the load balancer had counted at Since; zero if the target had no traffic ever before
	Printed    map[string]int     // lines that each machine had printed at Since, as [Measurer.Printed] has them; of a machine that is not listed, all count
}

// Measure makes one measurement. It returns when ctx is done, or in the check's timeout at the latest. Whatever keeps it from measuring is
// no data, with the reason as Detail: it is never an error, and never success.
func (m Measurer) Measure(ctx context.Context, c slipway.Check, s Subject) slipway.Measurement {
	start := time.Now()
	found := m.measure(ctx, c, s)
	if ctx.Err() != nil && found.Outcome != slipway.OutcomePass { // what was cut off proves nothing
		found = noData("aborted before there was an answer: %w", context.Cause(ctx))
	}
	found.Check, found.Phase, found.Time = CheckName(c), s.Phase, start.UTC()
	found.Detail = cut(printable([]byte(found.Detail)), maxDetail)
	if found.Value != nil && (math.IsNaN(*found.Value) || math.IsInf(*found.Value, 0)) {
		found.Value = nil // JSON has no such numbers; Detail says it
	}
	return found
}

func (m Measurer) measure(ctx context.Context, c slipway.Check, s Subject) slipway.Measurement {
	if test, ok := c.Test(); ok {
		return m.machines(ctx, test, c.Timeout, s)
	}
	timeout := c.Timeout.Or(measureTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	switch {
	case c.Webhook != nil:
		return m.webhook(ctx, CheckName(c), c.Webhook, s)
	case c.PromQL != nil:
		return m.promql(ctx, c.PromQL, s)
	case c.LoadBalancer != nil:
		return m.loadBalancer(ctx, c.LoadBalancer, s)
	case c.Log != nil:
		return m.log(ctx, c.Log, s)
	}
	return noData("the check says nothing to do")
}

// CheckName returns what people call the check: "http /healthz", "promql sum(rate(errors[1m]))", "webhook https://…", "load_balancer",
// "log ERROR". Two checks of a deployment may have the same name.
func CheckName(c slipway.Check) string {
	name := ""
	test, machine := c.Test()
	switch {
	case machine:
		name = Name(test)
	case c.PromQL != nil:
		name = "promql " + c.PromQL.Query
	case c.Webhook != nil:
		name = "webhook " + withoutSecrets(c.Webhook.URL)
	case c.LoadBalancer != nil:
		name = "load_balancer"
	case c.Log != nil:
		name = "log " + c.Log.Pattern
	default:
		name = "nothing"
	}
	return cut(strings.Join(strings.Fields(printable([]byte(name))), " "), maxName)
}

func pass(format string, args ...any) slipway.Measurement {
	return slipway.Measurement{Outcome: slipway.OutcomePass, Detail: fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) slipway.Measurement {
	return slipway.Measurement{Outcome: slipway.OutcomeFail, Detail: fmt.Sprintf(format, args...)}
}

func noData(format string, args ...any) slipway.Measurement {
	return slipway.Measurement{Outcome: slipway.OutcomeNoData, Detail: fmt.Errorf(format, args...).Error()}
}

// unanswered is no data because of err, or because ctx is done.
func unanswered(ctx context.Context, what string, err error) slipway.Measurement {
	return noData("%s: %w", what, reason(ctx, err))
}

// of returns the measurement with what was measured.
func of(m slipway.Measurement, value float64) slipway.Measurement {
	m.Value = &value
	return m
}

// cut returns the beginning of text, with at most n letters.
func cut(text string, n int) string {
	if letters := []rune(text); len(letters) > n {
		return string(letters[:n-1]) + "…"
	}
	return text
}
