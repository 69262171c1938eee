package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// Client has users log in at a provider in slipwayd's name: it is a confidential client there, by the authorisation code grant with PKCE. It
// implements [auth.Exchanger]. Methods are safe for concurrent use.
type Client struct {
	Verifier *Verifier
	Provider slipway.LoginProvider // whose issuer and scopes count
	ID       string
	Secret   string // "" for a public client
}

var _ auth.Exchanger = (*Client)(nil)

// Address implements [auth.Exchanger].
func (c *Client) Address(ctx context.Context, redirect, state, nonce, verifier string) (string, error) {
	config, err := c.config(ctx, redirect)
	if err != nil {
		return "", err
	}
	return config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Exchange implements [auth.Exchanger].
func (c *Client) Exchange(ctx context.Context, redirect, code, nonce, verifier string) (auth.Claims, error) {
	config, err := c.config(ctx, redirect)
	if err != nil {
		return nil, err
	}
	token, err := config.Exchange(oidc.ClientContext(ctx, c.Verifier.client()), code, oauth2.VerifierOption(verifier))
	if said := (*oauth2.RetrieveError)(nil); errors.As(err, &said) && said.Response.StatusCode < 500 {
		if said.ErrorCode == "invalid_client" || said.ErrorCode == "unauthorized_client" {
			return nil, slipway.Errorf(slipway.Unprepared, "cannot log in: %s does not know slipwayd by its secret; see --oidc-client-secret-file", c.Provider.Issuer)
		}
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s does not take the code: %.60q", c.Provider.Issuer, said.ErrorCode)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.Unavailable, "cannot log in: %s does not answer: %w", c.Provider.Issuer, err)
	}
	text, _ := token.Extra("id_token").(string)
	if text == "" {
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s has answered without an ID token", c.Provider.Issuer)
	}
	claims, err := c.Verifier.Verify(ctx, c.Provider.Issuer, text)
	if err != nil {
		return nil, err
	}
	audience := claims.Texts("aud")
	switch {
	case !slices.Contains(audience, c.ID) || len(audience) > 1 && claims.Text("azp") != c.ID:
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s has answered with a token that is meant for somebody else", c.Provider.Issuer)
	case subtle.ConstantTimeCompare([]byte(claims.Text("nonce")), []byte(nonce)) != 1:
		return nil, slipway.Errorf(slipway.Unauthenticated, "cannot log in: %s has answered with a token of another login", c.Provider.Issuer)
	}
	return claims, nil
}

func (c *Client) config(ctx context.Context, redirect string) (oauth2.Config, error) {
	provider, _, err := c.Verifier.of(ctx, c.Provider.Issuer)
	if err != nil {
		return oauth2.Config{}, err
	}
	var says struct {
		Scopes  []string `json:"scopes_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return oauth2.Config{}, slipway.Errorf(slipway.Unavailable, "cannot log in: what %s says of itself cannot be read", c.Provider.Issuer)
	}
	// A session here ends by itself: nothing is asked for that lasts longer.
	scopes := slices.DeleteFunc(c.Provider.Asks(says.Scopes), func(s string) bool { return s == oidc.ScopeOfflineAccess })
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // never tried one after the other: a code is good once
	if c.Secret == "" || len(says.Methods) > 0 && !slices.Contains(says.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: c.ID, ClientSecret: c.Secret, Endpoint: endpoint, RedirectURL: redirect, Scopes: scopes}, nil
}
