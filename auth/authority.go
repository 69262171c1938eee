package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Config is what an [Authority] works with.
type Config struct {
	Store    slipway.AccessStore
	Verifier Verifier // of signed tokens; nil: there are none
	Rules    Rules    // nil: there are none, and any that is stored forbids
	Users    Users
	Idle     time.Duration // how long a session of a browser lasts that is not used; default 8 hours
	Longest  time.Duration // how long one lasts at most; default 24 hours
	// AdminGroup is the group of users who are administrators everywhere.
	AdminGroup string
	// Provider is where users log in, and Exchanger has it log in those who come with a browser; nil: none do.
	Provider  slipway.LoginProvider
	Exchanger Exchanger
	Now       func() time.Time // default time.Now
	Log       *slog.Logger
}

// Verifier verifies tokens that somebody else has signed: an OpenID Connect provider. Methods are safe for concurrent use.
type Verifier interface {
	// Verify returns the claims of a token if the issuer has signed it, for anybody, and it is good now, give or take a minute.
	// Unauthenticated with the reason if not, Unavailable if the issuer's keys cannot be had.
	Verify(ctx context.Context, issuer, token string) (Claims, error)
}

// Users says how users are known.
type Users struct {
	Issuer    string   // "": there are none
	Audiences []string // whom their tokens must be meant for, one of these
	NameClaim string   // default "email"
	GroupsIn  string   // the claim that has their groups; default "groups"
}

// Authority says who asks, and what that one may do. Methods are safe for concurrent use.
type Authority struct {
	config   Config
	store    slipway.AccessStore
	throttle *throttle
	good     *recent // what was shown and found good lately
	attempts *attempts
	changes  *changes
	log      *slog.Logger
}

// New returns an authority. Without a store it knows nobody but who is local.
func New(c Config) *Authority {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Idle == 0 {
		c.Idle = 8 * time.Hour
	}
	if c.Longest == 0 {
		c.Longest = 24 * time.Hour
	}
	if c.Users.NameClaim == "" {
		c.Users.NameClaim = "email"
	}
	if c.Users.GroupsIn == "" {
		c.Users.GroupsIn = "groups"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Authority{config: c, store: c.Store, throttle: newThrottle(c.Now), good: newRecent(), attempts: newAttempts(), changes: newChanges(), log: c.Log}
}

func (a *Authority) now() time.Time { return a.config.Now() }

// TooMany is returned, in the chain of an error, if an address has failed too often to be listened to.
type TooMany struct{ Wait time.Duration }

// Error implements error.
func (t *TooMany) Error() string {
	return "too many failures; wait " + t.Wait.Round(time.Second).String()
}

// Bearer says who shows a token: one that was made here, or one that a trusted issuer has signed. Unauthenticated, with the reason, if that
// is nobody; Unavailable with [TooMany] in its chain if the address has failed too often, which is not held against those whose tokens are
// good.
func (a *Authority) Bearer(ctx context.Context, token, address string) (Identity, error) {
	return a.watched(ctx, token, address, func() (Identity, error) {
		switch {
		case a.store == nil:
		case strings.HasPrefix(token, TokenPrefix):
			return a.byToken(ctx, token, address)
		case strings.Count(token, ".") == 2:
			return a.bySignature(ctx, token, address)
		}
		return Identity{}, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: want a token that begins with %s, or one that an identity provider has signed", TokenPrefix)
	})
}

// watched keeps those away who try what they do not know.
func (a *Authority) watched(ctx context.Context, secret, address string, look func() (Identity, error)) (Identity, error) {
	known := sha256.Sum256([]byte(secret))
	if wait := a.throttle.wait(address); wait > 0 && !a.good.has(known) {
		return Identity{}, slipway.Errorf(slipway.Unavailable, "cannot listen to %s: %w", address, &TooMany{wait})
	}
	i, err := look()
	switch slipway.CodeOf(err) {
	case "":
		a.good.add(known)
	case slipway.Unauthenticated:
		a.good.remove(known)
		if ctx.Err() == nil {
			a.throttle.fail(address)
		}
		a.log.Info("cannot tell who asks", "address", address, "error", err)
	}
	return i, err
}

func (a *Authority) byToken(ctx context.Context, secret, address string) (Identity, error) {
	if !parseSecret(TokenPrefix, secret) {
		return Identity{}, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token is cut off or mistyped")
	}
	now := a.now()
	t, err := a.store.TokenByHash(ctx, hashOf(secret), now)
	if slipway.CodeOf(err) == slipway.NotFound {
		return Identity{}, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token is none, or was revoked or rotated")
	}
	if err != nil {
		return Identity{}, err
	}
	if t.Expired(now) {
		return Identity{}, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token %s expired at %s; rotate it, or make another",
			t.Name, t.Expires.UTC().Format(time.RFC3339))
	}
	if now.Sub(t.Used) >= time.Minute && !glancing(ctx) {
		if err := a.store.UseToken(ctx, t.ID, now, address); err != nil { // who asks need not suffer for it
			a.log.Warn("cannot note that a token was used", "token", t.Name, "error", err)
		}
	}
	p := t.Principal()
	p.Address = address
	return Identity{Principal: p, Grants: []slipway.Grant{t.Grant}, Verbs: t.Verbs, Expires: t.Expires, Token: t.ID, OneTime: t.OneTime}, nil
}

// user returns a user's identity: with what was given to the name, the groups and everyone.
func (a *Authority) user(ctx context.Context, p slipway.Principal, admin bool) (Identity, error) {
	bindings, err := a.store.Bindings(ctx)
	if err != nil {
		return Identity{}, err
	}
	i := Identity{Principal: p, Grants: grantsOf(bindings, p)}
	if admin {
		i.Grants = append(i.Grants, everything)
	}
	return i, nil
}

// grantsOf returns what bindings give to a principal.
func grantsOf(bindings []slipway.Binding, p slipway.Principal) (grants []slipway.Grant) {
	for _, b := range bindings {
		if b.Matches(p) && !slices.Contains(grants, b.Grant) {
			grants = append(grants, b.Grant)
		}
	}
	return grants
}
