package httpapi

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

func (a *api) whoami(ctx context.Context, _ *struct{}) (*output[slipway.Whoami], error) {
	who, _ := auth.Of(ctx)
	return found(who.Whoami(), nil)
}

type bindingsInput struct {
	Subject string `query:"subject" doc:"Only what was given to this user, group or everyone." example:"group:ops"`
	PageInput
}

func (a *api) listAccess(ctx context.Context, in *bindingsInput) (*listOutput[slipway.Binding], error) {
	all, err := a.Access.Bindings(ctx)
	some := slices.DeleteFunc(slices.Clone(all), func(b slipway.Binding) bool { return in.Subject != "" && b.Subject != in.Subject })
	return sorted(a.page(ctx, &in.PageInput), some, err, func(b slipway.Binding) string { return b.Subject + "\x00" + b.ID })
}

type grantInput struct{ Body slipway.BindingRequest }

func (a *api) grantAccess(ctx context.Context, in *grantInput) (*output[slipway.Binding], error) {
	return found(a.Access.Grant(ctx, in.Body))
}

func (a *api) revokeAccess(ctx context.Context, in *idInput) (*output[slipway.Binding], error) {
	return found(a.Access.Revoke(ctx, in.ID))
}

// aboutBinding is the scope of a binding: who administers that may take it back.
func aboutBinding(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	b, err := a.Access.Binding(ctx, r.path("id"))
	return []auth.Ask{{Scope: b.Scope}}, err
}

type checkInput struct{ Body slipway.AccessCheck }

// checkAccess says whether somebody may do something. What it does not know of a request, such as whose change it is, it takes from the
// question.
func (a *api) checkAccess(ctx context.Context, in *checkInput) (*output[slipway.AccessAnswer], error) {
	q := in.Body
	if err := q.Validate(); err != nil {
		return nil, err
	}
	role, ok := a.verbs()[q.Verb]
	if !ok {
		return nil, slipway.Errorf(slipway.Invalid, "cannot check %q: the API has no route of that operationId that wants a role", q.Verb).At("verb")
	}
	who, _ := auth.Of(ctx)
	scope := slipway.Scope{Application: q.Application, Environment: q.Environment}
	if q.Subject != "" && q.Subject != who.Name {
		if _, err := a.Access.Check(ctx, auth.Ask{Verb: "checkAccess", Role: slipway.RoleAdmin, Scope: slipway.ScopeOf(slipway.Cluster(scope))}); err != nil {
			return nil, err
		}
		var err error
		if who, err = a.Access.As(ctx, q.Subject, q.Groups); err != nil {
			return nil, err
		}
	}
	at := q.At
	if at.IsZero() {
		at = time.Now()
	}
	grant, err := a.Access.CheckAs(ctx, who, auth.Ask{Verb: q.Verb, Role: role, Scope: scope, Image: q.Image, Requester: q.Requester}, at)
	switch slipway.CodeOf(err) {
	case "":
		return found(slipway.AccessAnswer{Allowed: true, Why: who.Name + " is " + grant.String()}, nil)
	case slipway.Forbidden:
		return found(slipway.AccessAnswer{Why: slipway.MessageOf(err)}, nil)
	}
	return nil, err
}

// verbs returns the least role of every route that wants one, by its operation ID.
func (a *api) verbs() map[string]slipway.Role {
	all := map[string]slipway.Role{}
	for _, r := range a.routes() {
		if r.access.role != "" {
			all[r.id] = r.access.role
		}
	}
	// Approving is one thing, be it by a vote or by commandDeployment that is told approve or reject.
	delete(all, "vote")
	all["approve"] = slipway.RoleApprover
	return all
}

// checkVerbs returns an Invalid error if one of the verbs, at the place, is none that changes something.
func (a *api) checkVerbs(place string, verbs []string) error {
	known := a.verbs()
	for _, v := range verbs {
		if role := known[v]; role == "" || role == slipway.RoleViewer {
			return slipway.Errorf(slipway.Invalid, "cannot narrow it to %q: the API has no route of that operationId that changes something; seeing is a matter of the role", v).At(place)
		}
	}
	return nil
}
