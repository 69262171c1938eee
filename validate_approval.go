package slipway

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds of approvals.
const (
	maxApprovers = 50                  // that may be needed
	maxVoters    = 200                 // names and groups that may be listed
	MaxApproval  = 90 * 24 * time.Hour // the longest that an approval may be waited for
	maxMessage   = 4 << 10             // bytes of what is asked
)

var approvalForm = regexp.MustCompile(`^a-[a-z0-9-]{1,64}$`)

// IsApproval reports whether id has the form of an approval's.
func IsApproval(id string) bool { return approvalForm.MatchString(id) }

// Validate returns nil, or every mistake in a question that is about to be asked as Invalid errors joined into one.
func (a Approval) Validate() error {
	var p problems
	if !IsApproval(a.ID) {
		p.add("id", "cannot use %q as the id of an approval: want a- and lower-case letters, digits and dashes", a.ID)
	}
	p.check("application", ValidateName("application", a.Application))
	if a.Environment != "" {
		p.check("environment", ValidateName("environment", a.Environment))
	}
	if a.Subject == "" {
		p.add("subject", "cannot ask for nothing: say what waits for the answer")
	}
	if len(a.Message) > maxMessage {
		p.add("message", "cannot ask with %d bytes: want at most %d", len(a.Message), maxMessage)
	}
	p.approvers("", a.Needed, "from", a.From)
	if !a.Expires.After(a.Asked) {
		p.add("expires", "cannot ask for an answer by %s: that is over", a.Expires.UTC().Format(time.RFC3339))
	} else if a.Expires.Sub(a.Asked) > MaxApproval {
		p.add("expires", "cannot wait for an answer until %s: want at most %s", a.Expires.UTC().Format(time.RFC3339), MaxApproval)
	}
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one.
func (r VoteRequest) Validate() error {
	var p problems
	p.reason("comment", r.Comment)
	return p.err()
}

// approvers looks at how many are needed and from whom they are.
func (p *problems) approvers(place string, needed int, field string, from []string) {
	if needed < 1 || needed > maxApprovers {
		p.add(key(place, "needed"), "cannot need %d approvals: want 1 to %d", needed, maxApprovers)
	}
	if len(from) > maxVoters {
		p.add(key(place, field), "cannot list %d people and groups: want at most %d; name a group", len(from), maxVoters)
	}
	for i, name := range from {
		switch {
		case strings.TrimSpace(name) != name || name == "":
			p.add(index(key(place, field), i), "cannot use %q as the name of a person or a group", name)
		case slices.Contains(from[:i], name):
			p.add(index(key(place, field), i), "cannot list %q twice: it would count once", name)
		}
	}
}
