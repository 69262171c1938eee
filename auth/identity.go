package auth

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

// Identity is somebody who asks, with all that decides what that one may do. It is of one request.
type Identity struct {
	slipway.Principal
	Grants  []slipway.Grant
	Verbs   []string  // if not empty, of all that changes something only these
	Expires time.Time // of what was shown; zero: never
	Token   string    // the ID of the token that was shown
	Session string    // the ID of the session that it belongs to
	OneTime bool      // it is the token of the first start
}

// everything is what an administrator was given.
var everything = slipway.Grant{Role: slipway.RoleAdmin, Scope: slipway.Scope{Application: slipway.Everywhere, Environment: slipway.Everywhere}}

// Local returns the identity of a process on slipwayd's own host that may read and write all that slipwayd has: its own user, or root.
func Local(name string) Identity {
	return Identity{Principal: slipway.Principal{Kind: slipway.PrincipalLocal, Name: name}, Grants: []slipway.Grant{everything}}
}

// Itself returns the identity of slipwayd when it looks at what it has: it sees everything, and changes nothing.
func Itself() Identity {
	see := slipway.Grant{Role: slipway.RoleViewer, Scope: everything.Scope}
	return Identity{Principal: slipway.Principal{Kind: slipway.PrincipalSystem, Name: "slipwayd"}, Grants: []slipway.Grant{see}}
}

// Holds returns the grant by which the identity has a role in a scope.
func (i Identity) Holds(role slipway.Role, scope slipway.Scope) (slipway.Grant, bool) {
	at := slices.IndexFunc(i.Grants, func(g slipway.Grant) bool { return g.Allows(role, scope) })
	if at < 0 {
		return slipway.Grant{}, false
	}
	return i.Grants[at], true
}

// Whoami returns what there is to tell of the identity.
func (i Identity) Whoami() slipway.Whoami {
	return slipway.Whoami{
		Principal: i.Principal, Grants: append([]slipway.Grant{}, i.Grants...), Verbs: i.Verbs, Expires: i.Expires, OneTime: i.OneTime,
	}
}

type identityKey struct{}

// With returns ctx as that of a request of i's.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(slipway.WithPrincipal(ctx, i.Principal), identityKey{}, i)
}

// Of returns whose request ctx is of. Without one it is nobody's, who may do nothing.
func Of(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(identityKey{}).(Identity)
	return i, ok
}
