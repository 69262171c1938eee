package slipway

import (
	"errors"
	"maps"
	"net/textproto"
	"regexp/syntax"
	"slices"
	"strings"
)

const (
	maxChecks  = 100  // of an environment
	maxMetrics = 100  // of an analysis
	maxPattern = 1000 // bytes of a regular expression
)

// checks looks at what decides whether deployments to an environment go on.
func (p *problems) checks(place string, checks []Check, t terms) {
	if len(checks) > maxChecks {
		p.add(place, "cannot make %d checks: want at most %d", len(checks), maxChecks)
		return
	}
	for i, c := range checks {
		p.measure(index(place, i), c, t, false)
	}
}

// measure looks at one check, of an environment or, if step is true, of a custom strategy.
func (p *problems) measure(place string, c Check, t terms, step bool) {
	if !p.oneOf(place, field{"http", c.HTTP != nil}, field{"tcp", c.TCP != nil}, field{"command", c.Command != nil},
		field{"file", c.File != nil}, field{"package", c.Package != nil}, field{"user", c.User != nil},
		field{"log", c.Log != nil}, field{"load_balancer", c.LoadBalancer != nil}, field{"promql", c.PromQL != nil}, field{"webhook", c.Webhook != nil}) {
		return
	}
	switch {
	case c.Log != nil:
		p.logCheck(key(place, "log"), *c.Log)
	case c.LoadBalancer != nil:
		p.loadBalancerCheck(key(place, "load_balancer"), *c.LoadBalancer, t)
	case c.PromQL != nil:
		p.promql(key(place, "promql"), *c.PromQL, t)
	case c.Webhook != nil:
		p.webhook(key(place, "webhook"), *c.Webhook)
	default:
		test, _ := c.Test()
		p.test(place, test, t.port)
	}
	p.when(key(place, "when"), c, step)
	p.duration(key(place, "interval"), c.Interval)
	p.notNegative(key(place, "count"), float64(c.Count))
	if c.Count > 0 && !step && !c.In(PhaseBefore) {
		p.add(key(place, "count"), "cannot count the measurements of a check that is made until its phase is over: leave count out, or write when: [%s]", PhaseBefore)
	}
	p.notNegative(key(place, "failures"), float64(c.Failures))
	p.duration(key(place, "timeout"), c.Timeout)
	if c.Timeout != 0 && (c.HTTP != nil || c.TCP != nil || c.Command != nil) {
		p.add(key(place, "timeout"), "cannot use timeout beside a test that has its own: write it in there")
	}
	known(p, key(place, "no_data"), "a policy for no data", c.NoData, NoDataPolicies)
}

func (p *problems) when(place string, c Check, step bool) {
	if step && len(c.When) > 0 {
		p.add(place, "cannot say when: a step is made when its turn comes")
		return
	}
	for i, phase := range c.When {
		place := index(place, i)
		switch {
		case phase == "":
			p.add(place, "cannot tell when: want one of %s", list(Phases))
		case slices.Contains(c.When[:i], phase):
			p.add(place, "cannot have the phase %s twice", phase)
			return // once is enough
		case phase == PhaseBefore && c.LoadBalancer != nil:
			p.add(place, "cannot ask the load balancer before there is traffic: want %s or %s", PhaseDuring, PhaseAfter)
		default:
			known(p, place, "a phase", phase, Phases)
		}
	}
}

func (p *problems) logCheck(place string, c LogCheck) {
	p.notNegative(key(place, "max"), float64(c.Max))
	place = key(place, "pattern")
	switch {
	case c.Pattern == "":
		p.add(place, "cannot look for nothing: write a regular expression such as (?i)panic|fatal")
		return
	case len(c.Pattern) > maxPattern:
		p.add(place, "cannot look for a pattern of %d bytes: want at most %d", len(c.Pattern), maxPattern)
		return
	}
	if _, err := syntax.Parse(c.Pattern, syntax.Perl); err != nil {
		reason := err.Error()
		var e *syntax.Error
		if errors.As(err, &e) {
			reason = e.Code.String() + " in " + e.Expr[:min(len(e.Expr), 60)]
		}
		p.add(place, "cannot read it as a regular expression (RE2): %s", reason)
	}
}

func (p *problems) loadBalancerCheck(place string, c LoadBalancerCheck, t terms) {
	if !t.balanced {
		p.add(place, "cannot ask a load balancer that is not there: write the environment's load_balancer, or leave the check out")
	}
	if n := c.MaxErrors; n != nil && !(*n >= 0 && *n <= 1) {
		p.add(key(place, "max_errors"), "cannot bear with %v: want a share of the requests, from 0 to 1, such as 0.05 for 5 %%", *n)
	}
	p.duration(key(place, "max_latency"), c.MaxLatency)
	p.notNegative(key(place, "min_requests"), float64(c.MinRequests))
	if c.MaxErrors == nil && c.MaxLatency == 0 {
		p.add(place, "cannot check against no bound: write max_errors, max_latency, or both")
	}
}

func (p *problems) promql(place string, c PromQLCheck, t terms) {
	p.query(place, c.Query, c.Server, t)
	switch {
	case c.Min == nil && c.Max == nil:
		p.add(place, "cannot check against no bound: write min, max, or both")
	case c.Min != nil && *c.Min != *c.Min:
		p.add(key(place, "min"), "cannot use %v: want a number", *c.Min)
	case c.Max != nil && *c.Max != *c.Max:
		p.add(key(place, "max"), "cannot use %v: want a number", *c.Max)
	case c.Min != nil && c.Max != nil && *c.Min > *c.Max:
		p.add(place, "cannot be %v or more and %v or less: want min <= max", *c.Min, *c.Max)
	}
}

// query looks at a PromQL query, whose syntax is checked where it is asked, and at who is asked.
func (p *problems) query(place, query, server string, t terms) {
	if strings.TrimSpace(query) == "" {
		p.add(key(place, "query"), "cannot ask nothing: write a query in PromQL")
	}
	switch {
	case server != "":
		p.prometheus(key(place, "server"), server)
	case !t.prometheus:
		p.add(place, "cannot ask without a Prometheus: write its URL as server here, or as the environment's prometheus")
	}
}

func (p *problems) webhook(place string, c WebhookCheck) {
	p.url(key(place, "url"), c.URL)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		place := key(key(place, "headers"), name)
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !tokenForm.MatchString(name):
			p.add(place, "cannot use %q as the name of a header: want letters, digits, dashes and underscores", name)
		case seen[canonical]:
			p.add(place, "cannot have the header %s twice", canonical)
		case slices.Contains(ownHeaders, canonical):
			p.add(place, "cannot set the header %s: it says how the notice is sent", canonical)
		case strings.ContainsFunc(c.Headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			p.add(place, "cannot use the value of %s: it has a line break or another control character", canonical)
		}
		seen[canonical] = true
	}
}

// ownHeaders are what no one but the client of HTTP decides.
var ownHeaders = []string{"Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (p *problems) analysis(place string, a Analysis, t terms) {
	p.metrics(key(place, "metrics"), a.Metrics, t)
	p.score(key(place, "pass"), a.Pass)
	p.score(key(place, "marginal"), a.Marginal)
	if a.Pass > 0 && a.Pass <= 100 && a.Marginal > a.Pass && a.Marginal <= 100 {
		p.add(key(place, "marginal"), "cannot be marginal at %d and pass at %d: want marginal <= pass", a.Marginal, a.Pass)
	}
	p.notNegative(key(place, "min_samples"), float64(a.MinSamples))
	known(p, key(place, "low_traffic"), "a policy for low traffic", a.LowTraffic, LowTrafficPolicies)
	p.duration(key(place, "extend"), a.Extend)
	if !t.balanced && a.Metrics == nil {
		p.add(place, "cannot compare what a load balancer sees without one: write metrics with a query, or load_balancer")
	}
}

func (p *problems) score(place string, n int) {
	if n < 0 || n > 100 {
		p.add(place, "cannot use the score %d: want 0 to 100", n)
	}
}

func (p *problems) metrics(place string, metrics []Metric, t terms) {
	switch {
	case metrics != nil && len(metrics) == 0:
		p.add(place, "cannot compare nothing: write at least one metric, or leave metrics out")
	case len(metrics) > maxMetrics:
		p.add(place, "cannot compare by %d metrics: want at most %d", len(metrics), maxMetrics)
		return
	}
	seen := map[string]bool{}
	for i, m := range metrics {
		place := index(place, i)
		switch {
		case strings.TrimSpace(m.Name) == "":
			p.add(key(place, "name"), "cannot compare by a metric without a name: write one, such as errors")
		case seen[m.Name]:
			p.add(key(place, "name"), "cannot have two metrics called %q: write another name", m.Name)
		}
		seen[m.Name] = true
		p.metric(place, m, t)
	}
}

func (p *problems) metric(place string, m Metric, t terms) {
	switch {
	case m.Query != "" && m.Source != "":
		p.add(place, "cannot compare by a query and by what the load balancer sees in one metric: write query or source")
	case m.Source != "":
		known(p, key(place, "source"), "a source", m.Source, MetricSources)
		if m.Server != "" {
			p.add(key(place, "server"), "cannot ask a Prometheus without a query: write query instead of source, or leave server out")
		}
		if !t.balanced {
			p.add(key(place, "source"), "cannot compare by what a load balancer sees without one: write a query, or load_balancer")
		}
	case m.Query == "":
		p.add(place, "cannot compare by nothing: write query, or source: errors or latency")
	default:
		p.query(place, m.Query, m.Server, t)
		if strings.TrimSpace(m.Query) != "" && !strings.Contains(m.Query, "$group") && !strings.Contains(m.Query, "${group}") {
			p.add(key(place, "query"), "cannot compare groups by a query that is the same for all: write $group where the server group's name goes")
		}
	}
	known(p, key(place, "direction"), "a direction", m.Direction, MetricDirections)
	p.notNegative(key(place, "tolerance"), m.Tolerance)
	p.notNegative(key(place, "min_effect"), m.MinEffect)
}

// sourced reports whether one of the metrics is what the load balancer sees.
func sourced(metrics []Metric) bool {
	return slices.ContainsFunc(metrics, func(m Metric) bool { return m.Source != "" })
}
