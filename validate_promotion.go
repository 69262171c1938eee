package slipway

import (
	"errors"
	"regexp"
)

// Bounds of promotion policies.
const (
	maxWindows      = 50
	maxHolidays     = 500
	maxDependencies = 50
)

var (
	promotionForm = regexp.MustCompile(`^m-[a-z0-9-]{1,64}$`)
	keyForm       = regexp.MustCompile(`^[0-9a-f]{8,64}$`)
)

// IsPromotion reports whether id has the form of a promotion's.
func IsPromotion(id string) bool { return promotionForm.MatchString(id) }

// Validate returns nil, or every mistake in r as Invalid errors joined into one. Whether what it names exists is not its business.
func (r PromoteRequest) Validate() error {
	var p problems
	if r.ID != "" && !IsPromotion(r.ID) {
		p.add("id", "cannot use %q as the id of a promotion: want m- and lower-case letters, digits and dashes", r.ID)
	}
	p.check("application", ValidateName("application", r.Application))
	p.check("to", ValidateName("environment", r.To))
	if r.From != "" {
		p.check("from", ValidateName("environment", r.From))
		if r.From == r.To {
			p.add("from", "cannot promote from %s to itself", r.From)
		}
	}
	p.conflict("on_conflict", r.OnConflict)
	if r.Strategy != nil {
		p.strategy("strategy", *r.Strategy, anyTerms)
	}
	if r.Override {
		p.given("reason", r.Reason, "override what is not met")
	} else {
		p.reason("reason", r.Reason)
	}
	return p.err()
}

// promotion looks at what an image must have been through.
func (p *problems) promotion(place string, c PromotionPolicy) {
	if c.From != "" {
		p.check(key(place, "from"), ValidateName("environment", c.From))
	}
	for i, id := range c.SignedBy {
		if !keyForm.MatchString(id) {
			p.add(index(key(place, "signed_by"), i), "cannot use %q as a key: want at least the first eight digits of its id, as `slipway image verify` shows it", id)
		}
	}
	p.duration(key(place, "ran"), c.Ran)
	p.duration(key(place, "jitter"), c.Jitter)
	if c.Jitter > 0 && len(c.Windows) == 0 {
		p.add(key(place, "jitter"), "cannot spread what waits for no window: write windows, or leave jitter out")
	}
	if a := c.Approvals; a != nil {
		p.approvers(key(place, "approvals"), a.Needed, "of", a.Of)
		p.duration(key(place, "approvals.expires"), a.Expires)
		if a.Expires > Duration(MaxApproval) {
			p.add(key(place, "approvals.expires"), "cannot wait for an approval for longer than %s", MaxApproval)
		}
	}
	p.windows(place, c)
	if len(c.DependsOn) > maxDependencies {
		p.add(key(place, "depends_on"), "cannot depend on %d applications: want at most %d", len(c.DependsOn), maxDependencies)
	}
	for i, d := range c.DependsOn {
		at := index(key(place, "depends_on"), i)
		p.check(key(at, "application"), ValidateName("application", d.Application))
		if d.Environment != "" {
			p.check(key(at, "environment"), ValidateName("environment", d.Environment))
		}
		if d.Version != "" && d.Image != "" {
			p.add(at, "cannot want a version and an image: write one of them")
		}
		if d.Version != "" {
			_, err := ParseVersionRange(d.Version)
			p.check(key(at, "version"), err)
		}
	}
}

// promotionIn looks at what the policy of a cluster says of environments beside its own.
func (p *problems) promotionIn(place string, cluster Cluster, c PromotionPolicy, all map[string]Environment) {
	if _, ok := all[c.From]; c.From == cluster.Environment {
		p.add(key(place, "from"), "cannot promote from %s to itself", c.From)
	} else if c.From != "" && !ok {
		p.add(key(place, "from"), "cannot promote from %q: slipway.yaml defines %s", c.From, nameList(all))
	}
	if c.Ran > 0 && c.From == "" {
		p.add(key(place, "ran"), "cannot tell where it is to have run: write from")
	}
	for i, d := range c.DependsOn {
		if d.Application == cluster.Application && (d.Environment == "" || d.Environment == cluster.Environment) {
			p.add(index(key(place, "depends_on"), i), "cannot make %s in %s wait for itself", cluster.Application, cluster.Environment)
		}
	}
}

func (p *problems) windows(place string, c PromotionPolicy) {
	if len(c.Windows) > maxWindows {
		p.add(key(place, "windows"), "cannot have %d windows: want at most %d", len(c.Windows), maxWindows)
	}
	for i, w := range c.Windows {
		_, err := w.Parse()
		var e *Error
		if errors.As(err, &e) {
			p.add(key(index(key(place, "windows"), i), e.Place), "%s", e.Message)
		}
	}
	if len(c.Holidays) > maxHolidays {
		p.add(key(place, "holidays"), "cannot have %d holidays: want at most %d", len(c.Holidays), maxHolidays)
	}
	if len(c.Holidays) > 0 && len(c.Windows) == 0 {
		p.add(key(place, "holidays"), "cannot close what has no windows: write windows: [{zone: Europe/Berlin}] for any time of any day but these")
	}
	for i, day := range c.Holidays {
		_, err := ParseHoliday(day)
		p.check(index(key(place, "holidays"), i), err)
	}
}
