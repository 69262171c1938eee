// Package login logs a user in from a command line: it has an OpenID Connect provider ask who that is, in a browser on the same machine or on
// another one, and keeps what the provider says of it in a file of the user's own, fresh.
package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/slipway-sh/slipway"
)

// patience bounds how long the provider may take for one answer.
const patience = 20 * time.Second

// Provider is who knows the users, as the command line's client sees it. Methods are safe for concurrent use.
type Provider struct {
	where    slipway.LoginProvider
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
	http     *http.Client

	device, revocation string // endpoints; "" if it has none
}

// Discover asks a provider what it can do. Unavailable if it does not answer.
func Discover(ctx context.Context, where slipway.LoginProvider) (*Provider, error) {
	if err := slipway.ValidateIssuer(where.Issuer); err != nil {
		return nil, err
	}
	p := &Provider{where: where, http: &http.Client{Timeout: patience}}
	found, err := oidc.NewProvider(p.context(ctx), where.Issuer)
	if err != nil {
		return nil, slipway.Errorf(slipway.Unavailable, "cannot ask %s who you are: %w", where.Issuer, err)
	}
	var says struct {
		Device     string   `json:"device_authorization_endpoint"`
		Revocation string   `json:"revocation_endpoint"`
		Scopes     []string `json:"scopes_supported"`
	}
	if err := found.Claims(&says); err != nil {
		return nil, slipway.Errorf(slipway.Unavailable, "cannot ask %s who you are: what it says of itself cannot be read", where.Issuer)
	}
	for _, endpoint := range []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, says.Device, says.Revocation} {
		if err := checkEndpoint(endpoint); err != nil {
			return nil, err
		}
	}
	p.device, p.revocation = says.Device, says.Revocation
	p.config = oauth2.Config{ClientID: where.Client, Endpoint: found.Endpoint(), Scopes: where.Asks(says.Scopes)}
	p.config.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a command line has no secret
	// slipwayd says whether the token is good now: its clock counts.
	p.verifier = found.Verifier(&oidc.Config{ClientID: where.Client, SkipExpiryCheck: true})
	return p, nil
}

// checkEndpoint returns a Refused error unless an address may be opened in a browser, or be told a secret.
func checkEndpoint(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return nil
	case err == nil && u.Scheme == "https" && u.Host != "":
		return nil
	case err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()):
		return nil
	}
	return slipway.Errorf(slipway.Refused, "cannot log in at %.200q, as the identity provider says: want https", address)
}

// context returns ctx as that of requests to the provider.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.http)
}

// Refresh returns the login with a new token. Unauthenticated if the provider wants the user to log in again, Unavailable if it cannot be asked.
func (p *Provider) Refresh(ctx context.Context, l Login) (Login, error) {
	token, err := p.config.TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: l.RefreshToken}).Token()
	if err != nil {
		return l, explain(err, "go on with the login")
	}
	next, err := p.login(ctx, token, "")
	if err != nil {
		return l, err
	}
	if next.RefreshToken == "" { // it stays as it was
		next.RefreshToken = l.RefreshToken
	}
	next.Server = l.Server
	return next, nil
}

// Revoke has the provider forget a login. Nil if it cannot: then the login ends by itself.
func (p *Provider) Revoke(ctx context.Context, l Login) error {
	if p.revocation == "" || l.RefreshToken == "" {
		return nil
	}
	form := url.Values{"token": {l.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {l.Client}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.http.Do(req)
	if err != nil {
		return slipway.Errorf(slipway.Unavailable, "cannot have %s forget the login: it does not answer", l.Issuer)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return slipway.Errorf(slipway.Unavailable, "cannot have %s forget the login: it answers %s", l.Issuer, res.Status)
	}
	return nil
}

// login verifies what the provider has answered with. nonce is what the token must repeat; "" for none.
func (p *Provider) login(ctx context.Context, token *oauth2.Token, nonce string) (Login, error) {
	text, _ := token.Extra("id_token").(string)
	if text == "" {
		return Login{}, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s has answered without an ID token", p.where.Issuer)
	}
	signed, err := p.verifier.Verify(p.context(ctx), text)
	if err != nil {
		return Login{}, slipway.Errorf(slipway.Unauthenticated, "cannot log in: what %s has answered is not good: %w", p.where.Issuer, err)
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(signed.Nonce), []byte(nonce)) != 1 {
		return Login{}, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s has answered with a token of another login", p.where.Issuer)
	}
	return Login{
		Issuer: p.where.Issuer, Client: p.where.Client, Scopes: p.where.Scopes,
		IDToken: text, RefreshToken: token.RefreshToken, Expires: signed.Expiry.UTC(),
	}, nil
}

// explain returns an error of the provider's as one that says what to do.
func explain(err error, doing string) error {
	var said *oauth2.RetrieveError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case !errors.As(err, &said):
		return slipway.Errorf(slipway.Unavailable, "cannot %s: the identity provider does not answer: %w", doing, err)
	case slices.Contains([]string{"invalid_grant", "expired_token", "access_denied"}, said.ErrorCode):
		why := map[string]string{"invalid_grant": "it has ended", "expired_token": "nobody has entered the code in time", "access_denied": "it was denied"}[said.ErrorCode]
		return slipway.Errorf(slipway.Unauthenticated, "cannot %s: %s; `slipway login` logs in again", doing, why)
	case said.ErrorCode != "":
		return slipway.Errorf(slipway.Unauthenticated, "cannot %s: the identity provider says %s: %s", doing, said.ErrorCode, said.ErrorDescription)
	}
	return slipway.Errorf(slipway.Unavailable, "cannot %s: the identity provider answers %s", doing, said.Response.Status)
}
