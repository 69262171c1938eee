package slipway

import (
	"math"
	"strings"
	"testing"
)

func TestCheckValidate(t *testing.T) {
	check := func(c string) string {
		return `{"load_balancer": {"port": 80}, "prometheus": "http://127.0.0.1:9090", "checks": [` + c + `]}`
	}
	testEnvironments(t, map[string]environmentCase{
		"of a machine":   {check(`{"http": {"path": "/"}, "when": ["before", "during", "after"], "interval": "1s", "count": 3, "failures": 1, "no_data": "fail"}`), ""},
		"of its files":   {check(`{"file": {"path": "/a"}, "timeout": "1s"}, {"user": {"name": "www"}}, {"package": {"name": "nginx"}}, {"command": {"run": ["a"]}}, {"tcp": {}}`), ""},
		"log":            {check(`{"log": {"pattern": "(?i)panic|fatal", "max": 3}, "no_data": "pass"}`), ""},
		"load balancer":  {check(`{"load_balancer": {"max_errors": 0.01, "max_latency": "200ms", "min_requests": 5}, "when": ["during"]}`), ""},
		"promql":         {check(`{"promql": {"query": "up", "min": 1, "max": 1}, "timeout": "3s"}, {"promql": {"query": "up", "server": "https://b", "max": 0}}`), ""},
		"webhook":        {check(`{"webhook": {"url": "https://a/b?c=d", "headers": {"Authorization": "Bearer x"}}, "count": 2}`), ""},
		"nothing":        {check(`{"when": ["before"]}`), "checks[0]: write one of http, tcp, command, file, package, user, log, load_balancer, promql, webhook"},
		"two in one":     {check(`{"tcp": {}}, {"tcp": {}, "log": {"pattern": "a"}}`), "checks[1]: cannot have tcp and log in one entry"},
		"too many":       {check(strings.Repeat(`{"tcp": {}}, `, 100) + `{"tcp": {}}`), "checks: cannot make 101 checks: want at most 100"},
		"unknown phase":  {check(`{"tcp": {}, "when": ["before", "later"]}`), `checks[0].when[1]: cannot use "later" as a phase: want one of before, during, after`},
		"no phase":       {check(`{"tcp": {}, "when": [""]}`), "checks[0].when[0]: want one of before, during, after"},
		"a phase twice":  {check(`{"tcp": {}, "when": ["after", "after"]}`), "checks[0].when[1]: cannot have the phase after twice"},
		"negative count": {check(`{"tcp": {}, "count": -1, "failures": -1}`), "checks[0].count: want 0 or more\nchecks[0].failures: want 0 or more"},
		"count of what goes on": {check(`{"log": {"pattern": "a"}, "count": 2}, {"tcp": {}, "count": 2, "when": ["after"]}`),
			"checks[0].count: leave count out, or write when: [before]\nchecks[1].count: leave count out"},
		"a timeout beside its own": {check(`{"http": {"path": "/", "timeout": "1s"}, "timeout": "2s"}`), "checks[0].timeout: write it in there"},
		"unknown policy":           {check(`{"tcp": {}, "no_data": "ignore"}`), "checks[0].no_data: want one of fail, hold, pass"},

		"log of nothing":       {check(`{"log": {"pattern": ""}}`), "checks[0].log.pattern: write a regular expression"},
		"log of no pattern":    {check(`{"log": {"pattern": "a(b"}}`), "checks[0].log.pattern: cannot read it as a regular expression (RE2): missing closing ) in a(b"},
		"log of a lookahead":   {check(`{"log": {"pattern": "a(?!b)"}}`), "checks[0].log.pattern: (?!"},
		"log of a long one":    {check(`{"log": {"pattern": "` + strings.Repeat("a", 1001) + `"}}`), "checks[0].log.pattern: want at most 1000"},
		"log of less than no":  {check(`{"log": {"pattern": "a", "max": -1}}`), "checks[0].log.max: want 0 or more"},
		"balancer of workers":  {`{"checks": [{"load_balancer": {"max_errors": 0}}]}`, "checks[0].load_balancer: write the environment's load_balancer"},
		"balancer unbounded":   {check(`{"load_balancer": {"min_requests": 1}}`), "checks[0].load_balancer: write max_errors, max_latency, or both"},
		"balancer in percent":  {check(`{"load_balancer": {"max_errors": 5}}`), "checks[0].load_balancer.max_errors: from 0 to 1, such as 0.05 for 5 %"},
		"balancer below none":  {check(`{"load_balancer": {"max_errors": -0.1, "min_requests": -1}}`), "checks[0].load_balancer.max_errors: from 0 to 1\nchecks[0].load_balancer.min_requests: want 0 or more"},
		"balancer too early":   {check(`{"load_balancer": {"max_errors": 0}, "when": ["after", "before"]}`), "checks[0].when[1]: cannot ask the load balancer before there is traffic"},
		"promql of nothing":    {check(`{"promql": {"query": " ", "max": 1}}`), "checks[0].promql.query: write a query in PromQL"},
		"promql of nobody":     {`{"checks": [{"promql": {"query": "up", "max": 1}}]}`, "checks[0].promql: write its URL as server here, or as the environment's prometheus"},
		"promql of somebody":   {check(`{"promql": {"query": "up", "max": 1, "server": "localhost"}}`), "checks[0].promql.server: want a form such as"},
		"promql unbounded":     {check(`{"promql": {"query": "up"}}`), "checks[0].promql: write min, max, or both"},
		"promql of no number":  {check(`{"promql": {"query": "up", "min": 2, "max": 1}}`), "checks[0].promql: want min <= max"},
		"webhook of nobody":    {check(`{"webhook": {"url": ""}}`), "checks[0].webhook.url: cannot do without a URL"},
		"webhook with a name":  {check(`{"webhook": {"url": "https://me:pw@a"}}`), "checks[0].webhook.url: give them in a header"},
		"webhook of a path":    {check(`{"webhook": {"url": "/hook"}}`), "checks[0].webhook.url: want a form such as"},
		"webhook of a program": {check(`{"webhook": {"url": "file:///bin/true"}}`), "checks[0].webhook.url: cannot ask by anything but HTTP"},
		"webhook with bad headers": {check(`{"webhook": {"url": "https://a", "headers": {"A B": "x", "Content-Length": "1", "X-A": "1", "X-B": "a\r\nX-C: b", "x-a": "2"}}}`),
			"checks[0].webhook.headers.A B: as the name of a header\nchecks[0].webhook.headers.Content-Length: cannot set the header\n" +
				"checks[0].webhook.headers.X-B: it has a line break\nchecks[0].webhook.headers.x-a: cannot have the header X-A twice"},
	})
	nan := math.NaN()
	found(t, Environment{Prometheus: "http://a", Checks: []Check{{PromQL: &PromQLCheck{Query: "up", Min: &nan}}}}.Validate(), "checks[0].promql.min: want a number")
}

func TestAnalysisValidate(t *testing.T) {
	analysis := func(a string) string {
		return `{"load_balancer": {"port": 80}, "prometheus": "http://127.0.0.1:9090", "strategy": {"canary": {"analysis": ` + a + `}}}`
	}
	metric := func(m string) string { return analysis(`{"metrics": [` + m + `]}`) }
	const at, first = "strategy.canary.analysis", "strategy.canary.analysis.metrics[0]"
	testEnvironments(t, map[string]environmentCase{
		"of all": {analysis(`{"metrics": [{"name": "errors", "source": "errors", "critical": true}, {"name": "queue", "query": "queue{group=~\"${group}-.*\"}", "server": "http://b",
			"direction": "either", "tolerance": 0.1, "min_effect": 0.05}], "pass": 90, "marginal": 80, "min_samples": 20, "low_traffic": "hold", "extend": "1h"}`), ""},
		"only pass":               {analysis(`{"pass": 50}`), ""}, // marginal follows
		"pass past 100":           {analysis(`{"pass": 101}`), at + ".pass: want 0 to 100"},
		"marginal below 0":        {analysis(`{"marginal": -1}`), at + ".marginal: want 0 to 100"},
		"marginal above pass":     {analysis(`{"pass": 70, "marginal": 80}`), at + ".marginal: want marginal <= pass"},
		"less than no samples":    {analysis(`{"min_samples": -1}`), at + ".min_samples: want 0 or more"},
		"unknown policy":          {analysis(`{"low_traffic": "wait"}`), at + ".low_traffic: want one of extend, hold, pass"},
		"no metrics":              {analysis(`{"metrics": []}`), at + ".metrics: write at least one metric"},
		"too many metrics":        {metric(strings.Repeat(`{}, `, 100) + `{}`), at + ".metrics: want at most 100"},
		"a metric without a name": {metric(`{"source": "errors"}`), first + ".name: write one, such as errors"},
		"two metrics of one name": {metric(`{"name": "a", "source": "errors"}, {"name": "a", "source": "latency"}`), at + `.metrics[1].name: cannot have two metrics called "a"`},
		"a metric of nothing":     {metric(`{"name": "a"}`), first + ": write query, or source"},
		"a metric of two":         {metric(`{"name": "a", "source": "errors", "query": "a"}`), first + ": write query or source"},
		"an unknown source":       {metric(`{"name": "a", "source": "cpu"}`), first + ".source: want one of errors, latency"},
		"a server for a source":   {metric(`{"name": "a", "source": "errors", "server": "http://a"}`), first + ".server: without a query"},
		"a query of nothing":      {metric(`{"name": "a", "query": "  "}`), first + ".query: write a query in PromQL"},
		"a query for all groups":  {metric(`{"name": "a", "query": "sum(errors)"}`), first + ".query: write $group where the server group's name goes"},
		"an unknown direction":    {metric(`{"name": "a", "source": "errors", "direction": "up"}`), first + ".direction: want one of increase, decrease, either"},
		"less than no tolerance":  {metric(`{"name": "a", "source": "errors", "tolerance": -1, "min_effect": -1}`), first + ".tolerance: want 0 or more\n" + first + ".min_effect: want 0 or more"},
		"a query for nobody": {`{"load_balancer": {"port": 80}, "strategy": {"canary": {"analysis": {"metrics": [{"name": "a", "query": "a{b=\"$group\"}"}]}}}}`,
			first + ": write its URL as server here"},
	})
}
