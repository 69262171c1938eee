package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// Ask is something that somebody wants to do.
type Ask struct {
	Verb  string // the operationId of a route
	Role  slipway.Role
	Scope slipway.Scope // an empty field does not matter
	// What rules may look at.
	Image     slipway.Digest
	Requester string // whose change it is that is approved, or told what to do
	Author    string // who wrote what the image was made of, as its source says
	Reason    string
	Override  bool // restrictions, or the traffic guard
}

// Changes reports whether what is asked for changes something: seeing does not.
func (k Ask) Changes() bool { return k.Role != slipway.RoleViewer }

// Rules evaluates access rules. Methods are safe for concurrent use.
type Rules interface {
	// Check returns nil, or an Invalid error with the place in the text, if it is no rule that can be stored.
	Check(slipway.AccessRule) error
	// Forbids returns why the rule forbids what who asks for, "" if it does not. What cannot be evaluated is an error.
	Forbids(rule slipway.AccessRule, who slipway.Principal, ask Ask, at time.Time) (string, error)
}

// Check returns nil if ctx's request may do what it asks for; what it may by is the grant. Unauthenticated if it is nobody's. Forbidden, with
// the reason, if no grant allows it, or if a rule forbids it or cannot be evaluated.
func (a *Authority) Check(ctx context.Context, ask Ask) (slipway.Grant, error) {
	who, ok := Of(ctx)
	if !ok {
		return slipway.Grant{}, nobody()
	}
	return a.check(ctx, who, ask, a.now())
}

// Admit returns nil if ctx's request may go as far as that its body is read, which says what exactly it is about: whose it is has the role
// somewhere.
func (a *Authority) Admit(ctx context.Context, ask Ask) error {
	who, ok := Of(ctx)
	if !ok {
		return nobody()
	}
	ask.Scope = slipway.Scope{}
	if _, ok := who.Holds(ask.Role, ask.Scope); !ok {
		return refuse(who, ask)
	}
	return nil
}

func nobody() error {
	return slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: give a token in SLIPWAY_TOKEN, log in with `slipway login`, or be root on slipwayd's host and use its socket")
}

func refuse(who Identity, ask Ask) error {
	return slipway.Errorf(slipway.Forbidden, "cannot %s: %s is not %s", ask.Verb, who.Name, roleText(ask))
}

// CheckAs is Check for somebody else, at another time.
func (a *Authority) CheckAs(ctx context.Context, who Identity, ask Ask, at time.Time) (slipway.Grant, error) {
	return a.check(ctx, who, ask, at)
}

// As returns the identity of a user who is not here, with what was given to that one.
func (a *Authority) As(ctx context.Context, name string, groups []string) (Identity, error) {
	p := slipway.Principal{Kind: slipway.PrincipalUser, Name: name, Groups: groups}
	return a.user(ctx, p, a.config.AdminGroup != "" && slices.Contains(groups, a.config.AdminGroup))
}

func (a *Authority) check(ctx context.Context, who Identity, ask Ask, at time.Time) (slipway.Grant, error) {
	grant, ok := who.Holds(ask.Role, ask.Scope)
	if !ok {
		return grant, refuse(who, ask)
	}
	if !ask.Changes() {
		return grant, nil
	}
	if len(who.Verbs) > 0 && !narrowed(who.Verbs, ask.Verb) {
		return grant, slipway.Errorf(slipway.Forbidden, "cannot %s: %s was made for %v alone", ask.Verb, who.Name, who.Verbs)
	}
	if ask.Role == slipway.RoleAdmin { // or a rule could never be removed again
		return grant, nil
	}
	return grant, a.rules(ctx, who, ask, at)
}

// rules returns what forbids it.
func (a *Authority) rules(ctx context.Context, who Identity, ask Ask, at time.Time) error {
	if a.store == nil {
		return nil
	}
	rules, err := a.store.AccessRules(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the access rules: %w", err)
	}
	for _, r := range rules {
		why, err := "it cannot be evaluated here", error(nil)
		if a.config.Rules != nil {
			why, err = a.config.Rules.Forbids(r, who.Principal, ask, at)
		}
		if err != nil {
			a.log.Warn("an access rule cannot be evaluated, and forbids", "rule", r.Name, "verb", ask.Verb, "who", who.Name, "error", err)
			return slipway.Errorf(slipway.Forbidden, "cannot %s: the rule %s cannot be evaluated: %w; an administrator must mend it", ask.Verb, r.Name, err)
		}
		if why != "" {
			return slipway.Errorf(slipway.Forbidden, "cannot %s: the rule %s forbids it: %s", ask.Verb, r.Name, why)
		}
	}
	return nil
}

// uploads are what a bake needs before it begins.
var uploads = map[string]bool{"putBlob": true, "putSecrets": true}

// narrowed reports whether a verb is among those that a token was made for. What must be uploaded for one of them is.
func narrowed(verbs []string, verb string) bool {
	return slices.Contains(verbs, verb) || uploads[verb] && (slices.Contains(verbs, "bake") || slices.Contains(verbs, "ship"))
}

func roleText(ask Ask) string {
	article := "a "
	if ask.Role == slipway.RoleApprover || ask.Role == slipway.RoleOperator || ask.Role == slipway.RoleAdmin {
		article = "an "
	}
	if ask.Scope == (slipway.Scope{}) {
		return article + string(ask.Role) + " of anything"
	}
	return article + string(ask.Role) + " of " + ask.Scope.String()
}
