package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/natsbus"
	"github.com/slipway-sh/slipway/oidc"
	"github.com/slipway-sh/slipway/sqlstore"
	"github.com/slipway-sh/slipway/test/oidcserver"
)

// site is the API as browsers find it, with an identity provider.
type site struct {
	*httptest.Server
	provider *oidcserver.Server
	access   *auth.Authority
	store    *sqlstore.Store
	now      time.Time
}

var ann = oidcserver.User{Email: "ann@example.com", Password: "ann", Groups: []string{"ops"}}

func newSite(t *testing.T, secure bool, change ...func(*Config)) *site {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	bus, err := natsbus.Start(t.Context(), natsbus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	s := &site{provider: oidcserver.Start(t, ann, oidcserver.User{Email: "bob@example.com", Password: "bob"}, oidcserver.User{Email: "eve@example.com", Password: "eve", Unverified: true}), store: store, now: time.Now()}
	where := slipway.LoginProvider{Issuer: s.provider.URL, Client: oidcserver.CLI}
	verifier := oidc.NewVerifier(http.DefaultClient)
	s.access = auth.New(auth.Config{
		Store: store, Verifier: verifier, Users: auth.Users{Issuer: s.provider.URL, Audiences: []string{oidcserver.CLI, oidcserver.Web}}, AdminGroup: "ops",
		Provider: where, Exchanger: &oidc.Client{Verifier: verifier, Provider: where, ID: oidcserver.Web, Secret: oidcserver.WebSecret},
		Now: func() time.Time { return s.now },
	})
	c := Config{Store: store, Bus: bus, Access: s.access, Pools: pools{}, Provider: &provider{}}
	for _, f := range change {
		f(&c)
	}
	h := New(c)
	if secure {
		s.Server = httptest.NewTLSServer(h)
	} else {
		s.Server = httptest.NewServer(h)
	}
	t.Cleanup(s.Close)
	s.provider.Redirect(s.URL + slipway.CallbackPath)
	return s
}

// browser returns somebody's, which trusts the site.
func (s *site) browser(user string) *oidcserver.Browser {
	b := oidcserver.NewBrowser(user+"@example.com", user)
	b.Transport = s.Client().Transport
	return b
}

func (s *site) logIn(t *testing.T, user string) *oidcserver.Browser {
	t.Helper()
	b := s.browser(user)
	if err := b.LogIn(s.URL + slipway.LoginPath); err != nil {
		t.Fatal(err)
	}
	return b
}

// whoami returns the status, and who a browser is.
func (s *site) whoami(t *testing.T, b *oidcserver.Browser) (int, slipway.Whoami) {
	t.Helper()
	status, page, _, err := b.Visit(s.URL + "/v1/whoami")
	if err != nil {
		t.Fatal(err)
	}
	var who slipway.Whoami
	_ = json.Unmarshal([]byte(page), &who)
	return status, who
}

// post sends what changes something, from a page of the site or another one.
func (s *site) post(t *testing.T, b *oidcserver.Browser, path, body, from string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Origin", s.URL)
	req.Header.Set("Sec-Fetch-Site", from)
	res, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// From the first page to the last: a browser logs in, sees and changes something, and logs out.
func TestBrowserSession(t *testing.T) {
	for _, secure := range []bool{true, false} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			s := newSite(t, secure)
			b := s.browser("ann")
			if status, _ := s.whoami(t, b); status != http.StatusUnauthorized {
				t.Fatal(status)
			}
			_, _, at, err := b.Visit(s.URL + slipway.LoginPath + "?return=" + url.QueryEscape("/v1/tokens?a=b"))
			if err != nil || at.Path != "/v1/tokens" || at.RawQuery != "a=b" {
				t.Fatal(at, err)
			}
			status, who := s.whoami(t, b)
			if status != http.StatusOK || who.Name != "ann@example.com" || who.Kind != slipway.PrincipalUser || !slices.Equal(who.Groups, []string{"ops"}) || who.Grants[0].Role != slipway.RoleAdmin {
				t.Errorf("%d %+v", status, who)
			}
			if status := s.post(t, b, "/v1/tokens", `{"name":"ci","role":"viewer"}`, "same-origin"); status != http.StatusOK {
				t.Error(status)
			}
			if status := s.post(t, b, "/v1/tokens", `{"name":"forged","role":"admin"}`, "cross-site"); status != http.StatusForbidden {
				t.Error(status)
			}
			if status := s.post(t, b, "/v1/logout", "", "cross-site"); status != http.StatusForbidden {
				t.Error("another site logs out:", status)
			}
			before := *b // with what it shows
			before.Jar = copyJar(t, b.Jar, s.URL)
			if status := s.post(t, b, "/v1/logout", "", "same-origin"); status != http.StatusNoContent {
				t.Error(status)
			}
			if status, _ := s.whoami(t, b); status != http.StatusUnauthorized {
				t.Error(status)
			}
			if status, _ := s.whoami(t, &before); status != http.StatusUnauthorized {
				t.Error("what the browser showed is good after the logout:", status)
			}
			var got []string
			entries, err := s.store.AuditEntries(t.Context(), slipway.AuditFilter{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range slices.Backward(entries) {
				if strings.Contains(string(e.Input)+e.Path, "code=") {
					t.Errorf("a code is on record: %+v", e)
				}
				got = append(got, fmt.Sprintf("%s %s %s", e.Phase, e.Action, e.By.Name))
			}
			want := "asked login ann@example.com, done login ann@example.com, asked createToken ann@example.com, done createToken ann@example.com, refused createToken ann@example.com, refused logout ann@example.com, asked logout ann@example.com, done logout ann@example.com"
			if all := strings.Join(got, ", "); all != want {
				t.Errorf("%s\nwant %s", all, want)
			}
		})
	}
}

func copyJar(t *testing.T, jar http.CookieJar, site string) http.CookieJar {
	t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := cookiejar.New(nil)
	other.SetCookies(u, jar.Cookies(u))
	return other
}

// What a browser keeps is out of reach of scripts and other sites, and with TLS nothing else can have set it.
func TestLoginCookies(t *testing.T) {
	for _, c := range []struct {
		name   string
		secure bool
		public string
		want   string
	}{
		{"TLS", true, "", "__Host-slipway_login; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"},
		{"behind a proxy that has TLS", false, "https://slipway.example.com", "__Host-slipway_login; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"},
		{"in the clear", false, "", "slipway_login; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"},
	} {
		s := newSite(t, c.secure, func(config *Config) { config.PublicURL = c.public })
		client := s.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := client.Get(s.URL + slipway.LoginPath)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		name, rest, _ := strings.Cut(res.Header.Get("Set-Cookie"), "=")
		_, flags, _ := strings.Cut(rest, ";")
		if got := name + ";" + flags; got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
		to, err := url.Parse(res.Header.Get("Location"))
		q := to.Query()
		wantBack := s.URL + slipway.CallbackPath
		if c.public != "" {
			wantBack = c.public + slipway.CallbackPath
		}
		if err != nil || res.StatusCode != http.StatusFound || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("redirect_uri") != wantBack {
			t.Errorf("%s: %s", c.name, to)
		}
	}
}

// After a login a browser goes to a path of the site, and nowhere else.
func TestLoginReturnsToTheSite(t *testing.T) {
	for _, bad := range []string{
		"//evil.example.com", "https://evil.example.com/", "http:evil", "/\\evil.example.com", "\\\\evil.example.com", "/%00\n", "javascript:alert(1)", "evil", "/\tx", "/" + strings.Repeat("a", 2000), "///evil.example.com", "/ /evil", "/ü",
	} {
		if err := auth.ValidateBack(bad); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"/", "/v1/whoami", "/clusters/hello?x=%2F%2Fevil#top"} {
		if err := auth.ValidateBack(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// answer has a browser log in up to where the provider sends it back, and returns that address instead of going there.
func (s *site) answer(t *testing.T, b *oidcserver.Browser) string {
	t.Helper()
	var back string
	b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == slipway.CallbackPath {
			back = req.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	defer func() { b.CheckRedirect = nil }()
	if _, _, _, err := b.Visit(s.URL + slipway.LoginPath); err != nil {
		t.Fatal(err)
	}
	if back == "" {
		t.Fatal("the provider does not send the browser back")
	}
	return back
}

// Every way to get a session that is not one's own.
func TestLoginIsForTheBrowserThatBeganIt(t *testing.T) {
	s := newSite(t, true)
	visit := func(b *oidcserver.Browser, address, why string) {
		t.Helper()
		status, page, _, err := b.Visit(address)
		if err != nil {
			t.Fatal(err)
		}
		if status != http.StatusUnauthorized || !strings.Contains(page, why) {
			t.Errorf("%d %s, want %q", status, page, why)
		}
		if status, _ := s.whoami(t, b); status != http.StatusUnauthorized {
			t.Errorf("%q: the browser is somebody: %d", why, status)
		}
	}
	with := func(address, name, value string) string {
		u, _ := url.Parse(address)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	t.Run("another browser", func(t *testing.T) {
		visit(s.browser("bob"), s.answer(t, s.browser("ann")), "has begun no login here")
	})
	t.Run("another browser with a login of its own", func(t *testing.T) {
		bob := s.browser("bob")
		s.answer(t, bob)
		visit(bob, s.answer(t, s.browser("ann")), "not the answer to the login that this browser has begun")
	})
	t.Run("a state that is altered", func(t *testing.T) {
		b := s.browser("ann")
		visit(b, with(s.answer(t, b), "state", "guess"), "not the answer")
	})
	t.Run("a code that is none", func(t *testing.T) {
		b := s.browser("ann")
		visit(b, with(s.answer(t, b), "code", "guess"), "does not take the code")
	})
	t.Run("a code of another login", func(t *testing.T) { // injected: PKCE is of this one
		b, mallory := s.browser("ann"), s.browser("bob")
		stolen, _ := url.Parse(s.answer(t, b))
		visit(mallory, with(s.answer(t, mallory), "code", stolen.Query().Get("code")), "does not take the code")
	})
	t.Run("a cookie that is forged", func(t *testing.T) {
		b := s.browser("ann")
		address := s.answer(t, b)
		u, _ := url.Parse(s.URL)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-slipway_login", Value: "bm9uc2Vuc2U", Path: "/", Secure: true}})
		visit(b, address, "has begun no login here")
	})
	t.Run("the same answer twice", func(t *testing.T) {
		b := s.browser("ann")
		address := s.answer(t, b)
		again := s.browser("ann")
		again.Jar = copyJar(t, b.Jar, s.URL) // somebody has a copy of all that the browser keeps
		if err := b.LogIn(address); err != nil {
			t.Fatal(err)
		}
		visit(again, address, "it was answered already")
		if status, _, _, err := b.Visit(address); err != nil || status != http.StatusUnauthorized {
			t.Error("the browser goes back to it:", status, err)
		}
		if status, _ := s.whoami(t, b); status != http.StatusOK {
			t.Error(status)
		}
	})
	t.Run("too late", func(t *testing.T) {
		b := s.browser("ann")
		address := s.answer(t, b)
		s.now = s.now.Add(11 * time.Minute)
		visit(b, address, "it took longer than 10m")
	})
	t.Run("another nonce", func(t *testing.T) {
		s.provider.Nonce = func(string) string { return "another" }
		defer func() { s.provider.Nonce = nil }()
		b := s.browser("ann")
		visit(b, s.answer(t, b), "a token of another login")
	})
	t.Run("an address that is not verified", func(t *testing.T) {
		b := s.browser("eve")
		visit(b, s.answer(t, b), "has not verified the address")
	})
	t.Run("with what a provider adds", func(t *testing.T) {
		b := s.browser("ann")
		if err := b.LogIn(with(with(s.answer(t, b), "session_state", "1"), "iss", s.provider.URL)); err != nil {
			t.Error(err)
		}
	})
	t.Run("denied", func(t *testing.T) {
		b := s.browser("ann")
		u, _ := url.Parse(s.answer(t, b))
		visit(b, s.URL+slipway.CallbackPath+"?error=access_denied&state="+u.Query().Get("state"), "access_denied")
	})
}

// A session ends: when nobody uses it for long, and in any case.
func TestSessionsEnd(t *testing.T) {
	s := newSite(t, true)
	b := s.logIn(t, "ann")
	for range 3 {
		s.now = s.now.Add(7 * time.Hour)
		if status, _ := s.whoami(t, b); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	s.now = s.now.Add(4 * time.Hour) // 25 in all
	if status, _ := s.whoami(t, b); status != http.StatusUnauthorized {
		t.Error("a session goes on for ever:", status)
	}
	b = s.logIn(t, "ann")
	s.now = s.now.Add(9 * time.Hour)
	if status, _ := s.whoami(t, b); status != http.StatusUnauthorized {
		t.Error("a session that nobody uses goes on:", status)
	}
	site, _ := url.Parse(s.URL)
	if kept := b.Jar.Cookies(site); len(kept) != 0 {
		t.Errorf("the browser keeps %v", kept)
	}
}

// Whoever loses what was shown loses the stream that was opened with it, and so does who may see something else from then on.
func TestStreamsEndWithTheRightToThem(t *testing.T) {
	s := newSite(t, false)
	admin := s.logIn(t, "ann")
	token, err := s.access.CreateToken(auth.With(t.Context(), auth.Local("root")), slipway.TokenRequest{Name: "ci", Role: slipway.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	follow := func(b *http.Client, secret string) (ended <-chan error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		if secret != "" {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
		b = &http.Client{Jar: b.Jar, Transport: b.Transport} // without its limit on time
		res, err := b.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		done := make(chan error, 1)
		go func() {
			defer res.Body.Close()
			_, err := io.Copy(io.Discard, bufio.NewReader(res.Body))
			done <- err
		}()
		return done
	}
	over := func(what string, ended <-chan error) {
		t.Helper()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}

	byToken := follow(http.DefaultClient, token.Secret)
	if _, err := s.access.RevokeToken(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	over("the token is revoked", byToken)

	bob := s.logIn(t, "bob")
	if status := s.post(t, admin, "/v1/access/bindings", `{"subject":"bob@example.com","role":"viewer"}`, "same-origin"); status != http.StatusOK {
		t.Fatal(status)
	}
	byRole := follow(bob.Client, "")
	bindings, err := s.access.Bindings(t.Context())
	if err != nil || len(bindings) != 1 {
		t.Fatal(bindings, err)
	}
	if _, err := s.access.Revoke(t.Context(), bindings[0].ID); err != nil {
		t.Fatal(err)
	}
	over("the role is taken back", byRole)

	bySession := follow(admin.Client, "")
	if status := s.post(t, admin, "/v1/logout", "", "same-origin"); status != http.StatusNoContent {
		t.Fatal(status)
	}
	over("the user logs out", bySession)
}

// One principal is listened to as often as one may be, from however many addresses.
func TestRateOfAPrincipal(t *testing.T) {
	s := newSite(t, false, func(c *Config) { c.Limits.Each = 0.001 })
	b := s.logIn(t, "ann") // goes on to /v1/whoami
	if status, _, _, err := b.Visit(s.URL + "/v1/whoami"); err != nil || status != http.StatusTooManyRequests {
		t.Error(status, err)
	}
	if err := s.browser("bob").LogIn(s.URL + slipway.LoginPath); err != nil {
		t.Error("another one suffers for it:", err)
	}
	if status, _, _, err := s.browser("ann").Visit(s.URL + "/healthz"); err != nil || status != http.StatusOK {
		t.Error(status, err)
	}
}

// A command line is told where to log in by whatever slipwayd it speaks to.
func TestLoginProvider(t *testing.T) {
	s := newSite(t, false)
	res, err := http.Get(s.URL + "/v1/login/provider")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got slipway.LoginProvider
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Issuer != s.provider.URL || got.Client != oidcserver.CLI || !got.Browser {
		t.Errorf("%+v, %v", got, err)
	}
	g := guardHello(t)
	for _, path := range []string{"/v1/login", "/v1/login/provider", "/v1/login/callback?state=a&code=b"} {
		if status, body, _ := g.do(t, "GET", path, ""); status != http.StatusNotFound && status != http.StatusConflict || strings.Contains(body, "panic") {
			t.Errorf("%s without an identity provider: %d %s", path, status, body)
		}
	}
}

// The tokens that slipwayd takes are of users and jobs that its issuer vouches for, for it, and now.
func TestTokensOfTheProvider(t *testing.T) {
	s := newSite(t, false)
	if _, err := s.access.SetTrustRule(t.Context(), "github", slipway.TrustRequest{Issuer: s.provider.URL, Claims: map[string]string{"repository": "acme/hello"}, Role: slipway.RoleViewer}); err != nil {
		t.Fatal(err)
	}
	s.now = time.Now()
	other := oidcserver.Start(t, ann)
	user := func(pairs ...any) map[string]any {
		claims := map[string]any{"sub": "1", "aud": oidcserver.CLI, "email": "ann@example.com", "email_verified": true}
		for i := 0; i < len(pairs); i += 2 {
			claims[pairs[i].(string)] = pairs[i+1]
		}
		return claims
	}
	from := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, c := range []struct {
		name   string
		by     *oidcserver.Server
		claims map[string]any
		who    string // "": nobody
	}{
		{"a user", s.provider, user(), "ann@example.com"},
		{"of the browser's client", s.provider, user("aud", oidcserver.Web), "ann@example.com"},
		{"for several", s.provider, user("aud", []string{"other", oidcserver.CLI}), "ann@example.com"},
		{"for another", s.provider, user("aud", "other"), ""},
		{"for nobody", s.provider, user("aud", nil), ""},
		{"that has expired", s.provider, user("exp", from(-2*time.Minute)), ""},
		{"that has just expired", s.provider, user("exp", from(-30*time.Second)), "ann@example.com"},
		{"that never expires", s.provider, user("exp", nil), ""},
		{"that is to come", s.provider, user("nbf", from(2*time.Minute)), ""},
		{"that is about to come", s.provider, user("nbf", from(30*time.Second), "iat", from(30*time.Second)), "ann@example.com"},
		{"issued in a while", s.provider, user("iat", from(5*time.Minute)), ""},
		{"without a name", s.provider, user("email", nil), ""},
		{"with a role's name", s.provider, user("email", "group:ops"), ""},
		{"with a token's name", s.provider, user("email", "token:ci"), ""},
		{"with the socket's name", s.provider, user("email", "root"), ""},
		{"with nobody's address", s.provider, user("email_verified", false), ""},
		{"of an issuer that nobody trusts", other, user(), ""},
		{"that claims another issuer", other, user("iss", s.provider.URL), ""},
		{"of a job", s.provider, map[string]any{"aud": "slipway", "sub": "repo:acme/hello", "repository": "acme/hello"}, "ci:github:acme/hello"},
		{"of a job elsewhere", s.provider, map[string]any{"aud": "slipway", "sub": "repo:acme/evil", "repository": "acme/evil"}, ""},
		{"of a job that says that it is a user", s.provider, map[string]any{"aud": "slipway", "repository": "acme/evil", "email": "ann@example.com", "email_verified": true}, ""},
	} {
		token, err := c.by.Sign(c.claims)
		if err != nil {
			t.Fatal(err)
		}
		i, err := s.access.Bearer(t.Context(), token, "")
		if i.Name != c.who || (err == nil) != (c.who != "") || err != nil && slipway.CodeOf(err) != slipway.Unauthenticated {
			t.Errorf("%s: %q, %v", c.name, i.Name, err)
		}
	}
}
