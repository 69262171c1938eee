package slipway

import (
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The names of principals that are no users begin with these, so that no user can be called as one of them.
const (
	tokenName = "token:"
	ciName    = "ci:"
)

const (
	// DefaultTokenLife is how long a token is good that was asked for without a lifetime, and MaxTokenLife how long any can be.
	DefaultTokenLife = 30 * 24 * time.Hour
	MaxTokenLife     = 366 * 24 * time.Hour
	// MaxTokenGrace bounds how long the old secret of a rotated token stays good.
	MaxTokenGrace = 7 * 24 * time.Hour

	maxRuleText  = 64 << 10
	maxPrincipal = 200
	maxClaims    = 32
	maxVerbs     = 64
)

var labelForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// ValidateUserName returns an Invalid error unless name can be a user's: 1 to 200 visible characters, of which none is a space, that do not
// begin as the name of another kind of principal does.
func ValidateUserName(name string) error {
	fail := func(why string) error { return Errorf(Invalid, "cannot use %q as name of a user: %s", name, why) }
	switch {
	case name == "" || len(name) > maxPrincipal:
		return fail("want 1 to 200 letters")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == unicode.ReplacementChar }):
		return fail("want visible letters, and no spaces")
	case name == Everywhere || name == "slipwayd" || name == "root":
		return fail("that means something else")
	}
	for _, taken := range []string{tokenName, ciName, groupSubject, "local:"} {
		if strings.HasPrefix(name, taken) {
			return fail("names that begin with " + taken + " are of others")
		}
	}
	return nil
}

// cutGroup returns the group that subject names, if it names one.
func cutGroup(subject string) (string, bool) { return strings.CutPrefix(subject, groupSubject) }

// Validate returns nil, or every mistake in r as Invalid errors joined into one.
func (r BindingRequest) Validate() error {
	var p problems
	p.subject("subject", r.Subject)
	p.grant(r.Role, r.Application, r.Environment)
	return p.err()
}

// Validate is as [BindingRequest.Validate].
func (r TokenRequest) Validate() error {
	var p problems
	p.label("name", "token", r.Name)
	p.grant(r.Role, r.Application, r.Environment)
	p.verbs(r.Verbs)
	p.within("lifetime", r.Lifetime, MaxTokenLife)
	return p.err()
}

// Validate is as [BindingRequest.Validate].
func (r TokenRotation) Validate() error {
	var p problems
	p.within("grace", r.Grace, MaxTokenGrace)
	p.within("lifetime", r.Lifetime, MaxTokenLife)
	return p.err()
}

// Validate is as [BindingRequest.Validate].
func (r TrustRequest) Validate() error {
	var p problems
	p.check("issuer", ValidateIssuer(r.Issuer))
	p.grant(r.Role, r.Application, r.Environment)
	p.verbs(r.Verbs)
	if len(r.Claims) > maxClaims {
		p.add("claims", "cannot ask for %d claims: %d at most", len(r.Claims), maxClaims)
	}
	narrow := false
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		value := r.Claims[name]
		narrow = narrow || strings.Trim(value, "*") != ""
		if name == "" || value == "" {
			p.add("claims."+name, "cannot ask for claim %q to be %q: both want a text", name, value)
		}
		if name == "iss" || name == "aud" {
			p.add("claims."+name, "cannot ask for claim %s here: that is what issuer and audience are for", name)
		}
	}
	if !narrow {
		p.add("claims", "cannot trust whatever %s signs: say which jobs are meant, such as repository=acme/hello or project_path=acme/hello", r.Issuer)
	}
	return p.err()
}

// ValidateTrustName returns an Invalid error unless name can be that of a rule of trust or of access.
func ValidateTrustName(name string) error {
	var p problems
	p.label("name", "rule", name)
	return p.err()
}

// Validate returns nil, or an Invalid error. Whether the text is Cedar is not its business.
func (r AccessRule) Validate() error {
	var p problems
	p.label("name", "rule", r.Name)
	if strings.TrimSpace(r.Text) == "" || len(r.Text) > maxRuleText {
		p.add("text", "cannot use a rule of %d bytes: want 1 to %d", len(r.Text), maxRuleText)
	}
	if _, err := time.LoadLocation(r.TimeZone); err != nil || r.TimeZone == "Local" {
		p.add("time_zone", "cannot use %q as time zone: want a name such as Europe/Berlin, or UTC", r.TimeZone)
	}
	return p.err()
}

// Validate returns nil, or every mistake in c as Invalid errors joined into one.
func (c AccessCheck) Validate() error {
	var p problems
	if c.Subject != "" {
		p.subject("subject", c.Subject)
	}
	if c.Verb == "" {
		p.add("verb", "cannot check without a verb: want the operationId of a route, such as deploy")
	}
	p.scope(c.Application, c.Environment)
	return p.err()
}

// ValidateIssuer returns an Invalid error unless issuer is the URL of an OpenID Connect provider: https, or http on this host's loopback.
func ValidateIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Errorf(Invalid, "cannot use %q as issuer: want a URL such as https://token.actions.githubusercontent.com", issuer)
	}
	host := u.Hostname()
	if u.Scheme != "https" && (u.Scheme != "http" || host != "localhost" && !net.ParseIP(host).IsLoopback()) {
		return Errorf(Invalid, "cannot use %q as issuer: want https, as whoever is between could say who anybody is", issuer)
	}
	return nil
}

func (p *problems) subject(place, subject string) {
	group, isGroup := cutGroup(subject)
	switch {
	case subject == Everywhere:
	case isGroup && group != "" && len(group) <= maxPrincipal && group == strings.TrimSpace(group):
	case isGroup:
		p.add(place, "cannot use %q as a group: want group:NAME", subject)
	case strings.HasPrefix(subject, tokenName), strings.HasPrefix(subject, ciName):
		p.add(place, "cannot give a role to %q: what a token or a CI job may do is said where it is made; see `slipway token` and `slipway access trust`", subject)
	default:
		p.check(place, ValidateUserName(subject))
	}
}

func (p *problems) grant(role Role, application, environment string) {
	if !slices.Contains(Roles, role) {
		var names []string
		for _, r := range Roles {
			names = append(names, string(r))
		}
		p.add("role", "cannot use %q as role: want %s", role, strings.Join(names, ", "))
	}
	p.scope(application, environment)
}

func (p *problems) scope(application, environment string) {
	if application != "" && application != Everywhere {
		p.check("application", ValidateName("application", application))
	}
	if environment != "" && environment != Everywhere {
		p.check("environment", ValidateName("environment", environment))
	}
}

func (p *problems) label(place, what, name string) {
	if !labelForm.MatchString(name) {
		p.add(place, "cannot use %q as name of a %s: want 1 to 64 letters, digits, dots, dashes and underscores", name, what)
	}
}

func (p *problems) verbs(verbs []string) {
	if len(verbs) > maxVerbs {
		p.add("verbs", "cannot name %d verbs: %d at most", len(verbs), maxVerbs)
	}
	for i, v := range verbs {
		if v == "" {
			p.add(index("verbs", i), "cannot use an empty verb: want the operationId of a route, such as deploy")
		}
	}
}

func (p *problems) within(place string, d Duration, most time.Duration) {
	if time.Duration(d) < 0 || time.Duration(d) > most {
		p.add(place, "cannot be good for %s: %s at most", time.Duration(d), most)
	}
}
