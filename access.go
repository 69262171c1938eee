package slipway

import (
	"context"
	"slices"
	"time"
)

// Includes reports whether who has role r may do what other is wanted for. A role that is none includes nothing, and nothing includes it.
func (r Role) Includes(other Role) bool {
	mine, wanted := slices.Index(Roles, r), slices.Index(Roles, other)
	return mine >= 0 && wanted >= 0 && mine >= wanted
}

// Everywhere is the name that stands for every application, or every environment, in a [Scope].
const Everywhere = "*"

// Scope is a part of what there is: an application in an environment, or Everywhere for either.
type Scope struct {
	Application string `json:"application"`
	Environment string `json:"environment"`
}

// ScopeOf returns the scope of a cluster whose empty fields stand for all.
func ScopeOf(c Cluster) Scope {
	s := Scope(c)
	if s.Application == "" {
		s.Application = Everywhere
	}
	if s.Environment == "" {
		s.Environment = Everywhere
	}
	return s
}

// Covers reports whether s holds all of other. An empty field of other does not matter: a question about no application or environment in
// particular, such as whether somebody may bake who may deploy to one environment only.
func (s Scope) Covers(other Scope) bool {
	covers := func(mine, asked string) bool { return asked == "" || mine == Everywhere || mine == asked }
	return covers(s.Application, other.Application) && covers(s.Environment, other.Environment)
}

// String says the scope for people: "everything", "hello in prod", "hello everywhere", "every application in prod".
func (s Scope) String() string {
	application, environment := s.Application, " in "+s.Environment
	switch s.Environment {
	case "":
		environment = ""
	case Everywhere:
		environment = " everywhere"
	}
	switch s.Application {
	case "", Everywhere:
		if s.Environment == "" || s.Environment == Everywhere {
			return "everything"
		}
		application = "every application"
	}
	return application + environment
}

// Grant is a role somewhere.
type Grant struct {
	Role Role `json:"role"`
	Scope
}

// Allows reports whether the grant is enough for what wants a role in a scope.
func (g Grant) Allows(role Role, scope Scope) bool { return g.Role.Includes(role) && g.Covers(scope) }

// String says the grant for people: "deployer of hello in staging".
func (g Grant) String() string { return string(g.Role) + " of " + g.Scope.String() }

// Binding gives a grant to whom its subject names: a principal by its name, a group of users as "group:ops", or "*" for everyone who is
// known. What nobody was given is forbidden.
type Binding struct {
	ID      string `json:"id"` // "g-…"
	Subject string `json:"subject"`
	Grant
	By      string    `json:"by,omitempty"`
	Created time.Time `json:"created"`
}

// groupSubject begins the subject of a binding of a group.
const groupSubject = "group:"

// Matches reports whether the binding is p's.
func (b Binding) Matches(p Principal) bool {
	if group, ok := cutGroup(b.Subject); ok {
		return p.Kind == PrincipalUser && slices.Contains(p.Groups, group)
	}
	return b.Subject == Everywhere || b.Subject == p.Name
}

// BindingRequest asks for a binding. Without an application or environment it is of all.
type BindingRequest struct {
	Subject     string `json:"subject"`
	Role        Role   `json:"role"`
	Application string `json:"application,omitempty"`
	Environment string `json:"environment,omitempty"`
}

// Grant returns what is asked for.
func (r BindingRequest) Grant() Grant {
	return Grant{r.Role, ScopeOf(Cluster{r.Application, r.Environment})}
}

// AccessCheck asks whether somebody may do something: the one who asks, or another.
type AccessCheck struct {
	Subject     string    `json:"subject,omitempty"`
	Groups      []string  `json:"groups,omitempty"`
	Verb        string    `json:"verb"`
	Application string    `json:"application,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Image       Digest    `json:"image,omitempty"`
	Requester   string    `json:"requester,omitempty"`
	At          time.Time `json:"at,omitzero"`
}

// AccessAnswer is the answer to an [AccessCheck].
type AccessAnswer struct {
	Allowed bool   `json:"allowed"`
	Why     string `json:"why"`
}

// Whoami is who somebody is to slipwayd, and what that one may do.
type Whoami struct {
	Principal
	Grants  []Grant   `json:"grants"`
	Verbs   []string  `json:"verbs,omitempty"`    // if set, of all that changes something only these
	Expires time.Time `json:"expires,omitzero"`   // of what it was shown by
	OneTime bool      `json:"one_time,omitempty"` // it is the token of the first start
}

// Bindings keeps who was given which role. Methods are safe for concurrent use.
type Bindings interface {
	// PutBinding stores a binding. One of the same subject, role and scope is returned as it is.
	PutBinding(ctx context.Context, b Binding) (Binding, error)
	// Bindings returns all bindings, by subject, application and environment.
	Bindings(ctx context.Context) ([]Binding, error)
	// DeleteBinding removes a binding and returns it. NotFound if there is none: of several that remove it, one does.
	DeleteBinding(ctx context.Context, id string) (Binding, error)
}

// AccessStore keeps all that says who may do what.
type AccessStore interface {
	Bindings
	Tokens
	Sessions
	TrustRules
	AccessRules
}
