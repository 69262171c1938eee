package httpapi

import (
	"context"
	"reflect"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// The functions below say what requests are about. The environment of an application, or the application, does not matter where it is left
// out: who may bake is whoever may deploy somewhere. Where all of them are meant it is slipway.Everywhere.

var everywhere = slipway.Scope{Application: slipway.Everywhere, Environment: slipway.Everywhere}

func asks(scopes ...slipway.Scope) (all []auth.Ask, _ error) {
	for _, s := range scopes {
		all = append(all, auth.Ask{Scope: s})
	}
	return all, nil
}

// anything is what is nobody's in particular: content by its digest.
func anything(context.Context, *api, request) ([]auth.Ask, error) { return asks(slipway.Scope{}) }

// everything is slipwayd itself.
func everything(context.Context, *api, request) ([]auth.Ask, error) { return asks(everywhere) }

// inPath is the application, and the environment if there is one, that the path names.
func inPath(_ context.Context, _ *api, r request) ([]auth.Ask, error) {
	return asks(slipway.Scope{Application: r.path("application"), Environment: r.path("environment")})
}

// allOfPath is the application that the path names, in every environment.
func allOfPath(_ context.Context, _ *api, r request) ([]auth.Ask, error) {
	return asks(slipway.Scope{Application: r.path("application"), Environment: slipway.Everywhere})
}

// bothImages are the application that the path names, and the one that the image to compare with is of.
func bothImages(_ context.Context, _ *api, r request) ([]auth.Ask, error) {
	other, _, _ := strings.Cut(r.query("with"), "@")
	if other == "" {
		other = r.path("application")
	}
	return asks(slipway.Scope{Application: r.path("application")}, slipway.Scope{Application: other})
}

func aboutBake(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	b, err := a.Store.Bake(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	return asks(slipway.Scope{Application: b.Application})
}

func aboutExecution(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	e, err := a.Store.Execution(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	return asks(slipway.Scope{Application: e.Application})
}

func aboutDeployment(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	d, err := a.Store.Deployment(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	ask := auth.Ask{Scope: slipway.Scope(d.Cluster), Image: d.Image, Requester: d.By}
	ask.Author = a.author(ctx, d.Image)
	if c, ok := r.body.(slipway.Command); ok {
		ask.Reason = c.Reason
		if c.Verb == slipway.VerbApprove || c.Verb == slipway.VerbReject {
			ask.Verb, ask.Role = "approve", slipway.RoleApprover
		}
	}
	return []auth.Ask{ask}, nil
}

// aboutRelease is every application of a release: all of them move, or none.
func aboutRelease(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	release, err := a.Store.Release(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	var all []auth.Ask
	for _, m := range release.Members {
		all = append(all, auth.Ask{
			Scope: slipway.Scope{Application: m.Application, Environment: release.Environment}, Image: m.Image, Requester: release.By,
		})
	}
	return all, nil
}

// aboutWork is whatever the ID of something under way is of.
func aboutWork(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	switch id := r.path("id"); {
	case strings.HasPrefix(id, "b-"):
		return aboutBake(ctx, a, r)
	case strings.HasPrefix(id, "d-"):
		return aboutDeployment(ctx, a, r)
	case slipway.IsPromotion(id):
		return aboutPromotion(ctx, a, r)
	case strings.HasPrefix(id, "r-"):
		return aboutRelease(ctx, a, r)
	case strings.HasPrefix(id, "x-"):
		e, err := a.Store.Execution(ctx, id)
		if err != nil {
			return nil, err
		}
		return inEnvironments(e.Application, e.Environments, auth.Ask{Image: e.Image})
	}
	return asks(everywhere)
}

// inEnvironments are the environments of an application, or, if there is none, the application.
func inEnvironments(application string, environments []string, ask auth.Ask) (all []auth.Ask, _ error) {
	if len(environments) == 0 {
		environments = []string{""}
	}
	for _, e := range environments {
		ask.Scope = slipway.Scope{Application: application, Environment: e}
		all = append(all, ask)
	}
	return all, nil
}

func aboutRestriction(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	all, err := a.Store.Restrictions(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.ID == r.path("id") {
			return asks(slipway.ScopeOf(one.Cluster))
		}
	}
	return asks(everywhere) // to whom it matters is told that there is none
}

// aboutApproval is what is asked for, and whose change that is.
func aboutApproval(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	asked, err := a.Approvals.Approval(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	ask := auth.Ask{
		Scope: slipway.Scope{Application: asked.Application, Environment: asked.Environment}, Image: asked.Image, Requester: asked.Requester,
		Author: a.author(ctx, asked.Image),
	}
	if r.verb == "vote" {
		ask.Verb = "approve"
	}
	return []auth.Ask{ask}, nil
}

func aboutInstance(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	i, err := a.Provider.Instance(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	s, err := a.ofInstance(ctx, i)
	return []auth.Ask{{Scope: s, Image: i.Image}}, err
}

func aboutGroup(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	s, err := a.ofGroup(ctx, r.path("name"))
	return []auth.Ask{{Scope: s}}, err
}

// aboutBalancer is the cluster whose load balancer the path names.
func aboutBalancer(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	routes, err := a.Store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range routes {
		if one.Cluster.String() == r.path("name") {
			return asks(slipway.Scope(one.Cluster))
		}
	}
	return asks(everywhere)
}

// aboutTrigger is what a trigger starts.
func aboutTrigger(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	t, err := a.Triggers.TriggerStatus(ctx, r.path("id"), 0)
	if err != nil {
		return nil, err
	}
	return asks(triggered(t.TriggerSpec))
}

// triggered is the environment that a trigger deploys to, or, if it runs a pipeline, all of the application: a pipeline may come anywhere.
func triggered(t slipway.TriggerSpec) slipway.Scope {
	return slipway.ScopeOf(slipway.Cluster{Application: t.Application, Environment: t.Deploy})
}

func aboutTriggerSpec(_ context.Context, _ *api, r request) ([]auth.Ask, error) {
	f := reflect.ValueOf(r.body).FieldByName("TriggerSpec")
	spec, ok := f.Interface().(slipway.TriggerSpec)
	if !ok {
		return asks(everywhere)
	}
	return asks(triggered(spec))
}

// aboutSubscription is all that somebody is told of.
func aboutSubscription(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	s, err := a.Subscriptions.GetSubscription(ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	return asks(subscribed(s.SubscriptionSpec)...)
}

// subscribed is every application in every environment of a subscription; one that names none is of all.
func subscribed(s slipway.SubscriptionSpec) (all []slipway.Scope) {
	applications, environments := s.Applications, s.Environments
	if len(applications) == 0 {
		applications = []string{slipway.Everywhere}
	}
	if len(environments) == 0 {
		environments = []string{slipway.Everywhere}
	}
	for _, application := range applications {
		for _, environment := range environments {
			all = append(all, slipway.Scope{Application: application, Environment: environment})
		}
	}
	return all
}

// aboutPipeline is every environment that a pipeline, or one that it starts, may come to.
func aboutPipeline(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	b, _ := r.body.(slipway.PipelineRequest)
	if b.Bake != nil {
		all := a.comesTo(ctx, b.Bake.Spec, b.Pipeline, map[string]bool{})
		if b.Bake.Spec.Application != b.Application && b.Application != "" {
			all = append(all, auth.Ask{Scope: slipway.Scope{Application: b.Application}})
		}
		return all, nil
	}
	spec, err := a.Store.Application(ctx, b.Application)
	if err != nil {
		return nil, err
	}
	return a.comesTo(ctx, spec, b.Pipeline, map[string]bool{}), nil
}

// comesTo returns the environments that an application's pipeline may change, and those of the pipelines that it starts. What is not known of
// one of these is everywhere of its application.
func (a *api) comesTo(ctx context.Context, spec slipway.Spec, name string, seen map[string]bool) []auth.Ask {
	all := []auth.Ask{{Scope: slipway.Scope{Application: spec.Application}}}
	if key := spec.Application + "/" + name; seen[key] {
		return all
	} else {
		seen[key] = true
	}
	p, ok := spec.PipelineNamed(name)
	if !ok {
		return all
	}
	steps := []slipway.Step{}
	failing := func(f *slipway.OnFailure) {
		if f != nil {
			steps = append(steps, f.Stages...)
		}
	}
	failing(p.OnFailure)
	for _, s := range p.Stages {
		steps = append(steps, s.Step)
		failing(s.OnFailure)
	}
	for _, s := range steps {
		environment := ""
		switch {
		case s.Deploy != nil:
			environment = s.Deploy.Environment
		case s.Promote != nil:
			environment = s.Promote.To
		case s.Rollback != nil:
			environment = s.Rollback.Environment
		case s.Pipeline != nil:
			other := spec
			if s.Pipeline.Application != "" && s.Pipeline.Application != spec.Application {
				var err error
				if other, err = a.Store.Application(ctx, s.Pipeline.Application); err != nil {
					all = append(all, auth.Ask{Scope: slipway.Scope{Application: s.Pipeline.Application, Environment: slipway.Everywhere}})
					continue
				}
			}
			all = append(all, a.comesTo(ctx, other, s.Pipeline.Name, seen)...)
			continue
		default:
			continue
		}
		all = append(all, auth.Ask{Scope: slipway.Scope{Application: spec.Application, Environment: environment}})
	}
	return all
}

// The bodies of requests.

func aboutBody(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	switch b := r.body.(type) {
	case slipway.BakeRequest:
		return []auth.Ask{{Scope: slipway.Scope{Application: b.Spec.Application}, Author: authorOf(b.Source)}}, nil
	case slipway.ShipRequest:
		return inEnvironments(b.Spec.Application, b.Environments, auth.Ask{
			Author: authorOf(b.Source), Reason: b.Deploy.Reason, Override: b.Deploy.Override || b.Deploy.Force,
			Role: overriding(b.Deploy.Override || b.Deploy.Force),
		})
	case slipway.RebuildRequest:
		return asks(slipway.Scope{Application: b.Application})
	case slipway.DeployRequest:
		return a.aboutMove(ctx, b.Cluster, b.Image, b.Reason, b.Override || b.Force)
	case slipway.RollbackRequest:
		return a.aboutMove(ctx, b.Cluster, b.Image, b.Reason, b.Override || b.Force)
	case slipway.PromoteRequest:
		return a.aboutPromoting(ctx, b)
	case slipway.ReleaseRequest:
		var all []auth.Ask
		for _, m := range b.Members {
			some, err := a.aboutMove(ctx, slipway.Cluster{Application: m.Application, Environment: b.Environment}, m.Image, b.Reason, false)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		return all, nil
	case slipway.RestrictionRequest:
		return []auth.Ask{{Scope: slipway.ScopeOf(b.Cluster), Reason: b.Reason}}, nil
	case slipway.AnalysisRequest:
		if b.Cluster == (slipway.Cluster{}) && b.Deployment != "" {
			d, err := a.Store.Deployment(ctx, b.Deployment)
			return []auth.Ask{{Scope: slipway.Scope(d.Cluster)}}, err
		}
		return asks(slipway.ScopeOf(b.Cluster))
	case slipway.PruneRequest:
		return asks(slipway.ScopeOf(slipway.Cluster{Application: b.Application}))
	case slipway.SubscriptionSpec:
		return asks(subscribed(b)...)
	case slipway.BindingRequest:
		return asks(b.Grant().Scope)
	case slipway.TokenRequest:
		return asks(b.Grant().Scope)
	case slipway.TrustRequest:
		return asks(b.Grant().Scope)
	}
	return asks(fieldsOf(r.body))
}

// overriding is the role that going on in spite of a restriction, or of the traffic guard, wants; the route's if nothing is overridden.
func overriding(override bool) slipway.Role {
	if override {
		return slipway.RoleOperator
	}
	return ""
}

// aboutMove is a cluster that is to be moved to an image.
func (a *api) aboutMove(ctx context.Context, c slipway.Cluster, ref, reason string, override bool) ([]auth.Ask, error) {
	ask := auth.Ask{Scope: slipway.Scope(c), Reason: reason, Override: override, Role: overriding(override)}
	if c.Application == "" || c.Environment == "" { // the request is wrong; whoever may do something is told so
		ask.Scope = slipway.ScopeOf(c)
		return []auth.Ask{ask}, nil
	}
	if image, err := a.Store.FindImage(ctx, c.Application, ref); err == nil && ref != "" { // that there is none, who may deploy is told later
		ask.Image, ask.Author = image.Digest, authorOf(image.Source)
	}
	return []auth.Ask{ask}, nil
}

// author returns who wrote what an image was made of; "" if that is not known.
func (a *api) author(ctx context.Context, image slipway.Digest) string {
	i, err := a.Store.Image(ctx, image)
	if err != nil {
		return ""
	}
	return authorOf(i.Source)
}

// ofGroup returns the scope of a server group's cluster; everywhere's if there is no such group.
func (a *api) ofGroup(ctx context.Context, name string) (slipway.Scope, error) {
	groups, err := a.Provider.ServerGroups(ctx)
	if err != nil {
		return everywhere, err
	}
	for _, g := range groups {
		if g.Name == name {
			return slipway.Scope(g.Cluster), nil
		}
	}
	return everywhere, nil
}

// ofInstance returns the scope of a machine: that of its server group, or that of the application whose image it is of.
func (a *api) ofInstance(ctx context.Context, i slipway.Instance) (slipway.Scope, error) {
	if i.Group != "" {
		return a.ofGroup(ctx, i.Group)
	}
	image, err := a.Store.Image(ctx, i.Image)
	if slipway.CodeOf(err) == slipway.NotFound {
		return everywhere, nil
	}
	return slipway.Scope{Application: image.Application}, err
}

// scopesOf returns the scopes of a thing that is listed, of any of which it is enough to see one.
func (a *api) scopesOf(ctx context.Context, item any) []slipway.Scope {
	one := func(s slipway.Scope, err error) []slipway.Scope {
		if err != nil {
			a.Log.Warn("cannot find out what something belongs to; only who sees everything sees it", "error", err)
			s = everywhere
		}
		return []slipway.Scope{s}
	}
	switch v := item.(type) {
	case slipway.Instance:
		return one(a.ofInstance(ctx, v))
	case slipway.Machine:
		if v.Cluster.Application == "" {
			return []slipway.Scope{everywhere}
		}
		return []slipway.Scope{slipway.Scope(v.Cluster)}
	case slipway.Restriction:
		return one(slipway.Scope(v.Cluster), nil) // one of everything is of each
	case slipway.Trigger:
		return one(triggered(v.TriggerSpec), nil)
	case slipway.Subscription:
		return subscribed(v.SubscriptionSpec)
	case slipway.Event:
		return one(ofEvent(v), nil)
	case slipway.Delivery:
		return one(ofEvent(v.Event), nil)
	case slipway.EnvironmentInfo:
		var all []slipway.Scope
		for _, m := range v.Applications {
			all = append(all, slipway.Scope{Application: m.Application, Environment: v.Name})
		}
		return all
	case slipway.Promotion:
		return one(slipway.Scope(v.Cluster()), nil)
	case slipway.Release:
		var all []slipway.Scope
		for _, m := range v.Members {
			all = append(all, slipway.Scope{Application: m.Application, Environment: v.Environment})
		}
		return all
	}
	return one(fieldsOf(item), nil)
}

// ofEvent returns the scope of an event. One of an application in no environment, such as of a bake, is for whoever sees any of it.
func ofEvent(e slipway.Event) slipway.Scope {
	if e.Application == "" {
		return everywhere
	}
	return slipway.Scope{Application: e.Application, Environment: e.Environment}
}

// fieldsOf returns the scope that the fields of a record or a request name: Cluster, or Application and, where there is one, Environment. An
// environment that is there but empty is every one, a record without an application is nobody's in particular, and so for those who have the
// role everywhere.
func fieldsOf(item any) slipway.Scope {
	v := reflect.Indirect(reflect.ValueOf(item))
	if v.Kind() != reflect.Struct {
		return everywhere
	}
	if f := v.FieldByName("Cluster"); f.IsValid() {
		if c, ok := f.Interface().(slipway.Cluster); ok {
			return slipway.ScopeOf(c)
		}
	}
	application, environment := v.FieldByName("Application"), v.FieldByName("Environment")
	if !application.IsValid() || application.Kind() != reflect.String || application.String() == "" {
		return everywhere
	}
	s := slipway.Scope{Application: application.String()}
	if environment.IsValid() && environment.Kind() == reflect.String {
		s = slipway.ScopeOf(slipway.Cluster{Application: s.Application, Environment: environment.String()})
	}
	return s
}

func authorOf(s *slipway.Source) string {
	if s == nil {
		return ""
	}
	return s.Author
}
