package analysis

import (
	"math"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// FromSamples returns what the load balancer measured of a group, by time: the share of requests that failed, or their mean response time in
// seconds, of each interval. An interval without requests measured neither: it is NaN. Samples of other groups are passed over.
func FromSamples(samples []slipway.Sample, group string, source slipway.MetricSource) slipway.Series {
	s := slipway.Series{Group: group}
	own := slices.DeleteFunc(slices.Clone(samples), func(sample slipway.Sample) bool { return sample.Group != group })
	slices.SortStableFunc(own, func(a, b slipway.Sample) int { return a.Time.Compare(b.Time) })
	for _, sample := range own {
		value := math.NaN()
		switch {
		case sample.Requests <= 0:
		case source == slipway.SourceErrors:
			value = float64(sample.Errors) / float64(sample.Requests)
		case source == slipway.SourceLatency:
			value = time.Duration(sample.Latency).Seconds()
		}
		s.Times = append(s.Times, sample.Time)
		s.Values = append(s.Values, value)
	}
	return s
}
