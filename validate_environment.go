package slipway

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The most instances a server group may have, and the most disabled groups a cluster may keep.
const (
	maxSize = 1000
	maxKeep = 100
)

// tokenForm is a token of RFC 9110, as names of headers and cookies are.
var tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")

// terms are what strategies and checks are judged by: what there is around them.
type terms struct {
	port       int  // that the service listens on, 0 if on none
	balanced   bool // there is a load balancer
	prometheus bool // there is one to ask for whoever names none
	size       Size // zero if it is not known
	guard      int  // machines that must serve at any time
}

// anyTerms stand for an environment that is not known here.
var anyTerms = terms{port: anyPort, balanced: true, prometheus: true}

// termsOf returns those of e, whose mistakes are told elsewhere.
func termsOf(e Environment, port int) terms {
	t := terms{port: port, balanced: e.LoadBalancer != nil, prometheus: e.Prometheus != "", size: e.Size}
	var none problems
	switch {
	case e.Size == Size{}:
		t.size = Size{Min: 1, Desired: 1, Max: 1}
	case !none.size("", e.Size):
		t.size = Size{}
	}
	if t.balanced { // it is what is asked how many serve
		t.guard = t.size.Min
		if !e.Policy.MinHealthy.IsZero() {
			t.guard = min(e.Policy.MinHealthy.Of(t.size.Desired), t.size.Desired)
		}
	}
	return t
}

// environment looks at an environment of a service that listens on port, 0 if it does not.
func (p *problems) environment(place string, e Environment, port int) {
	t := termsOf(e, port)
	if e.Account != "" && e.Account != "local" {
		p.add(key(place, "account"), "cannot use account %q: this version knows local only", e.Account)
	}
	if e.Size != (Size{}) {
		p.size(key(place, "size"), e.Size)
	}
	if e.LoadBalancer != nil {
		p.loadBalancer(key(place, "load_balancer"), *e.LoadBalancer, port)
	}
	p.strategy(key(place, "strategy"), e.Strategy, t)
	p.env(key(place, "config"), e.Config)
	p.notNegative(key(place, "limits.cpu"), e.Limits.CPU)
	p.notNegative(key(place, "limits.memory"), float64(e.Limits.Memory))
	p.notNegative(key(place, "limits.pids"), float64(e.Limits.PIDs))
	p.checks(key(place, "checks"), e.Checks, t)
	p.duration(key(place, "healthy"), e.Healthy)
	p.policy(key(place, "policy"), e.Policy, t.size)
	if e.Prometheus != "" {
		p.prometheus(key(place, "prometheus"), e.Prometheus)
	}
}

// size looks at the numbers of a server group and reports whether they make sense.
func (p *problems) size(place string, s Size) bool {
	switch {
	case s.Min < 0:
		p.add(key(place, "min"), "cannot have %d instances: want 0 or more", s.Min)
	case s.Max < 1 || s.Max > maxSize:
		p.add(key(place, "max"), "cannot have at most %d instances: want 1 to %d", s.Max, maxSize)
	case s.Min > s.Desired || s.Desired > s.Max:
		p.add(place, "cannot have min %d, desired %d, max %d: want min <= desired <= max, all three written", s.Min, s.Desired, s.Max)
	case s.Desired == 0:
		p.add(key(place, "desired"), "cannot deploy 0 instances: want 1 or more")
	default:
		return true
	}
	return false
}

func (p *problems) loadBalancer(place string, lb LoadBalancerSpec, port int) {
	p.port(key(place, "port"), lb.Port, false)
	if a := lb.Address; a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			p.add(key(place, "address"), "cannot listen on %q: want an IP address such as 127.0.0.1", a)
		}
	}
	if port == 0 {
		p.add(place, "cannot balance load without a port to send it to: write image.service.port, or leave load_balancer out")
	}
	switch s := lb.Sticky; {
	case s.Cookie != "" && s.Header != "":
		p.add(key(place, "sticky"), "cannot be sticky by cookie and by header at once: write one of them")
	case s.Cookie != "" && !tokenForm.MatchString(s.Cookie):
		p.add(key(place, "sticky.cookie"), "cannot use %q as the name of a cookie: want letters, digits, dashes and underscores", s.Cookie)
	case s.Header != "" && !tokenForm.MatchString(s.Header):
		p.add(key(place, "sticky.header"), "cannot use %q as the name of a header: want letters, digits, dashes and underscores", s.Header)
	}
}

func (p *problems) policy(place string, c Policy, size Size) {
	if !c.MinHealthy.IsZero() {
		p.amount(key(place, "min_healthy"), c.MinHealthy, 0, size.Desired)
	}
	known(p, key(place, "on_failure"), "a failure's policy", c.OnFailure, FailurePolicies)
	known(p, key(place, "on_conflict"), "a policy for another deployment under way", c.OnConflict, ConflictPolicies)
	p.duration(key(place, "hold"), c.Hold)
	if c.Promotion != nil {
		p.promotion(key(place, "promotion"), *c.Promotion)
	}
}

// amount looks at a number of machines, or a share of them, of which there are most; 0 if that is not known.
func (p *problems) amount(place string, a Amount, least, most int) {
	switch {
	case a.Percent && (a.N < least || a.N > 100):
		p.add(place, "cannot use %s: want %d%% to 100%%", a, least)
	case a.N < least:
		p.add(place, "cannot use %s: want %s or more", a, counted(least))
	case !a.Percent && most > 0 && a.N > most:
		p.add(place, "cannot use %s: there are %d (size.desired)", counted(a.N), most)
	}
}

// prometheus looks at the address of a Prometheus, to which the paths of its API are added.
func (p *problems) prometheus(place, address string) {
	u := p.url(place, address)
	if u != nil && (u.RawQuery != "" || u.ForceQuery) {
		p.add(place, "cannot use %q as the address of a Prometheus: it has a query; want a form such as http://127.0.0.1:9090", u.Redacted())
	}
}

// url looks at an address that slipwayd asks, and returns what it says, or nil. It is stored and shown, so no secret may be in it, nor in
// what is said of it.
func (p *problems) url(place, address string) *url.URL {
	const want = "want a form such as https://example.com/path"
	u, err := url.Parse(address)
	switch {
	case address == "":
		p.add(place, "cannot do without a URL: %s", want)
	case err != nil:
		p.add(place, "cannot read it as a URL: %s", want)
	case u.User != nil:
		p.add(place, "cannot have a name or password in the URL %s: it is stored and shown; where there are headers, give them in a header", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https":
		p.add(place, "cannot ask by anything but HTTP: %s", want)
	case u.Hostname() == "":
		p.add(place, "cannot ask %q: it names no host; %s", u.Redacted(), want)
	case u.Fragment != "":
		p.add(place, "cannot ask %q: a fragment is not sent; leave out what follows #", u.Redacted())
	default:
		return u
	}
	return nil
}

// known adds a problem unless value is one of all, or "", which stands for a default.
func known[T ~string](p *problems, place, what string, value T, all []T) {
	if value != "" && !slices.Contains(all, value) {
		p.add(place, "cannot use %q as %s: want one of %s", value, what, list(all))
	}
}

func list[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}
