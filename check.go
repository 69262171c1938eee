package slipway

import "time"

// Check decides whether a deployment goes on. Exactly one of its kinds is set: those of machines, which are tried on every machine of
// the new group, or one of those that look at the group as a whole.
type Check struct {
	HTTP    *HTTPTest    `json:"http,omitempty"`
	TCP     *TCPTest     `json:"tcp,omitempty"`
	Command *CommandTest `json:"command,omitempty"` // in the machine
	File    *FileTest    `json:"file,omitempty"`
	Package *PackageTest `json:"package,omitempty"`
	User    *UserTest    `json:"user,omitempty"`

	Log          *LogCheck          `json:"log,omitempty"`           // what the machines' services print
	LoadBalancer *LoadBalancerCheck `json:"load_balancer,omitempty"` // what the load balancer counts
	PromQL       *PromQLCheck       `json:"promql,omitempty"`        // what a Prometheus says
	Webhook      *WebhookCheck      `json:"webhook,omitempty"`       // what somebody else's program says

	When     []Phase      `json:"when,omitempty"`     // default: before, for checks of machines and webhooks; during and after for the others
	Interval Duration     `json:"interval,omitempty"` // between two measurements; default 10s; 1s for load_balancer and log
	Count    int          `json:"count,omitempty"`    // before traffic: measurements that must pass; default 1. During and after it is measured until the phase is over
	Failures int          `json:"failures,omitempty"` // failed measurements that are borne with; default 0
	Timeout  Duration     `json:"timeout,omitempty"`  // of one measurement, where its kind has none of its own; default 5s
	NoData   NoDataPolicy `json:"no_data,omitempty"`  // when nothing can be measured, or what is asked cannot tell; default hold
}

// Phase is a part of a deployment.
type Phase string

// The phases.
const (
	PhaseBefore Phase = "before" // the new group is healthy, and has no traffic
	PhaseDuring Phase = "during" // it has some of the traffic
	PhaseAfter  Phase = "after"  // it has all of it, and is watched
)

// Phases lists every phase, in order.
var Phases = []Phase{PhaseBefore, PhaseDuring, PhaseAfter}

// NoDataPolicy says what a check means that could not be made: never success in silence.
type NoDataPolicy string

// The policies.
const (
	NoDataFail NoDataPolicy = "fail" // as if it had failed
	NoDataHold NoDataPolicy = "hold" // the deployment waits for data, at most as long as it would have waited for machines to become healthy; then it fails
	NoDataPass NoDataPolicy = "pass" // the deployment goes on, and says in its record that nothing was measured
)

// NoDataPolicies lists every policy.
var NoDataPolicies = []NoDataPolicy{NoDataFail, NoDataHold, NoDataPass}

// LogCheck counts lines of the machines' logs that have come since the machines got traffic, or were made.
type LogCheck struct {
	Pattern string `json:"pattern"`       // a regular expression (RE2)
	Max     int    `json:"max,omitempty"` // lines that are borne with, all machines together
}

// LoadBalancerCheck bounds what the load balancer counts of the group since it got traffic.
type LoadBalancerCheck struct {
	MaxErrors   *float64 `json:"max_errors,omitempty"`   // share of requests that failed or were answered 5xx, from 0 to 1
	MaxLatency  Duration `json:"max_latency,omitempty"`  // mean response time
	MinRequests int64    `json:"min_requests,omitempty"` // below that many requests there is no data; default 20
}

// PromQLCheck asks a Prometheus. In Query, $application, $environment, $group (the new server group), $source and $baseline stand for
// names. Every series of the answer must be within the bounds; an empty answer, or NaN, is no data.
type PromQLCheck struct {
	Query  string   `json:"query"`
	Server string   `json:"server,omitempty"` // URL; default: the environment's prometheus
	Min    *float64 `json:"min,omitempty"`
	Max    *float64 `json:"max,omitempty"`
}

// WebhookCheck posts what is going on, as JSON, and takes the answer: {"result": "pass" | "fail" | "inconclusive", "message": "…"}
// with status 200. Inconclusive, any other answer, and none within the check's timeout, are no data.
type WebhookCheck struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}

// Outcome is what one measurement of a check found.
type Outcome string

// The outcomes.
const (
	OutcomePass   Outcome = "pass"
	OutcomeFail   Outcome = "fail"
	OutcomeNoData Outcome = "no_data"
)

// Measurement is one measurement of a check.
type Measurement struct {
	Check   string    `json:"check"` // its name: "promql sum(rate(…))"
	Phase   Phase     `json:"phase,omitempty"`
	Time    time.Time `json:"time"`
	Outcome Outcome   `json:"outcome"`
	Value   *float64  `json:"value,omitempty"` // where it is a number
	Detail  string    `json:"detail,omitempty"`
}

// Test returns the check as a test of one machine, and whether it is one.
func (c Check) Test() (Test, bool) {
	t := Test{HTTP: c.HTTP, TCP: c.TCP, Command: c.Command, File: c.File, Package: c.Package, User: c.User}
	return t, t != Test{}
}

// In reports whether the check is made in the phase.
func (c Check) In(phase Phase) bool {
	for _, p := range c.When {
		if p == phase {
			return true
		}
	}
	if len(c.When) > 0 {
		return false
	}
	_, machine := c.Test()
	return (machine || c.Webhook != nil) == (phase == PhaseBefore)
}

// Every returns the time between two measurements.
func (c Check) Every() time.Duration {
	if c.LoadBalancer != nil || c.Log != nil {
		return c.Interval.Or(time.Second)
	}
	return c.Interval.Or(10 * time.Second)
}

// WithoutData returns what is done when nothing can be measured.
func (c Check) WithoutData() NoDataPolicy {
	if c.NoData == "" {
		return NoDataHold
	}
	return c.NoData
}
