package auth

import (
	"cmp"
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

// TrustRules returns the rules of trust by name.
func (a *Authority) TrustRules(ctx context.Context) ([]slipway.TrustRule, error) {
	if a.store == nil {
		return nil, nil
	}
	return a.store.TrustRules(ctx)
}

// TrustRule returns a rule of trust.
func (a *Authority) TrustRule(ctx context.Context, name string) (slipway.TrustRule, error) {
	all, err := a.TrustRules(ctx)
	if err != nil {
		return slipway.TrustRule{}, err
	}
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	return slipway.TrustRule{}, slipway.Errorf(slipway.NotFound, "cannot find rule of trust %q: `slipway access trust list` has all", name)
}

// SetTrustRule inserts a rule of trust, or replaces the one of its name.
func (a *Authority) SetTrustRule(ctx context.Context, name string, r slipway.TrustRequest) (slipway.TrustRule, error) {
	if err := slipway.ValidateTrustName(name); err != nil {
		return slipway.TrustRule{}, err
	}
	if err := r.Validate(); err != nil {
		return slipway.TrustRule{}, err
	}
	if a.store == nil {
		return slipway.TrustRule{}, storeless()
	}
	rule := slipway.TrustRule{
		Name: name, Issuer: r.Issuer, Audience: cmp.Or(r.Audience, slipway.DefaultAudience), Claims: r.Claims, Grant: r.Grant(), Verbs: r.Verbs,
		By: slipway.PrincipalOf(ctx).Name, Changed: a.now(),
	}
	defer a.changes.tell()
	return rule, a.store.PutTrustRule(ctx, rule)
}

// DeleteTrustRule removes a rule of trust, and returns what it was.
func (a *Authority) DeleteTrustRule(ctx context.Context, name string) (slipway.TrustRule, error) {
	if a.store == nil {
		return slipway.TrustRule{}, storeless()
	}
	defer a.changes.tell()
	return a.store.DeleteTrustRule(ctx, name)
}

// AccessRules returns the access rules by name.
func (a *Authority) AccessRules(ctx context.Context) ([]slipway.AccessRule, error) {
	if a.store == nil {
		return nil, nil
	}
	return a.store.AccessRules(ctx)
}

// AccessRule returns an access rule.
func (a *Authority) AccessRule(ctx context.Context, name string) (slipway.AccessRule, error) {
	all, err := a.AccessRules(ctx)
	if err != nil {
		return slipway.AccessRule{}, err
	}
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	return slipway.AccessRule{}, slipway.Errorf(slipway.NotFound, "cannot find access rule %q: `slipway access rule list` has all", name)
}

// CheckRule returns an Invalid error if the rule cannot be stored.
func (a *Authority) CheckRule(r slipway.AccessRule) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if a.config.Rules == nil {
		return slipway.Errorf(slipway.Unprepared, "cannot use access rules: this slipwayd evaluates none")
	}
	return a.config.Rules.Check(r)
}

// SetAccessRule inserts an access rule, or replaces the one of its name.
func (a *Authority) SetAccessRule(ctx context.Context, r slipway.AccessRule) (slipway.AccessRule, error) {
	r.TimeZone = cmp.Or(r.TimeZone, "UTC")
	r.By, r.Changed = slipway.PrincipalOf(ctx).Name, a.now()
	if err := a.CheckRule(r); err != nil {
		return slipway.AccessRule{}, err
	}
	if a.store == nil {
		return slipway.AccessRule{}, storeless()
	}
	return r, a.store.PutAccessRule(ctx, r)
}

// TryRule says what a rule that need not be stored would say of something. The answer is that of the rule alone.
func (a *Authority) TryRule(r slipway.AccessRule, who slipway.Principal, ask Ask, at time.Time) (slipway.AccessAnswer, error) {
	r.TimeZone = cmp.Or(r.TimeZone, "UTC")
	if err := a.CheckRule(r); err != nil {
		return slipway.AccessAnswer{}, err
	}
	why, err := a.config.Rules.Forbids(r, who, ask, at)
	switch {
	case err != nil:
		return slipway.AccessAnswer{Why: "the rule cannot be evaluated, and so forbids: " + err.Error()}, nil
	case why != "":
		return slipway.AccessAnswer{Why: why}, nil
	}
	return slipway.AccessAnswer{Allowed: true, Why: "the rule does not forbid it"}, nil
}

// DeleteAccessRule removes an access rule, and returns what it was.
func (a *Authority) DeleteAccessRule(ctx context.Context, name string) (slipway.AccessRule, error) {
	if a.store == nil {
		return slipway.AccessRule{}, storeless()
	}
	return a.store.DeleteAccessRule(ctx, name)
}
