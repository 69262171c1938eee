package login_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/login"
	"github.com/slipway-sh/slipway/test/oidcserver"
)

var ann = oidcserver.User{Email: "ann@example.com", Password: "hunter2", Groups: []string{"ops"}}

func discover(t *testing.T, s *oidcserver.Server) *login.Provider {
	t.Helper()
	p, err := login.Discover(t.Context(), slipway.LoginProvider{Issuer: s.URL, Client: oidcserver.CLI})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// visits has a user's browser go wherever it is shown.
func visits(t *testing.T, user, password string) (show func(string), done func() error) {
	came := make(chan error, 1)
	return func(address string) {
		go func() { came <- oidcserver.NewBrowser(user, password).LogIn(address) }()
	}, func() error { return <-came }
}

func logIn(t *testing.T, s *oidcserver.Server) login.Login {
	t.Helper()
	show, done := visits(t, ann.Email, ann.Password)
	l, err := discover(t, s).Browser(t.Context(), 0, show)
	if err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Error("what the browser sees at the end:", err)
	}
	l.Server = "https://slipway.example.com"
	return l
}

func TestBrowser(t *testing.T) {
	s := oidcserver.Start(t, ann)
	l := logIn(t, s)
	if l.Issuer != s.URL || l.Client != oidcserver.CLI || l.RefreshToken == "" || !l.Fresh(time.Now()) || strings.Count(l.IDToken, ".") != 2 {
		t.Errorf("%+v", l)
	}
}

// Whatever else comes to the callback neither ends the login nor gets into it.
func TestCallbackOfStrangers(t *testing.T) {
	s := oidcserver.Start(t, ann)
	shown := make(chan string, 1)
	result := make(chan error, 1)
	go func() {
		_, err := discover(t, s).Browser(t.Context(), 0, func(address string) { shown <- address })
		result <- err
	}()
	address, err := url.Parse(<-shown)
	if err != nil {
		t.Fatal(err)
	}
	back := address.Query().Get("redirect_uri")
	for _, c := range []struct {
		method, query string
		want          int
	}{
		{"GET", "?code=mine&state=guessed", http.StatusBadRequest},
		{"GET", "?code=mine", http.StatusBadRequest},
		{"GET", "", http.StatusBadRequest},
		{"POST", "?code=mine&state=" + address.Query().Get("state"), http.StatusNotFound},
		{"GET", "/elsewhere", http.StatusNotFound},
		{"GET", "?state=" + address.Query().Get("state"), http.StatusBadRequest},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, back+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.query, res.StatusCode, c.want)
		}
	}
	if err := oidcserver.NewBrowser(ann.Email, ann.Password).LogIn(address.String()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestBrowserFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*oidcserver.Server)
		visit  func(address string)
		want   string
	}{
		{"with another nonce", func(s *oidcserver.Server) { s.Nonce = func(string) string { return "another" } }, nil, "a token of another login"},
		{"with no nonce", func(s *oidcserver.Server) { s.Nonce = func(string) string { return "" } }, nil, "a token of another login"},
		{"as somebody unknown", nil, func(address string) {
			_, _, _, _ = oidcserver.NewBrowser("eve@example.com", "guess").Visit(address)
		}, "nobody has done so in time"},
		{"when it is denied", nil, func(address string) {
			u, _ := url.Parse(address)
			res, err := http.Get(u.Query().Get("redirect_uri") + "?error=access_denied&state=" + u.Query().Get("state"))
			if err == nil {
				res.Body.Close()
			}
		}, `says "access_denied"`},
		{"with a code that is none", nil, func(address string) {
			u, _ := url.Parse(address)
			res, err := http.Get(u.Query().Get("redirect_uri") + "?code=mine&state=" + u.Query().Get("state"))
			if err == nil {
				res.Body.Close()
			}
		}, "it has ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := oidcserver.Start(t, ann)
			if c.change != nil {
				c.change(s)
			}
			if c.visit == nil {
				c.visit = func(address string) { _ = oidcserver.NewBrowser(ann.Email, ann.Password).LogIn(address) }
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			l, err := discover(t, s).Browser(ctx, 0, func(address string) { go c.visit(address) })
			if slipway.CodeOf(err) != slipway.Unauthenticated || !strings.Contains(err.Error(), c.want) || l.IDToken != "" {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}

func TestDevice(t *testing.T) {
	s := oidcserver.Start(t, ann)
	p := discover(t, s)
	browser := oidcserver.NewBrowser(ann.Email, ann.Password)
	var shown login.Code
	l, err := p.Device(t.Context(), func(c login.Code) {
		shown = c
		if err := browser.LogIn(c.Complete); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if shown.Code == "" || !strings.HasPrefix(shown.Address, s.URL) || l.RefreshToken == "" || !l.Fresh(time.Now()) {
		t.Errorf("%+v after %+v", l, shown)
	}
	_, err = p.Device(t.Context(), func(c login.Code) {
		_, _ = browser.PostForm(c.Address, url.Values{"user_code": {c.Code}, "user": {ann.Email}, "password": {ann.Password}, "deny": {"yes"}})
	})
	if slipway.CodeOf(err) != slipway.Unauthenticated || !strings.Contains(err.Error(), "it was denied") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = p.Device(ctx, func(login.Code) {}); slipway.CodeOf(err) != slipway.Unauthenticated || !strings.Contains(err.Error(), "in time") {
		t.Error(err)
	}
}

// Of several that need another token, one asks for it: a refresh token that was used is good no more.
func TestTokenIsRefreshedOnce(t *testing.T) {
	s := oidcserver.Start(t, ann)
	s.Life = time.Second // expired from the beginning, as far as it matters
	old := logIn(t, s)
	s.Life = time.Hour
	store := login.Store{Dir: t.TempDir()}
	if err := store.Put(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			l, err := store.Token(t.Context(), old)
			if err != nil || l.IDToken == old.IDToken || !l.Fresh(time.Now()) {
				t.Errorf("%v: %v", l.Expires, err)
			}
		})
	}
	all.Wait()
	if n := s.Refreshed(); n != 1 {
		t.Errorf("refreshed %d times", n)
	}
	kept, err := store.Get(old.Server)
	if err != nil || kept.RefreshToken == old.RefreshToken || !kept.Fresh(time.Now()) {
		t.Errorf("%+v, %v", kept, err)
	}
}

func TestTokenWhenTheLoginHasEnded(t *testing.T) {
	s := oidcserver.Start(t, ann)
	s.Life = time.Second
	old := logIn(t, s)
	store := login.Store{Dir: t.TempDir()}
	want := func(code slipway.Code, text string) {
		t.Helper()
		_, err := store.Token(t.Context(), old)
		if slipway.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s %q", err, code, text)
		}
	}
	want(slipway.Unauthenticated, "has ended; `slipway login`") // somebody has logged out meanwhile
	if err := store.Put(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	want(slipway.Unauthenticated, "it has ended; `slipway login`")
	s.Close()
	old.Expires = time.Now().Add(time.Minute / 4)
	if err := store.Put(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if l, err := store.Token(t.Context(), old); err != nil || l.IDToken != old.IDToken { // it is still good, if not for long
		t.Error(l, err)
	}
	old.Expires = time.Now().Add(-time.Second)
	if err := store.Put(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	want(slipway.Unavailable, "cannot ask")
}

func TestRevoke(t *testing.T) {
	s := oidcserver.Start(t, ann)
	l := logIn(t, s)
	p := discover(t, s)
	if err := p.Revoke(t.Context(), l); err != nil || s.Revoked() != 1 {
		t.Fatal(err, s.Revoked())
	}
	if _, err := p.Refresh(t.Context(), l); slipway.CodeOf(err) != slipway.Unauthenticated {
		t.Error(err)
	}
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "slipway", "logins")
	store := login.Store{Dir: dir}
	l := login.Login{Server: "https://Slipway.example.com:8443/", IDToken: "a.b.c", Expires: time.Now().Add(time.Hour)}
	if _, err := store.Get(l.Server); slipway.CodeOf(err) != slipway.NotFound {
		t.Error(err)
	}
	if _, err := store.Delete(t.Context(), l.Server); slipway.CodeOf(err) != slipway.NotFound {
		t.Error(err)
	}
	if err := store.Put(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	got, err := store.Get("https://slipway.example.com:8443")
	if err != nil || got.IDToken != l.IDToken {
		t.Error(got, err)
	}
	if _, err := store.Get("https://slipway.example.com"); slipway.CodeOf(err) != slipway.NotFound {
		t.Error("another server's login is shown:", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, files[0]: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(l.Server); slipway.CodeOf(err) != slipway.Unprepared || !strings.Contains(err.Error(), "others can read it") {
		t.Error(err)
	}
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{}", "no json", `{"server":"https://elsewhere","id_token":"a"}`} {
		if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(l.Server); slipway.CodeOf(err) != slipway.Corrupt {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := store.Delete(t.Context(), l.Server); err != nil {
		t.Error(err)
	}
	if _, err := store.Get(l.Server); slipway.CodeOf(err) != slipway.NotFound {
		t.Error(err)
	}
	if err := (login.Store{}).Put(t.Context(), l); slipway.CodeOf(err) != slipway.Unprepared {
		t.Error(err)
	}
}
