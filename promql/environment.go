package promql

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// Check returns nil if all PromQL of a cluster's environment can be asked: that of its checks, of its canary's analysis and of the steps
// of a custom strategy. Else it returns every mistake as Invalid errors joined into one, each with a Place inside the environment, such as
// "checks[2].promql.query". No server is asked. Zero fields of the cluster stand for any name without a dash.
func Check(cluster slipway.Cluster, e slipway.Environment) error {
	names := slipway.Cluster{Application: cmp.Or(cluster.Application, "application"), Environment: cmp.Or(cluster.Environment, "environment")}
	metric := map[string]string{"application": names.Application, "environment": names.Environment, "group": names.GroupName(1)}
	inCheck := check.Variables(slipway.Deployment{Cluster: names, Target: names.GroupName(1), Source: names.GroupName(1), Baseline: names.GroupName(1)})
	if !e.Strategy.HasBaseline() {
		delete(inCheck, "baseline")
	}
	var problems []error
	look := func(place, query string, vars map[string]string) {
		if err := parseWith(query, vars); err != nil {
			problems = append(problems, err.At(place))
		}
	}
	one := func(place string, c slipway.Check) {
		if c.PromQL != nil {
			look(place+".promql.query", c.PromQL.Query, inCheck)
		}
	}
	analysis := func(place string, a slipway.Analysis) {
		for i, m := range a.Metrics {
			if m.Query != "" {
				look(fmt.Sprintf("%s.metrics[%d].query", place, i), m.Query, metric)
			}
		}
	}
	for i, c := range e.Checks {
		one(fmt.Sprintf("checks[%d]", i), c)
	}
	if canary := e.Strategy.Canary; canary != nil && canary.Analysis != nil {
		analysis("strategy.canary.analysis", *canary.Analysis)
	}
	if custom := e.Strategy.Custom; custom != nil {
		for i, step := range custom.Steps {
			place := fmt.Sprintf("strategy.custom.steps[%d]", i)
			if step.Check != nil {
				one(place+".check", *step.Check)
			}
			if step.Analyse != nil {
				analysis(place+".analyse", step.Analyse.Analysis)
			}
		}
	}
	return errors.Join(problems...)
}

// parseWith is as [Parse], for a query with variables.
func parseWith(query string, vars map[string]string) *slipway.Error {
	if len(query) > maxQuery {
		return slipway.Errorf(slipway.Invalid, "cannot take a query of %d bytes: want at most %d", len(query), maxQuery)
	}
	text, err := check.Expand(query, vars)
	if err == nil {
		err = parse(text, func(offset int) int { return unexpanded(query, vars, offset) }, query)
	}
	var e *slipway.Error
	if err == nil || errors.As(err, &e) {
		return e
	}
	return slipway.Errorf(slipway.Invalid, "%w", err)
}

// unexpanded returns the place in query that became the place in what it expands to: the end of the longest beginning of query that expands
// to no more than that.
func unexpanded(query string, vars map[string]string, offset int) int {
	for end := len(query); end > 0; end-- {
		if text, err := check.Expand(query[:end], vars); err == nil && len(text) <= offset {
			return end
		}
	}
	return 0
}
