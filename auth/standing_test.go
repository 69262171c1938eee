package auth_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/cedar"
	"github.com/slipway-sh/slipway/sqlstore"
)

// Who has asked for work may do the rest of it as long as that one may begin it anew.
func TestStands(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	a := auth.New(auth.Config{Store: store, Rules: &cedar.Rules{}, AdminGroup: "admins", Now: func() time.Time { return now }})
	ctx := auth.With(t.Context(), auth.Local("root"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	prod := slipway.Cluster{Application: "hello", Environment: "prod"}
	binding, err := a.Grant(ctx, slipway.BindingRequest{Subject: "ann@example.com", Role: slipway.RoleDeployer, Application: "hello"})
	must(err)
	_, err = a.Grant(ctx, slipway.BindingRequest{Subject: "group:ops", Role: slipway.RoleOperator})
	must(err)
	_, err = a.CreateToken(ctx, slipway.TokenRequest{Name: "ci", Role: slipway.RoleDeployer, Application: "hello", Verbs: []string{"ship"}, Lifetime: slipway.Duration(time.Hour)})
	must(err)
	_, err = a.CreateToken(ctx, slipway.TokenRequest{Name: "viewer", Role: slipway.RoleViewer})
	must(err)
	trust := slipway.TrustRequest{Issuer: "https://ci.example.com", Claims: map[string]string{"sub": "a"}, Role: slipway.RoleDeployer, Application: "hello"}
	_, err = a.SetTrustRule(ctx, "github", trust)
	must(err)

	ann := slipway.Principal{Kind: slipway.PrincipalUser, Name: "ann@example.com"}
	bob := slipway.Principal{Kind: slipway.PrincipalUser, Name: "bob@example.com", Groups: []string{"ops"}}
	ci := slipway.Principal{Kind: slipway.PrincipalToken, Name: "token:ci"}
	job := slipway.Principal{Kind: slipway.PrincipalWorkload, Name: "ci:github:acme/hello", Rules: []string{"github", "gone"}}
	root := slipway.Principal{Kind: slipway.PrincipalLocal, Name: "root"}
	trigger := func(owner slipway.Principal) slipway.Principal {
		return slipway.Principal{Kind: slipway.PrincipalSystem, Name: "trigger:hello/nightly", Owner: &owner}
	}
	check := func(what string, who slipway.Principal, why string) {
		t.Helper()
		switch err := a.Stands(t.Context(), who, "deploy", prod, ""); {
		case why == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case why != "" && (slipway.CodeOf(err) != slipway.Forbidden || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v, want %q", what, err, why)
		}
	}
	check("a user", ann, "")
	check("a user of a group", bob, "")
	check("an administrator's group", slipway.Principal{Kind: slipway.PrincipalUser, Name: "eve@example.com", Groups: []string{"admins"}}, "")
	check("a user without any role", slipway.Principal{Kind: slipway.PrincipalUser, Name: "eve@example.com"}, "eve@example.com is not a deployer of hello in prod")
	check("a token that was made for something else to begin with", ci, "")
	check("a token that may only see", slipway.Principal{Kind: slipway.PrincipalToken, Name: "token:viewer"}, "token:viewer is not a deployer")
	check("a token that is none", slipway.Principal{Kind: slipway.PrincipalToken, Name: "token:none"}, "token:none was revoked")
	check("a job", job, "")
	check("a job that fits no rule", slipway.Principal{Kind: slipway.PrincipalWorkload, Name: "ci:github:acme/hello"}, "is not a deployer")
	check("root", root, "")
	check("nobody in particular", slipway.Principal{}, "")
	check("slipwayd itself", slipway.Principal{Kind: slipway.PrincipalSystem, Name: "slipwayd"}, "")
	check("a trigger of a user's", trigger(ann), "")
	check("a trigger of nobody's who may", trigger(slipway.Principal{Kind: slipway.PrincipalUser, Name: "eve@example.com"}), "eve@example.com is not a deployer")

	_, err = a.Revoke(ctx, binding.ID)
	must(err)
	check("a user who has lost the role", ann, "ann@example.com is not a deployer of hello in prod")
	check("that one's trigger", trigger(ann), "ann@example.com is not a deployer of hello in prod")
	_, err = a.DeleteTrustRule(ctx, "github")
	must(err)
	check("a job that is trusted no more", job, "is not a deployer")
	_, err = a.SetAccessRule(ctx, slipway.AccessRule{Name: "office-hours", Text: `@reason("prod is closed") forbid (principal, action == Action::"deploy", resource in Environment::"prod") when { context.hour >= 18 };`})
	must(err)
	check("in office hours", bob, "")
	now = now.Add(6 * time.Hour)
	check("after them", bob, "the rule office-hours forbids it: prod is closed")
	check("root after them", root, "the rule office-hours forbids it: prod is closed")
	check("a token that has expired meanwhile", ci, "token:ci has expired")
	now = now.Add(-6 * time.Hour)
	_, err = a.RevokeToken(ctx, "ci")
	must(err)
	check("a token that is revoked", ci, "token:ci was revoked")
}
