package slipway

import (
	"regexp"
	"slices"
	"strings"
)

// maxMembers is the most applications that a release moves.
const maxMembers = 100

var restrictionForm = regexp.MustCompile(`^[fpv]-[a-z0-9-]{1,64}$`)

// Validate returns nil, or every mistake in c as Invalid errors joined into one. Whether the deployment is in a state in which the command
// makes sense is not its business.
func (c Command) Validate() error {
	var p problems
	if !slices.Contains(Verbs, c.Verb) {
		p.add("verb", "cannot tell a deployment to %q: want one of %v", c.Verb, Verbs)
	}
	p.reason("reason", c.Reason)
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one. Whether what it names exists is not its business.
func (r RestrictionRequest) Validate() error {
	var p problems
	switch r.Kind {
	case RestrictionFreeze:
		if r.Cluster.Application != "" {
			p.check("cluster.application", ValidateName("application", r.Cluster.Application))
		}
		if r.Cluster.Environment != "" {
			p.check("cluster.environment", ValidateName("environment", r.Cluster.Environment))
		}
		if r.Image != "" {
			p.add("image", "cannot freeze an image: a freeze is of all; veto the image, or pin to it")
		}
	case RestrictionPin:
		p.cluster(r.Cluster)
	case RestrictionVeto:
		p.cluster(r.Cluster)
		if r.Image == "" {
			p.add("image", "cannot veto without an image: give a channel, a version label, a digest, or at least six of its first digits")
		}
	default:
		p.add("kind", "cannot make a restriction of kind %q: want %s, %s or %s", r.Kind, RestrictionFreeze, RestrictionPin, RestrictionVeto)
	}
	p.given("reason", r.Reason, "restrict anything")
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one.
func (r LiftRequest) Validate() error {
	var p problems
	if !restrictionForm.MatchString(r.ID) {
		p.add("id", "cannot lift %q: want the id of a freeze (f-…), a pin (p-…) or a veto (v-…)", r.ID)
	}
	p.given("reason", r.Reason, "lift a restriction")
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one. Whether what it names exists is not its business.
func (r ReleaseRequest) Validate() error {
	var p problems
	p.check("environment", ValidateName("environment", r.Environment))
	switch {
	case len(r.Members) == 0:
		p.add("members", "cannot release nothing: name at least one application and its image")
	case len(r.Members) > maxMembers:
		p.add("members", "cannot release %d applications as one: want at most %d", len(r.Members), maxMembers)
	}
	seen := map[string]bool{}
	for i, m := range r.Members {
		place := index("members", i)
		p.check(place+".application", ValidateName("application", m.Application))
		if seen[m.Application] {
			p.add(place+".application", "cannot release %s twice: name it once", m.Application)
		}
		seen[m.Application] = true
		if m.Image == "" {
			p.add(place+".image", "cannot release %s without an image: give a channel, a version label, a digest, or at least six of its first digits", m.Application)
		}
	}
	p.reason("reason", r.Reason)
	return p.err()
}

// urgent looks at what goes past a rule: jumping the queue, overriding restrictions, forcing the traffic guard.
func (p *problems) urgent(place, reason string, hotfix, override, force bool) {
	var what []string
	for _, c := range []struct {
		asked bool
		what  string
	}{{hotfix, "jump the queue"}, {override, "override restrictions"}, {force, "force the traffic guard"}} {
		if c.asked {
			what = append(what, c.what)
		}
	}
	if len(what) > 0 {
		p.given(place, reason, strings.Join(what, " and "))
		return
	}
	p.reason(place, reason)
}

// given looks at a reason that must be there. doing is what it is for, to follow "cannot".
func (p *problems) given(place, reason, doing string) {
	if strings.TrimSpace(reason) == "" {
		p.add(place, "cannot %s without a reason: say why, for whoever asks later", doing)
	}
	p.reason(place, reason)
}

// reason looks at a reason that may be left out.
func (p *problems) reason(place, reason string) {
	if len(reason) > maxReason {
		p.add(place, "cannot take a reason of %d bytes: want at most %d", len(reason), maxReason)
	}
}

// conflict looks at what is to become of a deployment that finds another under way; "" stands for the environment's policy.
func (p *problems) conflict(place string, policy ConflictPolicy) {
	switch policy {
	case "", ConflictRefuse, ConflictQueue, ConflictSupersede:
	default:
		p.add(place, "cannot use %q when another deployment is under way: want %s, %s or %s", policy, ConflictRefuse, ConflictQueue, ConflictSupersede)
	}
}
