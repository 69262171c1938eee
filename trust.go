package slipway

import (
	"context"
	"time"
)

// TrustRule says which jobs of a CI system are whose, and what they may do: a job shows a token that its CI system has signed, so that no
// secret has to be kept there.
type TrustRule struct {
	Name     string `json:"name"` // begins the principals' names: "ci:github:acme/hello"
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"` // whom the token must be meant for
	// Claims are what the token must say, each by its name. In a value "*" stands for any run of characters.
	Claims map[string]string `json:"claims"`
	Grant
	Verbs   []string  `json:"verbs,omitempty"` // as a token's
	By      string    `json:"by,omitempty"`
	Changed time.Time `json:"changed"`
}

// TrustRequest is a rule of trust to be set. Without an application or environment it is of all.
type TrustRequest struct {
	Issuer      string            `json:"issuer"`
	Audience    string            `json:"audience,omitempty"`
	Claims      map[string]string `json:"claims"`
	Role        Role              `json:"role"`
	Application string            `json:"application,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Verbs       []string          `json:"verbs,omitempty"`
}

// Grant returns what is asked for.
func (r TrustRequest) Grant() Grant {
	return Grant{r.Role, ScopeOf(Cluster{r.Application, r.Environment})}
}

// DefaultAudience is whom tokens of CI systems are meant for unless a rule says otherwise.
const DefaultAudience = "slipway"

// TrustRules keeps rules of trust. Methods are safe for concurrent use.
type TrustRules interface {
	// PutTrustRule inserts a rule, or replaces the one of the same name.
	PutTrustRule(ctx context.Context, r TrustRule) error
	TrustRules(ctx context.Context) ([]TrustRule, error) // by name
	// DeleteTrustRule removes a rule and returns it.
	DeleteTrustRule(ctx context.Context, name string) (TrustRule, error)
}

// AccessRule is a set of Cedar policies that forbid what roles allow: deployments at night, or approving one's own change.
type AccessRule struct {
	Name     string    `json:"name"`
	Text     string    `json:"text"`
	TimeZone string    `json:"time_zone"` // in which its hours and weekdays are meant
	By       string    `json:"by,omitempty"`
	Changed  time.Time `json:"changed"`
}

// AccessRules keeps access rules. Methods are safe for concurrent use.
type AccessRules interface {
	// PutAccessRule inserts a rule, or replaces the one of the same name.
	PutAccessRule(ctx context.Context, r AccessRule) error
	AccessRules(ctx context.Context) ([]AccessRule, error) // by name
	// DeleteAccessRule removes a rule and returns it.
	DeleteAccessRule(ctx context.Context, name string) (AccessRule, error)
}
