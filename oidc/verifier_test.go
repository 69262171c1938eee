package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/sqlstore"
)

// ci is a CI system that signs tokens of its jobs, as GitHub Actions and GitLab do: it tells who it is and what its keys are.
type ci struct {
	*httptest.Server
	key   *rsa.PrivateKey
	asked int // for its keys
}

func newCI(t *testing.T) *ci {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &ci{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": c.URL, "jwks_uri": c.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		c.asked++
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

// token signs claims, with the issuer, and times around now unless they say otherwise.
func (c *ci) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return sign(t, jose.RS256, c.key, c.claims(claims))
}

func (c *ci) claims(some map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{"iss": c.URL, "aud": "slipway", "sub": "job", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for name, value := range some {
		all[name] = value
	}
	return all
}

func sign(t *testing.T, by jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: by, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestJobs says whom slipwayd takes the bearer of a token for that a CI system has signed, or claims to have.
func TestJobs(t *testing.T) {
	github, gitlab, stranger := newCI(t), newCI(t), newCI(t)
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now()
	forgiving := now
	a := auth.New(auth.Config{Store: store, Verifier: &Verifier{}, Now: func() time.Time { forgiving = forgiving.Add(time.Minute); return forgiving }})
	trust := func(name string, from *ci, environment string, claims map[string]string, verbs ...string) {
		t.Helper()
		if _, err := a.SetTrustRule(t.Context(), name, slipway.TrustRequest{
			Issuer: from.URL, Claims: claims, Role: slipway.RoleDeployer, Application: "hello", Environment: environment, Verbs: verbs,
		}); err != nil {
			t.Fatal(err)
		}
	}
	trust("github", github, "staging", map[string]string{"repository": "acme/hello"})
	trust("github-main", github, "prod", map[string]string{"repository": "acme/hello", "ref": "refs/heads/main", "environment": "prod"})
	trust("gitlab", gitlab, "prod", map[string]string{"project_path": "acme/*", "ref_protected": "true"}, "deploy")

	job := map[string]any{"repository": "acme/hello", "ref": "refs/heads/feature"}
	with := func(base map[string]any, pairs ...any) map[string]any {
		all := map[string]any{}
		for name, value := range base {
			all[name] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i].(string)] = pairs[i+1]
		}
		return all
	}
	good := github.token(t, job)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	public := sign(t, jose.HS256, github.key.N.Bytes(), github.claims(job)) // the public key as if it were a secret
	for _, c := range []struct {
		name, token string
		who         string // "" if it is nobody
		grants      int
		why         string
	}{
		{"a job of the repository", good, "ci:github:acme/hello", 1, ""},
		{"on the branch and in the environment that another rule wants", github.token(t, with(job, "ref", "refs/heads/main", "environment", "prod")), "ci:github:acme/hello", 2, ""},
		{"on the branch alone", github.token(t, with(job, "ref", "refs/heads/main")), "ci:github:acme/hello", 1, ""},
		{"among several audiences", github.token(t, with(job, "aud", []string{"other", "slipway"})), "ci:github:acme/hello", 1, ""},
		{"a project of the group", gitlab.token(t, map[string]any{"project_path": "acme/web", "ref_protected": "true"}), "ci:gitlab:acme/web", 1, ""},
		{"an unprotected branch", gitlab.token(t, map[string]any{"project_path": "acme/web", "ref_protected": "false"}), "", 0, "no rule"},
		{"another's project", gitlab.token(t, map[string]any{"project_path": "evil/acme/web", "ref_protected": "true"}), "", 0, "no rule"},
		{"another repository", github.token(t, with(job, "repository", "acme/hello2")), "", 0, "no rule"},
		{"a repository that begins so", github.token(t, with(job, "repository", "evil/acme/hello")), "", 0, "no rule"},
		{"for another audience", github.token(t, with(job, "aud", "https://github.com/acme")), "", 0, "no rule trusts"},
		{"expired", github.token(t, with(job, "exp", now.Add(-2*time.Minute).Unix())), "", 0, "expired"},
		{"just expired, by a clock that is ahead", github.token(t, with(job, "exp", now.Add(-20*time.Second).Unix())), "ci:github:acme/hello", 1, ""},
		{"not good yet", github.token(t, with(job, "nbf", now.Add(10*time.Minute).Unix())), "", 0, "cannot tell who asks"},
		{"just not good yet, by a clock that is behind", github.token(t, with(job, "nbf", now.Add(20*time.Second).Unix())), "ci:github:acme/hello", 1, ""},
		{"issued in the future", github.token(t, with(job, "iat", now.Add(10*time.Minute).Unix())), "", 0, "compare the clocks"},
		{"without an end", sign(t, jose.RS256, github.key, with(github.claims(job), "exp", 0)), "", 0, "expired"},
		{"signed by somebody else in the issuer's name", sign(t, jose.RS256, stranger.key, github.claims(job)), "", 0, "not one that"},
		{"of an issuer that nobody trusts", stranger.token(t, job), "", 0, "no rule trusts"},
		{"signed by nobody", unsigned, "", 0, "not one that"},
		{"signed with the public key", public, "", 0, "not one that"},
		{"altered", good[:len(good)-8] + "AAAAAAAA", "", 0, "not one that"},
		{"nonsense", "a.b.c", "", 0, "no signed token"},
		{"two dots", "..", "", 0, "no signed token"},
	} {
		who, err := a.Bearer(t.Context(), c.token, "192.0.2.1")
		if c.who == "" {
			if slipway.CodeOf(err) != slipway.Unauthenticated || !strings.Contains(slipway.MessageOf(err), c.why) {
				t.Errorf("%s: %+v, %v, want Unauthenticated: %s", c.name, who.Principal, err, c.why)
			}
			continue
		}
		if err != nil || who.Name != c.who || who.Kind != slipway.PrincipalWorkload || len(who.Grants) != c.grants || who.Address != "192.0.2.1" {
			t.Errorf("%s: %+v, %v, want %s with %d grants", c.name, who, err, c.who, c.grants)
		}
	}
	if stranger.asked > 0 {
		t.Error("the keys of an issuer that nobody trusts were asked for")
	}

	// What a rule narrows is narrow; what it does not give is forbidden.
	who, err := a.Bearer(t.Context(), gitlab.token(t, map[string]any{"project_path": "acme/web", "ref_protected": true}), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.With(t.Context(), who)
	prod := slipway.Scope{Application: "hello", Environment: "prod"}
	for _, c := range []struct {
		ask  auth.Ask
		want slipway.Code
	}{
		{auth.Ask{Verb: "deploy", Role: slipway.RoleDeployer, Scope: prod}, ""},
		{auth.Ask{Verb: "rollback", Role: slipway.RoleDeployer, Scope: prod}, slipway.Forbidden},
		{auth.Ask{Verb: "getDeployment", Role: slipway.RoleViewer, Scope: prod}, ""},
		{auth.Ask{Verb: "restrict", Role: slipway.RoleOperator, Scope: prod}, slipway.Forbidden},
		{auth.Ask{Verb: "deploy", Role: slipway.RoleDeployer, Scope: slipway.Scope{Application: "hello", Environment: "dev"}}, slipway.Forbidden},
	} {
		if _, err := a.Check(ctx, c.ask); slipway.CodeOf(err) != c.want {
			t.Errorf("%s in %s: %v, want %q", c.ask.Verb, c.ask.Scope, err, c.want)
		}
	}
}

// TestUsers says whom slipwayd takes the bearer of an ID token for. The same provider may sign tokens of CI jobs, too, as GitLab does: the
// audience tells them apart.
func TestUsers(t *testing.T) {
	provider := newCI(t)
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a := auth.New(auth.Config{
		Store: store, Verifier: &Verifier{}, AdminGroup: "platform",
		Users: auth.Users{Issuer: provider.URL, Audiences: []string{"slipway-cli", "slipway-web"}},
	})
	for _, r := range []slipway.BindingRequest{
		{Subject: "ann@example.com", Role: slipway.RoleDeployer, Application: "hello"}, {Subject: "group:ops", Role: slipway.RoleOperator},
	} {
		if _, err := a.Grant(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.SetTrustRule(t.Context(), "ci", slipway.TrustRequest{Issuer: provider.URL, Claims: map[string]string{"sub": "job"}, Role: slipway.RoleViewer}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		claims map[string]any
		who    string // "" if it is nobody
		grants int
	}{
		{"a user", map[string]any{"aud": "slipway-cli", "email": "ann@example.com", "email_verified": true}, "ann@example.com", 1},
		{"in a group", map[string]any{"aud": "slipway-web", "email": "ann@example.com", "groups": []string{"ops", "tea"}}, "ann@example.com", 2},
		{"who was given nothing", map[string]any{"aud": "slipway-cli", "email": "bob@example.com"}, "bob@example.com", 0},
		{"an administrator", map[string]any{"aud": "slipway-cli", "email": "eve@example.com", "groups": []string{"platform"}}, "eve@example.com", 1},
		{"a job of the same provider", map[string]any{"email": "ann@example.com"}, "ci:ci:job", 1},
		{"of another client", map[string]any{"aud": "wiki", "email": "ann@example.com"}, "", 0},
		{"whose address is not verified", map[string]any{"aud": "slipway-cli", "email": "ann@example.com", "email_verified": false}, "", 0},
		{"without a name", map[string]any{"aud": "slipway-cli"}, "", 0},
		{"who is called as a token", map[string]any{"aud": "slipway-cli", "email": "token:ci"}, "", 0},
		{"who is called as a group", map[string]any{"aud": "slipway-cli", "email": "group:ops"}, "", 0},
		{"who is called everyone", map[string]any{"aud": "slipway-cli", "email": "*"}, "", 0},
		{"who is called root", map[string]any{"aud": "slipway-cli", "email": "root"}, "", 0},
		{"expired", map[string]any{"aud": "slipway-cli", "email": "ann@example.com", "exp": time.Now().Add(-time.Hour).Unix()}, "", 0},
	} {
		who, err := a.Bearer(t.Context(), provider.token(t, c.claims), "")
		if c.who == "" {
			if slipway.CodeOf(err) != slipway.Unauthenticated {
				t.Errorf("%s: %+v, %v, want Unauthenticated", c.name, who.Principal, err)
			}
			continue
		}
		if err != nil || who.Name != c.who || len(who.Grants) != c.grants {
			t.Errorf("%s: %+v, %v, want %s with %d grants", c.name, who, err, c.who, c.grants)
		}
	}
}

// TestAnIssuerThatDoesNotAnswer is no reason to take its tokens for bad ones.
func TestAnIssuerThatDoesNotAnswer(t *testing.T) {
	gone := newCI(t)
	token := gone.token(t, nil)
	gone.Close()
	if _, err := (&Verifier{}).Verify(t.Context(), gone.URL, token); slipway.CodeOf(err) != slipway.Unavailable {
		t.Errorf("%v, want Unavailable", err)
	}
	if _, err := (&Verifier{}).Verify(t.Context(), "http://ci.example.com", token); slipway.CodeOf(err) != slipway.Unauthenticated {
		t.Errorf("an issuer without TLS: %v, want Unauthenticated", err)
	}
}
