package analysis

import (
	"time"

	"github.com/slipway-sh/slipway"
)

// valid returns an Invalid error for what makes no sense of an analysis, whose defaults are filled in, and its window.
func valid(spec slipway.Analysis, w Window) error {
	switch {
	case w.Canary == "" || w.Control == "":
		return slipway.Errorf(slipway.Invalid, "cannot analyse %s: it takes two server groups, a canary and a control", w.Cluster)
	case w.Canary == w.Control:
		return slipway.Errorf(slipway.Invalid, "cannot compare %s with itself", w.Canary)
	case !w.To.After(w.From):
		return slipway.Errorf(slipway.Invalid, "cannot analyse from %s to %s: the end must be after the beginning", w.From.Format(time.RFC3339), w.To.Format(time.RFC3339))
	case spec.Pass < 0 || spec.Pass > 100 || spec.Marginal < 0 || spec.Marginal > spec.Pass:
		return slipway.Errorf(slipway.Invalid, "cannot pass from %d with marginal from %d: both are scores from 0 to 100, and marginal is not above pass", spec.Pass, spec.Marginal)
	case spec.MinSamples < 0:
		return slipway.Errorf(slipway.Invalid, "cannot need %d samples: want a number above 0", spec.MinSamples)
	}
	seen := map[string]bool{}
	for _, m := range spec.Metrics {
		switch {
		case m.Name == "":
			return slipway.Errorf(slipway.Invalid, "cannot judge a metric that has no name")
		case seen[m.Name]:
			return slipway.Errorf(slipway.Invalid, "cannot judge two metrics of the name %q", m.Name)
		case (m.Query == "") == (m.Source == ""):
			return slipway.Errorf(slipway.Invalid, "cannot measure %q: it takes a query or a source, and not both", m.Name)
		case m.Source != "" && m.Source != slipway.SourceErrors && m.Source != slipway.SourceLatency:
			return slipway.Errorf(slipway.Invalid, "cannot measure %q: want the source %s or %s, not %q", m.Name, slipway.SourceErrors, slipway.SourceLatency, m.Source)
		case m.Query != "" && server(m, w) == "":
			return slipway.Errorf(slipway.Invalid, "cannot measure %q: it has a query, and no Prometheus is named: set its server, or the environment's prometheus", m.Name)
		case m.Direction != slipway.DirectionIncrease && m.Direction != slipway.DirectionDecrease && m.Direction != slipway.DirectionEither:
			return slipway.Errorf(slipway.Invalid, "cannot judge %q: want the direction increase, decrease or either, not %q", m.Name, m.Direction)
		case !(m.Tolerance > 0 && m.Tolerance < 1):
			return slipway.Errorf(slipway.Invalid, "cannot judge %q with a tolerance of %v: want a share above 0 and below 1", m.Name, m.Tolerance)
		case !(m.MinEffect >= 0):
			return slipway.Errorf(slipway.Invalid, "cannot judge %q with a least effect of %v: want a share from 0", m.Name, m.MinEffect)
		}
		seen[m.Name] = true
	}
	return nil
}
