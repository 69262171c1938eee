package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// ExerciseAccess runs the suite of what says who may do what. open returns an empty store each time it is called, and sees to its end by
// t.Cleanup.
func ExerciseAccess(t *testing.T, open func(t *testing.T) slipway.AccessStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.AccessStore)
	}{
		{"a role is given once, and taken back", bindings},
		{"a token is found by its secret's hash, and by nothing else", tokens},
		{"a rotated token has two secrets for a while", rotation},
		{"of fifty who take a token, one has it", concurrentTakers},
		{"a session is there until it is ended", sessions},
		{"rules of trust are replaced by name", trustRules},
		{"access rules are replaced by name", accessRules},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

var deployer = slipway.Grant{Role: slipway.RoleDeployer, Scope: slipway.Scope{Application: "shop", Environment: "prod"}}

func binding(n int, subject string, grant slipway.Grant) slipway.Binding {
	return slipway.Binding{ID: fmt.Sprint("g-", n), Subject: subject, Grant: grant, By: "root", Created: at(n)}
}

// hash returns what is stored of the n-th secret. All begin alike, so that the beginning alone decides nothing.
func hash(n int) string { return strings.Repeat("0", 60) + fmt.Sprintf("%04x", n) }

func token(n int) slipway.Token {
	return slipway.Token{
		ID: fmt.Sprint("t-", n), Name: fmt.Sprintf("ci-%02d", n), Grant: deployer, Verbs: []string{"ship"}, By: "root",
		Created: at(n), Expires: at(n + 1000),
	}
}

func bindings(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	empty(t)(s.Bindings(ctx))
	viewer := slipway.Grant{Role: slipway.RoleViewer, Scope: slipway.Scope{Application: slipway.Everywhere, Environment: slipway.Everywhere}}
	bob, ops, ann := binding(1, "bob", deployer), binding(2, "group:ops", deployer), binding(3, "ann", viewer)
	for _, b := range []slipway.Binding{bob, ops, ann} {
		same(t, b)(s.PutBinding(ctx, b))
	}
	same(t, []slipway.Binding{ann, bob, ops})(s.Bindings(ctx))

	again := binding(4, "bob", deployer)
	same(t, bob)(s.PutBinding(ctx, again)) // the same, by whomever and whenever
	more := deployer
	more.Environment = slipway.Everywhere
	same(t, binding(5, "bob", more))(s.PutBinding(ctx, binding(5, "bob", more)))
	same(t, []slipway.Binding{ann, binding(5, "bob", more), bob, ops})(s.Bindings(ctx))

	same(t, bob)(s.DeleteBinding(ctx, "g-1"))
	wants(t, slipway.NotFound)(s.DeleteBinding(ctx, "g-1"))
	same(t, again)(s.PutBinding(ctx, again)) // what was taken back may be given again
}

func tokens(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	empty(t)(s.Tokens(ctx))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(1), at(1)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, "", at(1)))
	must(t, s.CreateToken(ctx, token(2), hash(2)))
	must(t, s.CreateToken(ctx, token(1), hash(1)))
	same(t, []slipway.Token{token(1), token(2)})(s.Tokens(ctx))
	same(t, token(1))(s.TokenByHash(ctx, hash(1), at(1)))
	same(t, token(2))(s.TokenByHash(ctx, hash(2), at(5000))) // that it has expired is for others to say
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(3), at(1)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(1)[:16], at(1)))

	namesake := token(3)
	namesake.Name = token(1).Name
	if err := s.CreateToken(ctx, namesake, hash(3)); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("another of the same name: %v, want a Conflict", err)
	}
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(3), at(1)))

	must(t, s.UseToken(ctx, "t-1", at(7), "192.0.2.1"))
	used := token(1)
	used.Used, used.UsedFrom = at(7), "192.0.2.1"
	same(t, used)(s.TokenByHash(ctx, hash(1), at(1)))
	same(t, []slipway.Token{used, token(2)})(s.Tokens(ctx))
	must(t, s.UseToken(ctx, "t-9", at(7), "192.0.2.1")) // it was revoked meanwhile

	same(t, used)(s.DeleteToken(ctx, "t-1"))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(1), at(1)))
	wants(t, slipway.NotFound)(s.DeleteToken(ctx, "t-1"))
	must(t, s.CreateToken(ctx, token(1), hash(9))) // its name is free again
	same(t, token(1))(s.TokenByHash(ctx, hash(9), at(1)))
}

func rotation(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	must(t, s.CreateToken(ctx, token(1), hash(1)))
	must(t, s.UseToken(ctx, "t-1", at(2), "192.0.2.1"))
	rotated := token(1)
	rotated.Rotated, rotated.Grace, rotated.Expires = at(10), at(20), at(2000)
	want := rotated
	want.Used, want.UsedFrom = at(2), "192.0.2.1"
	same(t, want)(s.RotateToken(ctx, rotated, hash(2)))
	same(t, want)(s.TokenByHash(ctx, hash(2), at(10)))
	same(t, want)(s.TokenByHash(ctx, hash(1), at(19)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(1), at(20)))

	// Again: the first secret is good no more, though its grace is not over.
	want.Rotated, want.Grace = at(15), time.Time{}
	same(t, want)(s.RotateToken(ctx, want, hash(3)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(1), at(15)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(2), at(15))) // without a grace
	same(t, want)(s.TokenByHash(ctx, hash(3), at(15)))

	same(t, want)(s.DeleteToken(ctx, "t-1"))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(3), at(15)))
	wants(t, slipway.NotFound)(s.RotateToken(ctx, want, hash(4)))
	wants(t, slipway.NotFound)(s.TokenByHash(ctx, hash(4), at(15)))
}

func concurrentTakers(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	must(t, s.CreateToken(ctx, token(1), hash(1)))
	var all sync.WaitGroup
	var took atomic.Int64
	for range 50 {
		all.Go(func() {
			switch _, err := s.DeleteToken(ctx, "t-1"); slipway.CodeOf(err) {
			case "":
				took.Add(1)
			case slipway.NotFound:
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took.Load() != 1 {
		t.Errorf("%d took the token, want 1", took.Load())
	}
}

func sessions(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	session := func(n int) slipway.Session {
		return slipway.Session{
			ID: fmt.Sprint("s-", n), Principal: slipway.Principal{Kind: slipway.PrincipalUser, Name: "ann", Groups: []string{"ops"}}, Admin: true,
			Created: at(n), Seen: at(n), Expires: at(n + 100),
		}
	}
	wants(t, slipway.NotFound)(s.SessionByHash(ctx, hash(1)))
	must(t, s.CreateSession(ctx, session(1), hash(1)))
	must(t, s.CreateSession(ctx, session(2), hash(2)))
	same(t, session(1))(s.SessionByHash(ctx, hash(1)))
	same(t, session(2))(s.SessionByHash(ctx, hash(2)))
	wants(t, slipway.NotFound)(s.SessionByHash(ctx, hash(1)[:16]))

	must(t, s.SeeSession(ctx, "s-1", at(50)))
	seen := session(1)
	seen.Seen = at(50)
	same(t, seen)(s.SessionByHash(ctx, hash(1)))

	must(t, s.CreateSession(ctx, session(101), hash(3))) // when the first is over
	wants(t, slipway.NotFound)(s.SessionByHash(ctx, hash(1)))
	same(t, session(2))(s.SessionByHash(ctx, hash(2)))

	must(t, s.DeleteSession(ctx, "s-2"))
	must(t, s.DeleteSession(ctx, "s-2"))
	wants(t, slipway.NotFound)(s.SessionByHash(ctx, hash(2)))
}

func trustRules(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	rule := func(name, repository string) slipway.TrustRule {
		return slipway.TrustRule{
			Name: name, Issuer: "https://ci.example.com", Audience: "slipway", Claims: map[string]string{"repository": repository},
			Grant: deployer, By: "root", Changed: at(1),
		}
	}
	empty(t)(s.TrustRules(ctx))
	must(t, s.PutTrustRule(ctx, rule("gitlab", "a/b")))
	must(t, s.PutTrustRule(ctx, rule("github", "a/b")))
	must(t, s.PutTrustRule(ctx, rule("gitlab", "c/*")))
	same(t, []slipway.TrustRule{rule("github", "a/b"), rule("gitlab", "c/*")})(s.TrustRules(ctx))
	same(t, rule("gitlab", "c/*"))(s.DeleteTrustRule(ctx, "gitlab"))
	wants(t, slipway.NotFound)(s.DeleteTrustRule(ctx, "gitlab"))
	same(t, []slipway.TrustRule{rule("github", "a/b")})(s.TrustRules(ctx))
}

func accessRules(t *testing.T, s slipway.AccessStore) {
	ctx := t.Context()
	rule := func(name, text string) slipway.AccessRule {
		return slipway.AccessRule{Name: name, Text: text, TimeZone: "Europe/Berlin", By: "root", Changed: at(1)}
	}
	empty(t)(s.AccessRules(ctx))
	must(t, s.PutAccessRule(ctx, rule("own", "forbid …")))
	must(t, s.PutAccessRule(ctx, rule("hours", "'; DROP TABLE access_rules; --")))
	must(t, s.PutAccessRule(ctx, rule("own", "forbid more")))
	same(t, []slipway.AccessRule{rule("hours", "'; DROP TABLE access_rules; --"), rule("own", "forbid more")})(s.AccessRules(ctx))
	same(t, rule("own", "forbid more"))(s.DeleteAccessRule(ctx, "own"))
	wants(t, slipway.NotFound)(s.DeleteAccessRule(ctx, "own"))
}
