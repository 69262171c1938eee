package analysis

import (
	"cmp"
	"slices"

	"github.com/slipway-sh/slipway"
)

// The defaults of an analysis.
const (
	DefaultPass       = 95
	DefaultMarginal   = 75
	DefaultMinSamples = 50
	DefaultTolerance  = 0.25
)

// DefaultMetrics returns what is compared if nothing else is said, both as the load balancer sees them: the error rate, which is critical,
// and the response time, of which a tenth more is borne with: over many samples the least difference between two groups shows.
func DefaultMetrics() []slipway.Metric {
	return []slipway.Metric{
		{Name: "error rate", Source: slipway.SourceErrors, Direction: slipway.DirectionIncrease, Critical: true},
		{Name: "latency", Source: slipway.SourceLatency, Direction: slipway.DirectionIncrease, MinEffect: 0.1},
	}
}

// Defaults returns spec with every default filled in but those of low traffic, which are no business of the judge. It does not change spec's metrics.
func Defaults(spec slipway.Analysis) slipway.Analysis {
	spec.Metrics = slices.Clone(spec.Metrics)
	if len(spec.Metrics) == 0 {
		spec.Metrics = DefaultMetrics()
	}
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		m.Direction = cmp.Or(m.Direction, slipway.DirectionIncrease)
		m.Tolerance = cmp.Or(m.Tolerance, DefaultTolerance)
	}
	spec.Pass = cmp.Or(spec.Pass, max(DefaultPass, spec.Marginal))
	spec.Marginal = cmp.Or(spec.Marginal, min(DefaultMarginal, spec.Pass))
	spec.MinSamples = cmp.Or(spec.MinSamples, DefaultMinSamples)
	return spec
}

// Merge returns spec with its zero fields taken from base.
func Merge(spec, base slipway.Analysis) slipway.Analysis {
	if len(spec.Metrics) == 0 {
		spec.Metrics = base.Metrics
	}
	spec.Pass = cmp.Or(spec.Pass, base.Pass)
	spec.Marginal = cmp.Or(spec.Marginal, base.Marginal)
	spec.MinSamples = cmp.Or(spec.MinSamples, base.MinSamples)
	spec.LowTraffic = cmp.Or(spec.LowTraffic, base.LowTraffic)
	spec.Extend = cmp.Or(spec.Extend, base.Extend)
	return spec
}
