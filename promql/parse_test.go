package promql_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ query, problem string }{
		{`up`, ""},
		{`sum(rate(http_requests_total{code=~"5..", group="x"}[1m])) / sum(rate(http_requests_total[1m]))`, ""},
		{`vector(1) > bool 0`, ""},
		{`time()`, ""},
		{"max by (a) (\n  up # those that are\n)", ""},
		{`mad_over_time(up[5m])`, ""}, // an experiment: whether it is switched on is for the server to say
		{``, "no expression"},
		{`sum(`, "cannot parse the query: column 5: unclosed left parenthesis"},
		{`sum(up) by`, "column 11: unexpected end of input"},
		{`rate(up)`, `column 6: expected type range vector in call to function "rate", got instant vector`},
		{`up{a="é"} + nofunction(up)`, "column 13: unknown function"},
		{"sum(\n  up\n  ++*\n)", "line 3, column 5: unexpected"},
		{`up{`, "column 4"},
		{`up == "x"`, "column 7"},
		{`up[5m]`, "its answer is many values for each series"},
		{`"text"`, "its answer is a string, want numbers"},
		{strings.Repeat("(", 20<<10), "want at most 16384"},
		{strings.Repeat("(", 10<<10), "cannot parse the query"},
		{"up\x00", "cannot parse the query"},
		{"\xff", "cannot parse the query"},
	} {
		t.Run(c.query[:min(len(c.query), 40)], func(t *testing.T) {
			err := promql.Parse(c.query)
			if c.problem == "" && err != nil || c.problem != "" && (slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("%v, want %q", err, c.problem)
			}
		})
	}
}

func TestCheckEnvironment(t *testing.T) {
	cluster := slipway.Cluster{Application: "hello", Environment: "prod-eu"}
	asks := func(query string) slipway.Check { return slipway.Check{PromQL: &slipway.PromQLCheck{Query: query}} }
	metrics := func(queries ...string) slipway.Analysis {
		var a slipway.Analysis
		for _, q := range queries {
			a.Metrics = append(a.Metrics, slipway.Metric{Name: "m", Query: q})
		}
		return a
	}
	analysis, stepAnalysis := metrics(`up{g="$group"}`, "", `up{`), metrics(`up{g="$source"}`)
	step := asks(`up[1m]`)
	no := false
	for _, c := range []struct {
		name string
		env  slipway.Environment
		want []string
	}{
		{"nothing", slipway.Environment{}, nil},
		{"good checks", slipway.Environment{Checks: []slipway.Check{asks(`up{g="$group",s="$source"} + ${application}_x`), {TCP: &slipway.TCPTest{}}}}, nil},
		{"every mistake at its place", slipway.Environment{Checks: []slipway.Check{asks("sum("), asks("up"), asks(`up{g="$gruop"}`)}}, []string{
			"checks[0].promql.query: cannot parse the query: column 5", "checks[2].promql.query: cannot use $gruop",
		}},
		{"the column is that of what was written", slipway.Environment{Checks: []slipway.Check{
			asks(`up{g="$group",e="${environment}"} + *`), asks(`up{g="$group"} + $application + *`), asks("up{g=\"$group\"}\n + *"),
		}}, []string{"checks[0].promql.query: cannot parse the query: column 37", "checks[1].promql.query: cannot parse the query: column 33", "query: line 2, column 4"}},
		{"a dash outside quotes", slipway.Environment{Checks: []slipway.Check{asks(`${environment}_up`)}}, []string{"the dash in prod-eu would subtract"}},
		{"no baseline without a strategy that has one", slipway.Environment{Checks: []slipway.Check{asks(`up{g="$baseline"}`)}}, []string{"cannot use $baseline"}},
		{"a baseline", slipway.Environment{Strategy: slipway.Strategy{Canary: &slipway.Canary{}}, Checks: []slipway.Check{asks(`up{g="$baseline"}`)}}, nil},
		{"a canary without one", slipway.Environment{Strategy: slipway.Strategy{Canary: &slipway.Canary{Baseline: &no}}, Checks: []slipway.Check{asks(`up{g="$baseline"}`)}}, []string{"cannot use $baseline"}},
		{"analysis", slipway.Environment{Strategy: slipway.Strategy{Canary: &slipway.Canary{Analysis: &analysis}}}, []string{"strategy.canary.analysis.metrics[2].query: cannot parse"}},
		{"steps", slipway.Environment{Strategy: slipway.Strategy{Custom: &slipway.Custom{Steps: []slipway.CustomStep{
			{}, {Check: &step}, {Analyse: &slipway.AnalyseStep{Analysis: stepAnalysis}},
		}}}}, []string{
			"strategy.custom.steps[1].check.promql.query: cannot use the query", "strategy.custom.steps[2].analyse.metrics[0].query: cannot use $source in a query: want one of $application, $environment, $group",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := promql.Check(cluster, c.env)
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
			}
			var all interface{ Unwrap() []error }
			if errors.As(err, &all) && len(all.Unwrap()) != len(c.want) {
				t.Errorf("%d mistakes, want %d: %v", len(all.Unwrap()), len(c.want), err)
			}
		})
	}
	if err := promql.Check(slipway.Cluster{}, slipway.Environment{Checks: []slipway.Check{asks(`up{a="$application"} + ${environment}_x`)}}); err != nil {
		t.Errorf("without a cluster: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`sum(rate(up{group="$group"}[5m])) by (a)`)
	f.Add("up{a=~\"${application}$\"} # $nobody\n+ $$")
	f.Add("sum(é\n,")
	f.Fuzz(func(t *testing.T, query string) {
		if err := promql.Parse(query); err != nil && slipway.CodeOf(err) != slipway.Invalid {
			t.Fatal(err)
		}
		err := promql.Check(slipway.Cluster{Application: "hello", Environment: "prod"}, slipway.Environment{Checks: []slipway.Check{{PromQL: &slipway.PromQLCheck{Query: query}}}})
		if err != nil && slipway.CodeOf(err) != slipway.Invalid {
			t.Fatal(err)
		}
	})
}
