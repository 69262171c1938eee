package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Whoami returns who slipwayd takes the client for, and what that one may do.
func (c *Client) Whoami(ctx context.Context) (slipway.Whoami, error) {
	return call[slipway.Whoami](ctx, c, http.MethodGet, "/v1/whoami", nil)
}

// LoginProvider returns where users log in. NotFound if nowhere. It shows nothing of who asks.
func (c *Client) LoginProvider(ctx context.Context) (slipway.LoginProvider, error) {
	return call[slipway.LoginProvider](ctx, c, http.MethodGet, "/v1/login/provider", nil)
}

// Logout ends the session that the client shows, if it shows one as a browser does.
func (c *Client) Logout(ctx context.Context) error {
	_, err := callOnce[struct{}](ctx, c, http.MethodPost, "/v1/logout", nil)
	return err
}

// Bindings returns who was given which role, as far as the client administers it.
func (c *Client) Bindings(ctx context.Context) ([]slipway.Binding, error) {
	return all[slipway.Binding](ctx, c, "/v1/access/bindings", nil)
}

// Grant gives somebody a role.
func (c *Client) Grant(ctx context.Context, req slipway.BindingRequest) (slipway.Binding, error) {
	return call[slipway.Binding](ctx, c, http.MethodPost, "/v1/access/bindings", req)
}

// RevokeGrant takes a role back, and returns what it was.
func (c *Client) RevokeGrant(ctx context.Context, id string) (slipway.Binding, error) {
	return call[slipway.Binding](ctx, c, http.MethodDelete, "/v1/access/bindings/"+url.PathEscape(id), nil)
}

// CheckAccess asks whether somebody may do something.
func (c *Client) CheckAccess(ctx context.Context, req slipway.AccessCheck) (slipway.AccessAnswer, error) {
	return call[slipway.AccessAnswer](ctx, c, http.MethodPost, "/v1/access/checks", req)
}

// Tokens returns the tokens that the client administers, by name.
func (c *Client) Tokens(ctx context.Context) ([]slipway.Token, error) {
	return all[slipway.Token](ctx, c, "/v1/tokens", nil)
}

// CreateToken makes a token. Its secret is in the answer, and never told again.
func (c *Client) CreateToken(ctx context.Context, req slipway.TokenRequest) (slipway.NewToken, error) {
	return callOnce[slipway.NewToken](ctx, c, http.MethodPost, "/v1/tokens", req)
}

// RotateToken gives a token, by ID or name, another secret.
func (c *Client) RotateToken(ctx context.Context, token string, req slipway.TokenRotation) (slipway.NewToken, error) {
	return callOnce[slipway.NewToken](ctx, c, http.MethodPost, "/v1/tokens/"+url.PathEscape(token)+"/rotations", req)
}

// RevokeToken revokes a token, by ID or name, and returns what it was.
func (c *Client) RevokeToken(ctx context.Context, token string) (slipway.Token, error) {
	return call[slipway.Token](ctx, c, http.MethodDelete, "/v1/tokens/"+url.PathEscape(token), nil)
}

// TrustRules returns which jobs of CI systems are trusted, by the rules' names.
func (c *Client) TrustRules(ctx context.Context) ([]slipway.TrustRule, error) {
	return all[slipway.TrustRule](ctx, c, "/v1/access/trust", nil)
}

// TrustRule returns which jobs a rule trusts.
func (c *Client) TrustRule(ctx context.Context, name string) (slipway.TrustRule, error) {
	return call[slipway.TrustRule](ctx, c, http.MethodGet, "/v1/access/trust/"+url.PathEscape(name), nil)
}

// SetTrustRule trusts jobs of a CI system, and replaces the rule of that name.
func (c *Client) SetTrustRule(ctx context.Context, name string, req slipway.TrustRequest) (slipway.TrustRule, error) {
	return call[slipway.TrustRule](ctx, c, http.MethodPut, "/v1/access/trust/"+url.PathEscape(name), req)
}

// DeleteTrustRule removes a rule of trust, and returns what it was.
func (c *Client) DeleteTrustRule(ctx context.Context, name string) (slipway.TrustRule, error) {
	return call[slipway.TrustRule](ctx, c, http.MethodDelete, "/v1/access/trust/"+url.PathEscape(name), nil)
}

// AccessRules returns the access rules by name.
func (c *Client) AccessRules(ctx context.Context) ([]slipway.AccessRule, error) {
	return all[slipway.AccessRule](ctx, c, "/v1/access/rules", nil)
}

// AccessRule returns an access rule.
func (c *Client) AccessRule(ctx context.Context, name string) (slipway.AccessRule, error) {
	return call[slipway.AccessRule](ctx, c, http.MethodGet, "/v1/access/rules/"+url.PathEscape(name), nil)
}

// RuleText is an access rule's Cedar, and the time zone in which it means its hours.
type RuleText struct {
	Text     string `json:"text"`
	TimeZone string `json:"time_zone,omitempty"`
}

// SetAccessRule stores an access rule, and replaces the one of that name.
func (c *Client) SetAccessRule(ctx context.Context, name string, rule RuleText) (slipway.AccessRule, error) {
	return call[slipway.AccessRule](ctx, c, http.MethodPut, "/v1/access/rules/"+url.PathEscape(name), rule)
}

// DeleteAccessRule removes an access rule, and returns what it was.
func (c *Client) DeleteAccessRule(ctx context.Context, name string) (slipway.AccessRule, error) {
	return call[slipway.AccessRule](ctx, c, http.MethodDelete, "/v1/access/rules/"+url.PathEscape(name), nil)
}

// TryAccessRule asks what a rule would say of something, and stores nothing.
func (c *Client) TryAccessRule(ctx context.Context, rule RuleText, check slipway.AccessCheck) (slipway.AccessAnswer, error) {
	return call[slipway.AccessAnswer](ctx, c, http.MethodPost, "/v1/access/rules/tests", struct {
		RuleText
		Check slipway.AccessCheck `json:"check"`
	}{rule, check})
}
