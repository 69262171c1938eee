package slipway

import (
	"context"
	"time"
)

// Token is something to show instead of a name: for CI, and for scripts. Its secret is told once, when it is made or rotated, and is stored
// as a hash alone. What its bearer may do is all in it: bindings do not add to it.
type Token struct {
	ID   string `json:"id"` // "t-…"
	Name string `json:"name"`
	Grant
	// Verbs narrow a token: of all that changes something it may do these alone, each the operationId of a route.
	Verbs    []string  `json:"verbs,omitempty"`
	OneTime  bool      `json:"one_time,omitempty"` // it makes the first administrator, and is gone then
	By       string    `json:"by,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"` // zero: never
	Rotated  time.Time `json:"rotated,omitzero"` // when it was given the secret that it has now
	Grace    time.Time `json:"grace,omitzero"`   // until when the secret that it had before is good as well
	Used     time.Time `json:"used,omitzero"`    // when it was shown last, as exactly as a minute
	UsedFrom string    `json:"used_from,omitempty"`
}

// Expired reports whether the token is good no more.
func (t Token) Expired(at time.Time) bool { return !t.Expires.IsZero() && !at.Before(t.Expires) }

// Principal returns whom a token stands for.
func (t Token) Principal() Principal {
	return Principal{Kind: PrincipalToken, Name: tokenName + t.Name}
}

// TokenRequest asks for a token. Without an application or environment it is of all.
type TokenRequest struct {
	Name        string   `json:"name"`
	Role        Role     `json:"role"`
	Application string   `json:"application,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Verbs       []string `json:"verbs,omitempty"`
	Lifetime    Duration `json:"lifetime,omitempty"`
}

// Grant returns what is asked for.
func (r TokenRequest) Grant() Grant {
	return Grant{r.Role, ScopeOf(Cluster{r.Application, r.Environment})}
}

// TokenRotation asks for another secret of a token.
type TokenRotation struct {
	Grace    Duration `json:"grace,omitempty"`
	Lifetime Duration `json:"lifetime,omitempty"`
}

// NewToken is a token with its secret, which nobody can be told again.
type NewToken struct {
	Token
	Secret string `json:"secret"`
}

// Tokens keeps tokens. Secrets are known to it by their hashes alone. Methods are safe for concurrent use.
type Tokens interface {
	// CreateToken stores a token and the hash of its secret. Conflict if another has its name.
	CreateToken(ctx context.Context, t Token, hash string) error
	// TokenByHash returns the token that has the secret, or had it before and is in its grace at the time. NotFound if there is none. It may
	// have expired.
	TokenByHash(ctx context.Context, hash string, at time.Time) (Token, error)
	// Tokens returns all tokens by name, those that have expired, too.
	Tokens(ctx context.Context) ([]Token, error)
	// RotateToken gives the token another secret, from t.Rotated on, and replaces t.Grace, t.Expires and t.Rotated. What it had before the last
	// one is good no more.
	RotateToken(ctx context.Context, t Token, hash string) (Token, error)
	// UseToken notes when and from where a token was shown.
	UseToken(ctx context.Context, id string, at time.Time, from string) error
	// DeleteToken removes a token and returns it. NotFound if there is none: of several that remove it, one does.
	DeleteToken(ctx context.Context, id string) (Token, error)
}

// Session is a browser in which somebody has logged in. What the browser shows is stored as a hash alone.
type Session struct {
	ID        string    `json:"id"` // "s-…"
	Principal Principal `json:"principal"`
	Admin     bool      `json:"admin,omitempty"` // the user is of the administrators' group
	Created   time.Time `json:"created"`
	Seen      time.Time `json:"seen"`    // as exactly as a minute
	Expires   time.Time `json:"expires"` // whatever happens
}

// Sessions keeps sessions. Methods are safe for concurrent use.
type Sessions interface {
	// CreateSession stores a session, and removes those that are over when it begins.
	CreateSession(ctx context.Context, s Session, hash string) error
	// SessionByHash returns a session, be it over or not. NotFound if there is none.
	SessionByHash(ctx context.Context, hash string) (Session, error)
	// SeeSession notes when a session was seen.
	SeeSession(ctx context.Context, id string, at time.Time) error
	// DeleteSession removes a session; nil if there is none.
	DeleteSession(ctx context.Context, id string) error
}
