package auth

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// firstLife is how long the token of the first start is good.
const firstLife = 24 * time.Hour

// firstVerbs are what it is good for.
var firstVerbs = []string{"grantAccess", "createToken"}

// firstName is the name of the token of the first start.
const firstName = "first-start"

// CreateToken makes a token. Its secret is in the answer, and nowhere else.
func (a *Authority) CreateToken(ctx context.Context, r slipway.TokenRequest) (slipway.NewToken, error) {
	if err := r.Validate(); err != nil {
		return slipway.NewToken{}, err
	}
	if r.Name == firstName {
		return slipway.NewToken{}, slipway.Errorf(slipway.Invalid, "cannot call a token %s: that is what slipwayd calls the one of its first start", firstName).At("name")
	}
	if a.store == nil {
		return slipway.NewToken{}, storeless()
	}
	if err := a.Spend(ctx, r.Grant()); err != nil {
		return slipway.NewToken{}, err
	}
	now := a.now()
	return a.issue(ctx, slipway.Token{
		ID: newID("t"), Name: r.Name, Grant: r.Grant(), Verbs: r.Verbs, By: slipway.PrincipalOf(ctx).Name, Created: now,
		Expires: now.Add(r.Lifetime.Or(slipway.DefaultTokenLife)),
	})
}

func (a *Authority) issue(ctx context.Context, t slipway.Token) (slipway.NewToken, error) {
	secret := newSecret(TokenPrefix)
	if err := a.store.CreateToken(ctx, t, hashOf(secret)); err != nil {
		return slipway.NewToken{}, err
	}
	return slipway.NewToken{Token: t, Secret: secret}, nil
}

// Tokens returns all tokens.
func (a *Authority) Tokens(ctx context.Context) ([]slipway.Token, error) {
	if a.store == nil {
		return nil, nil
	}
	return a.store.Tokens(ctx)
}

// Token returns a token by its ID or name.
func (a *Authority) Token(ctx context.Context, ref string) (slipway.Token, error) {
	all, err := a.Tokens(ctx)
	if err != nil {
		return slipway.Token{}, err
	}
	for _, t := range all {
		if t.ID == ref || t.Name == ref {
			return t, nil
		}
	}
	return slipway.Token{}, slipway.Errorf(slipway.NotFound, "cannot find token %q: `slipway token list` has all", ref)
}

// RotateToken gives a token another secret. The one that it has stays good for the grace.
func (a *Authority) RotateToken(ctx context.Context, ref string, r slipway.TokenRotation) (slipway.NewToken, error) {
	if err := r.Validate(); err != nil {
		return slipway.NewToken{}, err
	}
	t, err := a.Token(ctx, ref)
	if err != nil {
		return slipway.NewToken{}, err
	}
	if t.OneTime {
		return slipway.NewToken{}, slipway.Errorf(slipway.Refused, "cannot rotate the token of the first start: it is good once; make a token of your own with it")
	}
	now := a.now()
	life := t.Expires.Sub(t.Created)
	if !t.Rotated.IsZero() {
		life = t.Expires.Sub(t.Rotated)
	}
	t.Rotated, t.Grace, t.Expires = now, now.Add(time.Duration(r.Grace)), now.Add(r.Lifetime.Or(life))
	if r.Grace == 0 {
		t.Grace = time.Time{}
	}
	secret := newSecret(TokenPrefix)
	defer a.changes.tell()
	if t, err = a.store.RotateToken(ctx, t, hashOf(secret)); err != nil {
		return slipway.NewToken{}, err
	}
	return slipway.NewToken{Token: t, Secret: secret}, nil
}

// RevokeToken removes a token, and returns it as it was.
func (a *Authority) RevokeToken(ctx context.Context, ref string) (slipway.Token, error) {
	t, err := a.Token(ctx, ref)
	if err != nil {
		return slipway.Token{}, err
	}
	defer a.changes.tell()
	return a.store.DeleteToken(ctx, t.ID)
}

// FirstToken makes the token with which the first administrator is made, and returns its secret; "" if there is an administrator, or a token
// for the first that is still good. root, on slipwayd's host, needs none.
func (a *Authority) FirstToken(ctx context.Context) (string, error) {
	if a.config.AdminGroup != "" {
		return "", nil
	}
	bindings, err := a.store.Bindings(ctx)
	if err != nil {
		return "", err
	}
	for _, b := range bindings {
		if b.Grant == everything {
			return "", nil
		}
	}
	tokens, err := a.store.Tokens(ctx)
	if err != nil {
		return "", err
	}
	now := a.now()
	for _, t := range tokens {
		switch {
		case t.Grant == everything && !t.Expired(now):
			return "", nil
		case t.OneTime:
			if _, err := a.store.DeleteToken(ctx, t.ID); err != nil && slipway.CodeOf(err) != slipway.NotFound {
				return "", err
			}
		}
	}
	t, err := a.issue(ctx, slipway.Token{
		ID: newID("t"), Name: firstName, Grant: everything, OneTime: true, Verbs: firstVerbs, By: "slipwayd", Created: now, Expires: now.Add(firstLife),
	})
	if slipway.CodeOf(err) == slipway.Conflict { // another slipwayd on the same store was first
		return "", nil
	}
	return t.Secret, err
}

// Spend takes the token of the first start away from who shows it, if it is shown, before the first administrator is made of grant. Refused
// if that would be none; Conflict if another was faster.
func (a *Authority) Spend(ctx context.Context, grant slipway.Grant) error {
	who, _ := Of(ctx)
	if !who.OneTime {
		return nil
	}
	if grant != everything {
		return slipway.Errorf(slipway.Refused, "cannot use the token of the first start for that: it is good once, for the first administrator; ask for the role admin everywhere")
	}
	defer a.changes.tell()
	_, err := a.store.DeleteToken(ctx, who.Token)
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Errorf(slipway.Conflict, "cannot use the token of the first start: it was used already")
	}
	return err
}

// newID returns an ID that nothing else has.
func newID(kind string) string { return kind + "-" + strings.ToLower(rand.Text()[:10]) }
