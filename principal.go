package slipway

import "context"

// PrincipalKind says what kind of somebody a principal is.
type PrincipalKind string

// The kinds of principals.
const (
	PrincipalLocal    PrincipalKind = "local"    // whoever can open slipwayd's unix socket on its own host
	PrincipalUser     PrincipalKind = "user"     // a person, known by an OpenID Connect provider
	PrincipalToken    PrincipalKind = "token"    // what shows a token that was made here
	PrincipalWorkload PrincipalKind = "workload" // a CI job, known by a token that its CI system signed
	PrincipalSystem   PrincipalKind = "system"   // slipwayd itself: a trigger, a schedule, a pipeline
)

// Principal is somebody who asks for something, and who it is certain to be.
type Principal struct {
	Kind PrincipalKind `json:"kind"`
	// Name tells principals apart, and is what records have as "by": "ann@example.com", "token:ci-hello", "ci:github:acme/hello".
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"` // of a user, as the identity provider says
	// Address is where the request came from; "" for a unix socket.
	Address string `json:"address,omitempty"`
	// Rules are the rules of trust that a CI job fits.
	Rules []string `json:"rules,omitempty"`
	// Owner is whom a trigger acts for: what it starts is what that one may do.
	Owner *Principal `json:"owner,omitempty"`
}

// Lasting returns what of p is kept in records of work that goes on without p: not where p was.
func (p Principal) Lasting() Principal {
	p.Address = ""
	return p
}

type principalKey struct{}

// WithPrincipal returns ctx as that of a request of p's.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns whose request ctx is of; slipwayd itself if it is nobody's.
func PrincipalOf(ctx context.Context) Principal {
	if p, ok := ctx.Value(principalKey{}).(Principal); ok {
		return p
	}
	return Principal{Kind: PrincipalSystem, Name: "slipwayd"}
}

// Role is what a principal may do with an application in an environment. Each includes those before it, but that a deployer need not be an
// approver of what others deploy: that is a matter of rules.
type Role string

// The roles, from the least to the most.
const (
	RoleViewer   Role = "viewer"   // sees everything but secrets
	RoleDeployer Role = "deployer" // bakes, deploys, rolls back, promotes, tells own deployments what to do
	RoleApprover Role = "approver" // approves what others do
	RoleOperator Role = "operator" // freezes, overrides, terminates machines, changes service configuration
	RoleAdmin    Role = "admin"    // hands out tokens and roles, changes slipwayd itself
)

// Roles lists every role, from the least to the most.
var Roles = []Role{RoleViewer, RoleDeployer, RoleApprover, RoleOperator, RoleAdmin}
