package httpapi

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// RuleInput names a rule in a path. It is exported so that huma sees its fields where it is embedded.
type RuleInput struct {
	Name string `path:"name"`
}

type trustRulesInput struct{ PageInput }

func (a *api) listTrust(ctx context.Context, in *trustRulesInput) (*listOutput[slipway.TrustRule], error) {
	all, err := a.Access.TrustRules(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(r slipway.TrustRule) string { return r.Name })
}

func (a *api) getTrust(ctx context.Context, in *RuleInput) (*output[slipway.TrustRule], error) {
	return found(a.Access.TrustRule(ctx, in.Name))
}

type trustInput struct {
	RuleInput
	Body slipway.TrustRequest
}

func (a *api) setTrust(ctx context.Context, in *trustInput) (*output[slipway.TrustRule], error) {
	if err := a.checkVerbs("verbs", in.Body.Verbs); err != nil {
		return nil, err
	}
	return found(a.Access.SetTrustRule(ctx, in.Name, in.Body))
}

func (a *api) deleteTrust(ctx context.Context, in *RuleInput) (*output[slipway.TrustRule], error) {
	return found(a.Access.DeleteTrustRule(ctx, in.Name))
}

// aboutTrust is what a rule of trust gives, and what it is to give.
func aboutTrust(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	var all []auth.Ask
	if b, ok := r.body.(slipway.TrustRequest); ok {
		all = append(all, auth.Ask{Scope: b.Grant().Scope})
	}
	switch rule, err := a.Access.TrustRule(ctx, r.path("name")); slipway.CodeOf(err) {
	case "":
		all = append(all, auth.Ask{Scope: rule.Scope})
	case slipway.NotFound:
		if len(all) == 0 {
			return nil, err
		}
	default:
		return nil, err
	}
	return all, nil
}

type accessRulesInput struct{ PageInput }

func (a *api) listRules(ctx context.Context, in *accessRulesInput) (*listOutput[slipway.AccessRule], error) {
	all, err := a.Access.AccessRules(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(r slipway.AccessRule) string { return r.Name })
}

func (a *api) getRule(ctx context.Context, in *RuleInput) (*output[slipway.AccessRule], error) {
	return found(a.Access.AccessRule(ctx, in.Name))
}

// RuleText is an access rule without its name.
type RuleText struct {
	Text     string `json:"text" doc:"Cedar policies, of which all forbid." example:"forbid (principal, action, resource in Environment::\"prod\") when { context.hour >= 17 };"`
	TimeZone string `json:"time_zone,omitempty" doc:"In which hours and weekdays are meant; default: UTC." example:"Europe/Berlin"`
}

type setRuleInput struct {
	RuleInput
	Body RuleText
}

func (a *api) setRule(ctx context.Context, in *setRuleInput) (*output[slipway.AccessRule], error) {
	return found(a.Access.SetAccessRule(ctx, slipway.AccessRule{Name: in.Name, Text: in.Body.Text, TimeZone: in.Body.TimeZone}))
}

func (a *api) deleteRule(ctx context.Context, in *RuleInput) (*output[slipway.AccessRule], error) {
	return found(a.Access.DeleteAccessRule(ctx, in.Name))
}

type tryRuleInput struct {
	Body struct {
		RuleText
		Check slipway.AccessCheck `json:"check"`
	}
}

// tryRule says what a rule would say of something, and stores nothing.
func (a *api) tryRule(ctx context.Context, in *tryRuleInput) (*output[slipway.AccessAnswer], error) {
	q := in.Body.Check
	if err := q.Validate(); err != nil {
		return nil, err
	}
	role, ok := a.verbs()[q.Verb]
	if !ok {
		return nil, slipway.Errorf(slipway.Invalid, "cannot try it with %q: the API has no route of that operationId that wants a role", q.Verb).At("check.verb")
	}
	who := slipway.PrincipalOf(ctx)
	if q.Subject != "" {
		who = slipway.Principal{Kind: slipway.PrincipalUser, Name: q.Subject, Groups: q.Groups}
	}
	if q.At.IsZero() {
		q.At = time.Now()
	}
	return found(a.Access.TryRule(slipway.AccessRule{Name: "try", Text: in.Body.Text, TimeZone: in.Body.TimeZone}, who, auth.Ask{
		Verb: q.Verb, Role: role, Scope: slipway.Scope{Application: q.Application, Environment: q.Environment}, Image: q.Image, Requester: q.Requester,
	}, q.At))
}
