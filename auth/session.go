package auth

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

// Login begins a session of the user whom verified claims are about. The secret is for the browser alone.
func (a *Authority) Login(ctx context.Context, c Claims, address string) (secret string, s slipway.Session, err error) {
	p, admin, err := a.userOf(c)
	if err != nil {
		return "", s, err
	}
	p.Address = address
	now := a.now()
	s = slipway.Session{ID: newID("s"), Principal: p, Admin: admin, Created: now, Seen: now, Expires: now.Add(a.config.Longest)}
	secret = newSecret(sessionPrefix)
	return secret, s, a.store.CreateSession(ctx, s, hashOf(secret))
}

// Session says whose browser shows a session's secret. Unauthenticated if the session is over.
func (a *Authority) Session(ctx context.Context, secret, address string) (Identity, error) {
	over := slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the session is over; log in again")
	return a.watched(ctx, secret, address, func() (Identity, error) {
		if a.store == nil || !parseSecret(sessionPrefix, secret) {
			return Identity{}, over
		}
		s, err := a.store.SessionByHash(ctx, hashOf(secret))
		if slipway.CodeOf(err) == slipway.NotFound {
			return Identity{}, over
		}
		if err != nil {
			return Identity{}, err
		}
		now := a.now()
		if !now.Before(s.Expires) || now.Sub(s.Seen) > a.config.Idle {
			return Identity{}, over
		}
		if now.Sub(s.Seen) >= time.Minute && !glancing(ctx) {
			if err := a.store.SeeSession(ctx, s.ID, now); err != nil {
				a.log.Warn("cannot note that a session was used", "session", s.ID, "error", err)
			}
		}
		s.Principal.Address = address
		i, err := a.user(ctx, s.Principal, s.Admin)
		i.Session, i.Expires = s.ID, s.Expires
		return i, err
	})
}

// Logout ends the session that ctx's request is of. Nothing happens if it is of none.
func (a *Authority) Logout(ctx context.Context) error {
	if i, ok := Of(ctx); ok && i.Session != "" {
		defer a.changes.tell()
		return a.store.DeleteSession(ctx, i.Session)
	}
	return nil
}
