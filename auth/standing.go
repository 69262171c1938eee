package auth

import (
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Standing = (*Authority)(nil)

// Stands implements [slipway.Standing]. What is done then is a deployer's to do, whatever it is called. A token that was narrowed to some verbs
// was asked about that when the work began.
func (a *Authority) Stands(ctx context.Context, who slipway.Principal, verb string, cluster slipway.Cluster, image slipway.Digest) error {
	if who.Owner != nil {
		who = *who.Owner
	}
	if who.Name == "" || who.Kind == slipway.PrincipalSystem || a.store == nil {
		return nil
	}
	i, err := a.as(ctx, who)
	if err != nil {
		return err
	}
	_, err = a.check(ctx, i, Ask{Verb: verb, Role: slipway.RoleDeployer, Scope: slipway.Scope(cluster), Image: image}, a.now())
	return err
}

// as returns the identity of a principal who is not here, with what that one has now.
func (a *Authority) as(ctx context.Context, p slipway.Principal) (Identity, error) {
	switch p.Kind {
	case slipway.PrincipalLocal:
		return Local(p.Name), nil
	case slipway.PrincipalToken:
		return a.tokenNow(ctx, p)
	case slipway.PrincipalWorkload:
		rules, err := a.store.TrustRules(ctx)
		if err != nil {
			return Identity{}, err
		}
		i := Identity{Principal: p}
		for _, r := range rules {
			if slices.Contains(p.Rules, r.Name) {
				i.Grants = append(i.Grants, r.Grant)
			}
		}
		return i, nil
	}
	return a.user(ctx, p, a.config.AdminGroup != "" && slices.Contains(p.Groups, a.config.AdminGroup))
}

func (a *Authority) tokenNow(ctx context.Context, p slipway.Principal) (Identity, error) {
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return Identity{}, err
	}
	for _, t := range tokens {
		if t.Principal().Name != p.Name {
			continue
		}
		if t.Expired(a.now()) {
			return Identity{}, slipway.Errorf(slipway.Forbidden, "cannot go on: %s has expired; rotate it", p.Name)
		}
		return Identity{Principal: p, Grants: []slipway.Grant{t.Grant}}, nil
	}
	return Identity{}, slipway.Errorf(slipway.Forbidden, "cannot go on: %s was revoked", p.Name)
}
