package slipway

import "time"

// Analysis says how a canary is compared with its baseline. It is the method of Netflix's Kayenta: for each metric the Mann-Whitney U
// test at 98 % confidence, and a size of the effect; the score is the share of metrics that passed.
type Analysis struct {
	Metrics    []Metric         `json:"metrics,omitempty"`     // default: error rate, critical, and response time, both as the load balancer sees them
	Pass       int              `json:"pass,omitempty"`        // score, from 0 to 100, from which the last step passes; default 95
	Marginal   int              `json:"marginal,omitempty"`    // score below which any step fails; default 75
	MinSamples int              `json:"min_samples,omitempty"` // of each metric and group; default 50. With fewer there is no verdict
	LowTraffic LowTrafficPolicy `json:"low_traffic,omitempty"` // when there are fewer; default extend
	Extend     Duration         `json:"extend,omitempty"`      // for how long a step is extended or held at most; default 10 times its interval
}

// Metric is one thing that is compared.
type Metric struct {
	Name      string          `json:"name"`
	Query     string          `json:"query,omitempty"`      // PromQL, in which $group stands for the server group that is measured, and $application and $environment for names
	Server    string          `json:"server,omitempty"`     // default: the environment's prometheus
	Source    MetricSource    `json:"source,omitempty"`     // instead of a query
	Direction MetricDirection `json:"direction,omitempty"`  // which change is bad; default increase
	Critical  bool            `json:"critical,omitempty"`   // if it fails, all fails
	Tolerance float64         `json:"tolerance,omitempty"`  // share of the effect that is borne with; default 0.25
	MinEffect float64         `json:"min_effect,omitempty"` // relative change of the mean below which a difference is no difference; default 0
}

// MetricSource names what the load balancer knows.
type MetricSource string

// The sources.
const (
	SourceErrors  MetricSource = "errors"  // share of requests that failed, from 0 to 1
	SourceLatency MetricSource = "latency" // mean response time, seconds
)

// MetricSources lists every source.
var MetricSources = []MetricSource{SourceErrors, SourceLatency}

// MetricDirection says which change of a metric is bad.
type MetricDirection string

// The directions.
const (
	DirectionIncrease MetricDirection = "increase"
	DirectionDecrease MetricDirection = "decrease"
	DirectionEither   MetricDirection = "either"
)

// MetricDirections lists every direction.
var MetricDirections = []MetricDirection{DirectionIncrease, DirectionDecrease, DirectionEither}

// LowTrafficPolicy says what is done when there are too few samples for a verdict.
type LowTrafficPolicy string

// The policies.
const (
	LowTrafficExtend LowTrafficPolicy = "extend" // the step is observed longer, at most for Analysis.Extend; then it fails
	LowTrafficHold   LowTrafficPolicy = "hold"   // as extend, but a person may promote it, and it waits for one when the extension is over, for Policy.Hold
	LowTrafficPass   LowTrafficPolicy = "pass"   // it goes on, and says in its record that nothing was proved
)

// LowTrafficPolicies lists every policy.
var LowTrafficPolicies = []LowTrafficPolicy{LowTrafficExtend, LowTrafficHold, LowTrafficPass}

// Sample is what was measured of a server group in the interval that ends at Time.
type Sample struct {
	Time     time.Time `json:"time"`
	Group    string    `json:"group"`
	Requests int64     `json:"requests"` // in the interval
	Errors   int64     `json:"errors"`
	Latency  Duration  `json:"latency"` // mean response time
}

// Series is a metric of one group over time. Values may be NaN where nothing was measured.
type Series struct {
	Group  string      `json:"group"`
	Labels string      `json:"labels,omitempty"` // of one that a Prometheus has: {instance="10.0.0.2:80"}
	Times  []time.Time `json:"times"`
	Values []float64   `json:"-"`
}

// Grade is what analysis finds of a metric or of all of them.
type Grade string

// The grades.
const (
	GradePass     Grade = "pass"
	GradeMarginal Grade = "marginal" // good enough to go on, not to end well
	GradeFail     Grade = "fail"
	GradeNoData   Grade = "no_data" // too few samples
)

// Verdict is what a canary analysis found.
type Verdict struct {
	Grade   Grade          `json:"grade"`
	Score   float64        `json:"score"` // from 0 to 100
	Canary  string         `json:"canary"`
	Control string         `json:"control"` // what it was compared with
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Metrics []MetricResult `json:"metrics"`
	Detail  string         `json:"detail,omitempty"` // why the grade is what it is, in a sentence
}

// MetricResult is what was found of one metric.
type MetricResult struct {
	Name     string  `json:"name"`
	Grade    Grade   `json:"grade"`
	Critical bool    `json:"critical,omitempty"`
	Canary   float64 `json:"canary"`  // mean
	Control  float64 `json:"control"` // mean
	Samples  [2]int  `json:"samples"` // of canary and control
	P        float64 `json:"p"`       // two-sided, of the Mann-Whitney U test; 1 if all values are the same
	Effect   float64 `json:"effect"`  // Hodges-Lehmann estimate of canary minus control
	Detail   string  `json:"detail,omitempty"`
}

// AnalysisRequest asks for a canary analysis of what has been: of two groups of a cluster, or of those of a deployment.
type AnalysisRequest struct {
	Cluster    Cluster   `json:"cluster,omitzero"`
	Deployment string    `json:"deployment,omitempty"` // default for all else: its groups, its time, its analysis
	Canary     string    `json:"canary,omitempty"`     // server group
	Control    string    `json:"control,omitempty"`    // server group
	From       time.Time `json:"from,omitzero"`
	To         time.Time `json:"to,omitzero"`
	Analysis   *Analysis `json:"analysis,omitempty"`
}
