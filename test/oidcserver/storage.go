package oidcserver

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// keyID names the only key.
const keyID = "1"

var (
	_ op.Storage                    = (*Server)(nil)
	_ op.CanSetUserinfoFromRequest  = (*Server)(nil)
	_ op.DeviceAuthorizationStorage = (*Server)(nil)
)

var errUnknown = errors.New("there is no such thing")

// request is a login under way; it implements [op.AuthRequest].
type request struct {
	*oidc.AuthRequest
	id      string
	nonce   string
	subject string
	at      time.Time
	done    bool
}

func (r *request) GetID() string                      { return r.id }
func (r *request) GetACR() string                     { return "" }
func (r *request) GetAMR() []string                   { return []string{"pwd"} }
func (r *request) GetAudience() []string              { return []string{r.ClientID} }
func (r *request) GetAuthTime() time.Time             { return r.at }
func (r *request) GetClientID() string                { return r.ClientID }
func (r *request) GetNonce() string                   { return r.nonce }
func (r *request) GetRedirectURI() string             { return r.RedirectURI }
func (r *request) GetResponseType() oidc.ResponseType { return r.ResponseType }
func (r *request) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *request) GetScopes() []string                { return r.Scopes }
func (r *request) GetState() string                   { return r.State }
func (r *request) GetSubject() string                 { return r.subject }
func (r *request) Done() bool                         { return r.done }
func (r *request) GetCodeChallenge() *oidc.CodeChallenge {
	if r.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

// refresh is what a refresh token stands for; it implements [op.RefreshTokenRequest].
type refresh struct {
	client, subject string
	scopes          []string
	at              time.Time
}

func (r *refresh) GetAMR() []string            { return []string{"pwd"} }
func (r *refresh) GetAudience() []string       { return []string{r.client} }
func (r *refresh) GetAuthTime() time.Time      { return r.at }
func (r *refresh) GetClientID() string         { return r.client }
func (r *refresh) GetScopes() []string         { return r.scopes }
func (r *refresh) GetSubject() string          { return r.subject }
func (r *refresh) SetCurrentScopes(s []string) { r.scopes = s }

// device is a login by a device code under way.
type device struct {
	userCode string
	state    op.DeviceAuthorizationState
}

// CreateAuthRequest implements [op.AuthStorage].
func (s *Server) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := &request{AuthRequest: r, id: rand.Text(), nonce: r.Nonce}
	if s.Nonce != nil {
		req.nonce = s.Nonce(r.Nonce)
	}
	s.requests[req.id] = req
	return req, nil
}

// AuthRequestByID implements [op.AuthStorage].
func (s *Server) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req := s.requests[id]; req != nil {
		return req, nil
	}
	return nil, errUnknown
}

// AuthRequestByCode implements [op.AuthStorage].
func (s *Server) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

// SaveAuthCode implements [op.AuthStorage].
func (s *Server) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

// DeleteAuthRequest implements [op.AuthStorage]: a code is good once.
func (s *Server) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// CreateAccessToken implements [op.AuthStorage].
func (s *Server) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(s.Life), nil
}

// CreateAccessAndRefreshTokens implements [op.AuthStorage].
func (s *Server) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &refresh{client: r.GetAudience()[0], subject: r.GetSubject(), scopes: r.GetScopes(), at: time.Now()}
	token := rand.Text()
	if current != "" {
		s.refreshed++
		if s.Keep {
			token = current
		} else {
			delete(s.refreshes, current)
		}
	}
	s.refreshes[token] = next
	return rand.Text(), token, time.Now().Add(s.Life), nil
}

// TokenRequestByRefreshToken implements [op.AuthStorage].
func (s *Server) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.refreshes[token]; r != nil {
		return r, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

// TerminateSession implements [op.AuthStorage].
func (s *Server) TerminateSession(context.Context, string, string) error { return nil }

// RevokeToken implements [op.AuthStorage].
func (s *Server) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refreshes[token] != nil {
		delete(s.refreshes, token)
		s.revoked++
	}
	return nil
}

// GetRefreshTokenInfo implements [op.AuthStorage].
func (s *Server) GetRefreshTokenInfo(_ context.Context, _, token string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.refreshes[token]; r != nil {
		return r.subject, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

type signingKey struct{ s *Server }

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                    { return k.s.key }
func (k signingKey) ID() string                                  { return keyID }

type publicKey struct{ s *Server }

func (k publicKey) ID() string                         { return keyID }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.s.key.Public() }

// SigningKey implements [op.AuthStorage].
func (s *Server) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{s}, nil }

// SignatureAlgorithms implements [op.AuthStorage].
func (s *Server) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements [op.AuthStorage].
func (s *Server) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s}}, nil }

// GetClientByClientID implements [op.OPStorage].
func (s *Server) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	return nil, errUnknown
}

// AuthorizeClientIDSecret implements [op.OPStorage].
func (s *Server) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[id]; c != nil && c.secret != "" && c.secret == secret {
		return nil
	}
	return errUnknown
}

// SetUserinfoFromScopes implements [op.OPStorage].
func (s *Server) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements [op.CanSetUserinfoFromRequest]: what an ID token says of a user.
func (s *Server) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	return s.describe(info, r.GetSubject(), scopes)
}

// SetUserinfoFromToken implements [op.OPStorage].
func (s *Server) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	return s.describe(info, subject, []string{"email", "groups"})
}

func (s *Server) describe(info *oidc.UserInfo, subject string, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[subject]
	if !ok {
		return errUnknown
	}
	claims := map[string]any{}
	if slices.Contains(scopes, "email") {
		claims["email"], claims["email_verified"] = u.Email, !u.Unverified
	}
	if slices.Contains(scopes, "groups") {
		claims["groups"] = u.Groups
	}
	if s.Alter != nil {
		s.Alter(claims)
	}
	info.Subject = subject
	for name, value := range claims {
		info.AppendClaims(name, value)
	}
	return nil
}

// SetIntrospectionFromToken implements [op.OPStorage].
func (s *Server) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnknown
}

// GetPrivateClaimsFromScopes implements [op.OPStorage].
func (s *Server) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID implements [op.OPStorage].
func (s *Server) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnknown
}

// ValidateJWTProfileScopes implements [op.OPStorage].
func (s *Server) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnknown
}

// Health implements [op.Storage].
func (s *Server) Health(context.Context) error { return nil }

// StoreDeviceAuthorization implements [op.DeviceAuthorizationStorage].
func (s *Server) StoreDeviceAuthorization(_ context.Context, client, code, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[code] = &device{userCode: userCode, state: op.DeviceAuthorizationState{ClientID: client, Scopes: scopes, Expires: expires}}
	return nil
}

// GetDeviceAuthorizatonState implements [op.DeviceAuthorizationStorage].
func (s *Server) GetDeviceAuthorizatonState(_ context.Context, client, code string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[code]
	if d == nil || d.state.ClientID != client {
		return nil, errUnknown
	}
	if d.state.Done { // it is good once
		delete(s.devices, code)
	}
	state := d.state
	return &state, nil
}

// client implements [op.Client].
type client struct {
	id, secret string
	kind       op.ApplicationType
	redirects  []string
	server     *Server
}

func (c *client) GetID() string                       { return c.id }
func (c *client) RedirectURIs() []string              { return c.redirects }
func (c *client) PostLogoutRedirectURIs() []string    { return nil }
func (c *client) ApplicationType() op.ApplicationType { return c.kind }
func (c *client) AuthMethod() oidc.AuthMethod {
	if c.secret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}
func (c *client) LoginURL(id string) string           { return "/login?id=" + id }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration      { return c.server.Life }

// DevMode lets slipwayd's callback be on plain http, as tests have it.
func (c *client) DevMode() bool { return true }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}
func (c *client) IsScopeAllowed(scope string) bool     { return scope == "groups" }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c *client) ClockSkew() time.Duration             { return 0 }
