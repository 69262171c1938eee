// Package cedar evaluates access rules that are written in Cedar. It implements [auth.Rules].
package cedar

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cedar-policy/cedar-go"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// The types of entities that rules speak of.
const (
	typeUser        = "User"
	typeToken       = "Token"
	typeWorkload    = "Workload"
	typeLocal       = "Local"
	typeGroup       = "Group"
	typeAction      = "Action"
	typeCluster     = "Cluster"
	typeApplication = "Application"
	typeEnvironment = "Environment"
)

// maxKept bounds the rules that are kept in the form in which they are evaluated.
const maxKept = 256

// Rules evaluates rules. What it has parsed it keeps. Methods are safe for concurrent use. The zero value is ready.
type Rules struct {
	mu     sync.Mutex
	parsed map[string]*cedar.PolicySet
}

var _ auth.Rules = (*Rules)(nil)

// Check implements [auth.Rules]: it wants Cedar, and nothing but what forbids. What is allowed is a matter of roles alone, so that whoever reads
// them knows the most that anybody may do.
func (r *Rules) Check(rule slipway.AccessRule) error {
	list, err := cedar.NewPolicyListFromBytes(rule.Name, []byte(rule.Text))
	if err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot read the rule %s: %s", rule.Name, strings.TrimSpace(err.Error())).At("text")
	}
	if len(list) == 0 {
		return slipway.Errorf(slipway.Invalid, "cannot use the rule %s: it has no policy; want forbid (principal, action, resource) when { … };", rule.Name).At("text")
	}
	for _, p := range list {
		if p.Effect() != cedar.Forbid {
			at := p.Position()
			return slipway.Errorf(slipway.Invalid, "cannot use a permit: roles say what is allowed, and rules what is forbidden all the same; write forbid").
				At(fmt.Sprintf("text:%d:%d", at.Line, at.Column))
		}
	}
	return nil
}

// Forbids implements [auth.Rules].
func (r *Rules) Forbids(rule slipway.AccessRule, who slipway.Principal, ask auth.Ask, at time.Time) (string, error) {
	set, err := r.parse(rule)
	if err != nil {
		return "", err
	}
	zone, err := time.LoadLocation(rule.TimeZone)
	if err != nil {
		return "", fmt.Errorf("there is no time zone %q", rule.TimeZone)
	}
	request, entities := question(who, ask, at.In(zone))
	_, why := cedar.Authorize(set, entities, request)
	if len(why.Errors) > 0 { // one of its policies may have been about to forbid
		e := why.Errors[0]
		return "", fmt.Errorf("%d:%d: %s", e.Position.Line, e.Position.Column, e.Message)
	}
	if len(why.Reasons) == 0 {
		return "", nil
	}
	first := why.Reasons[0]
	for _, other := range why.Reasons[1:] {
		if other.Position.Offset < first.Position.Offset {
			first = other
		}
	}
	if p := set.Get(first.PolicyID); p != nil {
		if reason, ok := p.Annotations()["reason"]; ok {
			return string(reason), nil
		}
	}
	return fmt.Sprintf("its policy at line %d", first.Position.Line), nil
}

// parse returns the rule in the form in which it is evaluated.
func (r *Rules) parse(rule slipway.AccessRule) (*cedar.PolicySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if set, ok := r.parsed[rule.Text]; ok {
		return set, nil
	}
	set, err := cedar.NewPolicySetFromBytes(rule.Name, []byte(rule.Text))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %s", strings.TrimSpace(err.Error()))
	}
	if r.parsed == nil || len(r.parsed) >= maxKept {
		r.parsed = map[string]*cedar.PolicySet{}
	}
	r.parsed[rule.Text] = set
	return set, nil
}

func uid(kind, id string) cedar.EntityUID {
	return cedar.NewEntityUID(cedar.EntityType(kind), cedar.String(id))
}

// kinds are the types of principals.
var kinds = map[slipway.PrincipalKind]string{
	slipway.PrincipalUser: typeUser, slipway.PrincipalToken: typeToken, slipway.PrincipalWorkload: typeWorkload, slipway.PrincipalLocal: typeLocal,
}

// question puts into Cedar's words who wants to do what, where and when.
func question(who slipway.Principal, ask auth.Ask, at time.Time) (cedar.Request, cedar.EntityMap) {
	principal := cedar.Entity{
		UID:        uid(cmp.Or(kinds[who.Kind], typeUser), who.Name),
		Attributes: cedar.NewRecord(cedar.RecordMap{"name": cedar.String(who.Name), "kind": cedar.String(who.Kind)}),
	}
	var groups []cedar.EntityUID
	for _, g := range who.Groups {
		groups = append(groups, uid(typeGroup, g))
	}
	principal.Parents = cedar.NewEntityUIDSet(groups...)
	action := cedar.Entity{UID: uid(typeAction, ask.Verb), Parents: cedar.NewEntityUIDSet(uid(typeAction, string(ask.Role)))}
	resource := cedar.Entity{
		UID:     uid(typeCluster, ask.Scope.Application+"/"+ask.Scope.Environment),
		Parents: cedar.NewEntityUIDSet(uid(typeApplication, ask.Scope.Application), uid(typeEnvironment, ask.Scope.Environment)),
		Attributes: cedar.NewRecord(cedar.RecordMap{
			"application": cedar.String(ask.Scope.Application), "environment": cedar.String(ask.Scope.Environment),
		}),
	}
	entities := cedar.EntityMap{principal.UID: principal, action.UID: action, resource.UID: resource}
	return cedar.Request{
		Principal: principal.UID, Action: action.UID, Resource: resource.UID,
		Context: cedar.NewRecord(cedar.RecordMap{
			"now": cedar.NewDatetime(at), "date": cedar.String(at.Format(time.DateOnly)),
			"hour": cedar.Long(at.Hour()), "minute": cedar.Long(at.Minute()), "weekday": cedar.String(at.Weekday().String()),
			"application": cedar.String(ask.Scope.Application), "environment": cedar.String(ask.Scope.Environment), "image": cedar.String(ask.Image),
			"requester": cedar.String(ask.Requester), "author": cedar.String(ask.Author), "reason": cedar.String(ask.Reason),
			"override": cedar.Boolean(ask.Override), "address": cedar.String(who.Address),
		}),
	}, entities
}
