// Package oidc verifies tokens that OpenID Connect providers have signed: of users, and of CI systems' jobs.
package oidc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

const (
	// skew is how much clocks may differ.
	skew = time.Minute
	// patience bounds how long an issuer may take to answer, and again is when one that did not is asked anew.
	patience = 10 * time.Second
	again    = 10 * time.Second
	// fresh is how long what an issuer says of itself is believed. Its keys are asked for whenever one is new.
	fresh = time.Hour
)

// algorithms are those by which a token may be signed: all with a key of which slipwayd knows the public half alone.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// Verifier verifies signed tokens. Issuers are asked for their keys when the first token of theirs comes; which issuers are trusted is for the
// caller to know. It implements [auth.Verifier]. Methods are safe for concurrent use.
type Verifier struct {
	// Client asks issuers; nil: one with sensible limits.
	Client *http.Client
	Now    func() time.Time // nil: time.Now

	mu      sync.Mutex
	issuers map[string]*issuer
}

var _ auth.Verifier = (*Verifier)(nil)

// NewVerifier returns a verifier that asks issuers with the client, which it gives no longer than is sensible.
func NewVerifier(client *http.Client) *Verifier {
	limited := *client
	limited.Timeout = patience
	return &Verifier{Client: &limited}
}

// issuer is what is known of one.
type issuer struct {
	mu       sync.Mutex
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	err      error
	asked    time.Time
}

// Verify implements [auth.Verifier].
func (v *Verifier) Verify(ctx context.Context, from, token string) (auth.Claims, error) {
	_, verifier, err := v.of(ctx, from)
	if err != nil {
		return nil, err
	}
	signed, err := verifier.Verify(oidc.ClientContext(ctx, v.client()), token)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token is not one that %s has signed and that is good: %w", from, err)
	}
	claims := auth.Claims{}
	if err := signed.Claims(&claims); err != nil {
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token's claims cannot be read")
	}
	now := v.now()
	switch begins, says := claims["nbf"].(float64); {
	case signed.Expiry.IsZero() || !now.Before(signed.Expiry.Add(skew)):
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token expired at %s", signed.Expiry.UTC().Format(time.RFC3339))
	case says && now.Add(skew).Before(time.Unix(int64(begins), 0)):
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token is good from %s on", time.Unix(int64(begins), 0).UTC().Format(time.RFC3339))
	case now.Add(skew).Before(signed.IssuedAt):
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: the token was issued at %s, which is to come; compare the clocks", signed.IssuedAt.UTC().Format(time.RFC3339))
	}
	return claims, nil
}

// of returns what an issuer says of itself, and what verifies its tokens, asking the issuer for it if that was not done lately.
func (v *Verifier) of(ctx context.Context, from string) (*oidc.Provider, *oidc.IDTokenVerifier, error) {
	if err := slipway.ValidateIssuer(from); err != nil {
		return nil, nil, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: %w", err)
	}
	v.mu.Lock()
	if v.issuers == nil {
		v.issuers = map[string]*issuer{}
	}
	i := v.issuers[from]
	if i == nil {
		i = &issuer{}
		v.issuers[from] = i
	}
	v.mu.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	now := v.now()
	if i.verifier != nil && now.Sub(i.asked) < fresh {
		return i.provider, i.verifier, nil
	}
	if i.err != nil && now.Sub(i.asked) < again {
		return nil, nil, i.err
	}
	// Keys are asked for with this context for as long as they are used, so it must not end with the request.
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), v.client())
	provider, err := oidc.NewProvider(lasting, from)
	i.asked = now
	if err != nil {
		if i.verifier != nil { // what it said before is still good
			return i.provider, i.verifier, nil
		}
		i.err = slipway.Errorf(slipway.Unavailable, "cannot tell who asks: the issuer %s cannot be asked for its keys: %w", from, err)
		return nil, nil, i.err
	}
	i.err, i.provider = nil, provider
	i.verifier = provider.Verifier(&oidc.Config{SkipClientIDCheck: true, SkipExpiryCheck: true, SupportedSigningAlgs: algorithms, Now: v.now})
	return i.provider, i.verifier, nil
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *Verifier) client() *http.Client {
	if v.Client != nil {
		return v.Client
	}
	return &http.Client{Timeout: patience}
}
