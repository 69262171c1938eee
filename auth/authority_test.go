package auth

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/sqlstore"
)

// clock is one that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func authority(t *testing.T, with ...func(*Config)) (*Authority, *clock) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	c := &clock{time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	config := Config{Store: store, Now: c.now}
	for _, change := range with {
		change(&config)
	}
	return New(config), c
}

func wants(t *testing.T, what string, err error, code slipway.Code) {
	t.Helper()
	if slipway.CodeOf(err) != code {
		t.Errorf("%s: %v, want code %q", what, err, code)
	}
}

func TestFirstStart(t *testing.T) {
	a, c := authority(t)
	ctx := t.Context()
	secret, err := a.FirstToken(ctx)
	if err != nil || !parseSecret(TokenPrefix, secret) {
		t.Fatalf("%q, %v", secret, err)
	}
	if again, err := a.FirstToken(ctx); again != "" || err != nil {
		t.Errorf("a second start prints %q, %v: want nothing", again, err)
	}
	c.at = c.at.Add(firstLife)
	_, err = a.Bearer(ctx, secret, "")
	wants(t, "the token after a day", err, slipway.Unauthenticated)
	if secret, err = a.FirstToken(ctx); secret == "" || err != nil {
		t.Fatalf("a start after a day: %q, %v, want another token", secret, err)
	}

	who, err := a.Bearer(ctx, secret, "")
	if err != nil || !who.OneTime {
		t.Fatalf("%+v, %v", who, err)
	}
	first := With(ctx, who)
	_, err = a.Check(first, Ask{Verb: "deploy", Role: slipway.RoleDeployer, Scope: everything.Scope})
	wants(t, "deploying with it", err, slipway.Forbidden)
	_, err = a.Grant(first, slipway.BindingRequest{Subject: "ann@example.com", Role: slipway.RoleAdmin, Application: "hello"})
	wants(t, "an administrator of one application", err, slipway.Refused)
	if _, err := a.Grant(first, slipway.BindingRequest{Subject: "ann@example.com", Role: slipway.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	_, err = a.Grant(first, slipway.BindingRequest{Subject: "bob@example.com", Role: slipway.RoleAdmin})
	wants(t, "a second administrator in the same breath", err, slipway.Conflict)
	_, err = a.Bearer(ctx, secret, "")
	wants(t, "the token once it was used", err, slipway.Unauthenticated)
	if secret, err := a.FirstToken(ctx); secret != "" || err != nil {
		t.Errorf("a start with an administrator prints %q, %v", secret, err)
	}
}

func TestTokens(t *testing.T) {
	a, c := authority(t)
	ctx := slipway.WithPrincipal(t.Context(), slipway.Principal{Name: "root"})
	made, err := a.CreateToken(ctx, slipway.TokenRequest{Name: "ci", Role: slipway.RoleDeployer, Application: "hello", Lifetime: slipway.Duration(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	who, err := a.Bearer(ctx, made.Secret, "192.0.2.1")
	if err != nil || who.Name != "token:ci" || who.Kind != slipway.PrincipalToken || len(who.Grants) != 1 {
		t.Fatalf("%+v, %v", who, err)
	}
	used := func() time.Time {
		t.Helper()
		one, err := a.Token(ctx, "ci")
		if err != nil {
			t.Fatal(err)
		}
		return one.Used
	}
	first := used()
	c.at = c.at.Add(59 * time.Second)
	_, _ = a.Bearer(ctx, made.Secret, "192.0.2.2")
	if !used().Equal(first) {
		t.Error("its use was written twice within a minute")
	}
	c.at = c.at.Add(time.Second)
	_, _ = a.Bearer(ctx, made.Secret, "192.0.2.2")
	if !used().Equal(c.at) {
		t.Error("its use was not written after a minute")
	}
	c.at = c.at.Add(time.Hour)
	_, err = a.Bearer(ctx, made.Secret, "")
	wants(t, "expired", err, slipway.Unauthenticated)
	if !strings.Contains(slipway.MessageOf(err), "expired at") {
		t.Error(err)
	}
	for _, r := range []slipway.TokenRequest{
		{Name: firstName, Role: slipway.RoleAdmin}, {Name: "a b", Role: slipway.RoleAdmin}, {Name: "a", Role: "king"}, {Name: "a"},
		{Name: "a", Role: slipway.RoleViewer, Lifetime: slipway.Duration(400 * 24 * time.Hour)}, {Name: "a", Role: slipway.RoleViewer, Application: "No Such"},
	} {
		_, err := a.CreateToken(ctx, r)
		wants(t, r.Name, err, slipway.Invalid)
	}
}

func TestGrants(t *testing.T) {
	a, _ := authority(t)
	ctx := t.Context()
	give := func(subject string, role slipway.Role, application, environment string) {
		t.Helper()
		if _, err := a.Grant(ctx, slipway.BindingRequest{Subject: subject, Role: role, Application: application, Environment: environment}); err != nil {
			t.Fatal(err)
		}
	}
	give("ann", slipway.RoleDeployer, "hello", "")
	give("group:ops", slipway.RoleOperator, "", "prod")
	give("*", slipway.RoleViewer, "hello", "dev")
	for _, c := range []struct {
		name                     string
		groups                   []string
		role                     slipway.Role
		application, environment string
		may                      bool
	}{
		{"ann", nil, slipway.RoleDeployer, "hello", "prod", true},
		{"ann", nil, slipway.RoleViewer, "hello", "prod", true},
		{"ann", nil, slipway.RoleApprover, "hello", "prod", false},
		{"ann", nil, slipway.RoleDeployer, "hello2", "prod", false},
		{"ann", []string{"ops"}, slipway.RoleOperator, "other", "prod", true},
		{"ann", []string{"ops"}, slipway.RoleOperator, "other", "dev", false},
		{"bob", nil, slipway.RoleViewer, "hello", "dev", true},
		{"bob", nil, slipway.RoleViewer, "hello", "prod", false},
		{"bob", nil, slipway.RoleViewer, "hello", "", true}, // somewhere
		{"bob", nil, slipway.RoleViewer, "hello", slipway.Everywhere, false},
		{"group:ops", nil, slipway.RoleOperator, "other", "prod", false}, // a name is no group
	} {
		who, err := a.As(ctx, c.name, c.groups)
		if err != nil {
			t.Fatal(err)
		}
		_, may := who.Holds(c.role, slipway.Scope{Application: c.application, Environment: c.environment})
		if may != c.may {
			t.Errorf("%s of %v as %s of %s in %s: %v, want %v", c.name, c.groups, c.role, c.application, c.environment, may, c.may)
		}
	}
	_, err := a.Check(ctx, Ask{Verb: "getImage", Role: slipway.RoleViewer})
	wants(t, "nobody", err, slipway.Unauthenticated)
}

// broken are rules that cannot be evaluated.
type broken struct{}

func (broken) Check(slipway.AccessRule) error { return nil }
func (broken) Forbids(slipway.AccessRule, slipway.Principal, Ask, time.Time) (string, error) {
	return "", errors.New("no such attribute")
}

func TestRuleThatCannotBeEvaluatedForbids(t *testing.T) {
	a, _ := authority(t, func(c *Config) { c.Rules = broken{} })
	ctx := With(t.Context(), Local("root"))
	deploy := Ask{Verb: "deploy", Role: slipway.RoleDeployer, Scope: slipway.Scope{Application: "hello", Environment: "prod"}}
	check := func(ask Ask) error {
		_, err := a.Check(ctx, ask)
		return err
	}
	wants(t, "without a rule", check(deploy), "")
	if _, err := a.SetAccessRule(ctx, slipway.AccessRule{Name: "bad", Text: "forbid"}); err != nil {
		t.Fatal(err)
	}
	wants(t, "with one that is broken", check(deploy), slipway.Forbidden)
	wants(t, "seeing", check(Ask{Verb: "getImage", Role: slipway.RoleViewer, Scope: deploy.Scope}), "")
	wants(t, "removing the rule", check(Ask{Verb: "deleteRule", Role: slipway.RoleAdmin, Scope: everything.Scope}), "")
	if _, err := a.DeleteAccessRule(ctx, "bad"); err != nil {
		t.Fatal(err)
	}
	wants(t, "without it again", check(deploy), "")
	// One that is stored where nothing evaluates rules forbids as well.
	b, _ := authority(t)
	if err := b.store.PutAccessRule(ctx, slipway.AccessRule{Name: "any"}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Check(ctx, deploy)
	wants(t, "where no rules are evaluated", err, slipway.Forbidden)
}

func TestFailuresAreThrottled(t *testing.T) {
	a, c := authority(t)
	ctx := t.Context()
	made, err := a.CreateToken(slipway.WithPrincipal(ctx, slipway.Principal{Name: "root"}), slipway.TokenRequest{Name: "ci", Role: slipway.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	guess := func(address string) error {
		_, err := a.Bearer(ctx, newSecret(TokenPrefix), address)
		return err
	}
	if _, err := a.Bearer(ctx, made.Secret, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	for range failureBurst {
		wants(t, "a guess", guess("192.0.2.1"), slipway.Unauthenticated)
	}
	err = guess("192.0.2.1")
	var many *TooMany
	if slipway.CodeOf(err) != slipway.Unavailable || !errors.As(err, &many) || many.Wait <= 0 || many.Wait > failureEvery {
		t.Errorf("one more guess: %v", err)
	}
	if _, err := a.Bearer(ctx, made.Secret, "192.0.2.1"); err != nil {
		t.Errorf("whose token was good before, from there: %v", err)
	}
	wants(t, "from elsewhere", guess("192.0.2.2"), slipway.Unauthenticated)
	c.at = c.at.Add(failureEvery)
	wants(t, "after a while", guess("192.0.2.1"), slipway.Unauthenticated)

	// All of an IPv6 network is one address.
	for range failureBurst {
		_ = guess("2001:db8::1")
	}
	wants(t, "from the same network", guess("2001:db8::2"), slipway.Unavailable)
	wants(t, "from another network", guess("2001:db8:0:1::2"), slipway.Unauthenticated)
	for range 3 * failureBurst {
		wants(t, "by the socket", guess(""), slipway.Unauthenticated)
	}
}

func TestSessions(t *testing.T) {
	a, c := authority(t)
	ctx := t.Context()
	login := func(claims Claims) (string, error) {
		secret, _, err := a.Login(ctx, claims, "192.0.2.1")
		return secret, err
	}
	for _, claims := range []Claims{{}, {"email": "ann@example.com", "email_verified": false}, {"email": "token:ci"}, {"email": "root"}, {"email": "a b"}, {"email": 7.0}} {
		_, err := login(claims)
		if claims["email"] == 7.0 {
			continue // a number is a name, if not a good one
		}
		wants(t, claims.Text("email"), err, slipway.Unauthenticated)
	}
	ann := Claims{"email": "ann@example.com", "email_verified": true, "groups": []any{"ops"}}
	secret, err := login(ann)
	if err != nil {
		t.Fatal(err)
	}
	seen := func(ctx context.Context) (Identity, error) { return a.Session(ctx, secret, "192.0.2.1") }
	who, err := seen(ctx)
	if err != nil || who.Name != "ann@example.com" || who.Kind != slipway.PrincipalUser || len(who.Groups) != 1 {
		t.Fatalf("%+v, %v", who, err)
	}
	for range 3 { // used, it goes on until its end
		c.at = c.at.Add(7 * time.Hour)
		if _, err := seen(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c.at = c.at.Add(4 * time.Hour)
	_, err = seen(ctx)
	wants(t, "after a day", err, slipway.Unauthenticated)

	secret, _ = login(ann)
	c.at = c.at.Add(8*time.Hour + time.Second)
	_, err = seen(ctx)
	wants(t, "unused for long", err, slipway.Unauthenticated)

	secret, _ = login(ann)
	who, err = seen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Logout(With(ctx, who)); err != nil {
		t.Fatal(err)
	}
	_, err = seen(ctx)
	wants(t, "after logging out", err, slipway.Unauthenticated)
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"acme/hello", "acme/hello", true}, {"acme/hello", "acme/hello2", false}, {"acme/*", "acme/a/b", true}, {"acme/*", "acme", false},
		{"*", "", true}, {"refs/heads/release-*", "refs/heads/release-1", true}, {"*/hello", "evil/hello", true}, {"a*b*c", "a1b2c", true},
		{"a*b*c", "acb", false}, {"a*a", "a", false}, {"", "", true}, {"", "a", false}, {"**", "x", true},
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("like(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

func FuzzSecret(f *testing.F) {
	f.Add(newSecret(TokenPrefix))
	f.Add("slp_")
	f.Add("slp_00000000000000000000000000000000000000")
	f.Add("slp_ääääääääääääääääääääääää")
	f.Fuzz(func(t *testing.T, text string) {
		if !parseSecret(TokenPrefix, text) {
			return
		}
		if len(text) != len(TokenPrefix)+randomLetters+checksumLetters {
			t.Errorf("%q is taken for a secret", text)
		}
		for i := len(TokenPrefix); i < len(text); i++ { // one letter that is mistyped is seen
			other := byte('0')
			if text[i] == other {
				other = '1'
			}
			if wrong := text[:i] + string(other) + text[i+1:]; parseSecret(TokenPrefix, wrong) {
				t.Errorf("%q and %q are both taken for secrets", text, wrong)
			}
		}
	})
}

func FuzzUnverified(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2NpIiwiYXVkIjpbImEiLCJiIl19.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := unverified(token); err != nil && slipway.CodeOf(err) != slipway.Unauthenticated {
			t.Errorf("%q: %v", token, err)
		}
	})
}
