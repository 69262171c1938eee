// Package oidcserver is an OpenID Connect provider for tests: a real one, on this host's loopback, with clients of a command line and of a web
// application, users with passwords, and a browser in which they log in. It signs tokens of CI jobs as well.
package oidcserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients that the provider knows.
const (
	CLI       = "slipway-cli" // public: a program on the user's machine
	Web       = "slipway-web" // confidential: slipwayd's browser login
	WebSecret = "web-secret-that-is-in-a-file"
)

// User is somebody who can log in.
type User struct {
	Email      string
	Password   string
	Groups     []string
	Unverified bool // the address was never verified
}

// Server is the provider. Change its fields between logins only.
type Server struct {
	URL   string
	Life  time.Duration               // of ID tokens; default an hour
	Nonce func(nonce string) string   // what becomes of a login's nonce; nil: it stays
	Keep  bool                        // a refresh token stays good when it was used; else it is replaced
	Alter func(claims map[string]any) // what becomes of a user's claims; nil: they stay

	http     *http.Server
	key      *rsa.PrivateKey
	provider *op.Provider

	mu        sync.Mutex
	clients   map[string]*client
	users     map[string]User
	requests  map[string]*request // by ID
	codes     map[string]string   // request IDs by code
	refreshes map[string]*refresh
	devices   map[string]*device // by device code
	bearer    string             // of a CI job
	claims    map[string]any
	refreshed int
	revoked   int
}

// New starts a provider with users. Close ends it.
func New(users ...User) (*Server, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), Life: time.Hour, key: key,
		users: map[string]User{}, requests: map[string]*request{}, codes: map[string]string{}, refreshes: map[string]*refresh{}, devices: map[string]*device{},
	}
	s.clients = map[string]*client{
		CLI: {id: CLI, kind: op.ApplicationTypeNative, redirects: []string{"http://127.0.0.1/callback"}, server: s},
		Web: {id: Web, kind: op.ApplicationTypeWeb, secret: WebSecret, server: s},
	}
	for _, u := range users {
		s.users[u.Email] = u
	}
	config := &op.Config{
		CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true, SupportedScopes: []string{"openid", "email", "groups", "offline_access"},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}
	_, _ = rand.Read(config.CryptoKey[:]) // it never fails
	s.provider, err = op.NewProvider(config, s, op.StaticIssuer(s.URL), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		l.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", s.login)
	mux.HandleFunc("/device", s.device)
	mux.HandleFunc("GET /job", s.job)
	mux.Handle("/", s.provider)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Start is New for a test, at whose end the provider ends.
func Start(t testing.TB, users ...User) *Server {
	t.Helper()
	s, err := New(users...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Close ends the provider.
func (s *Server) Close() { _ = s.http.Close() }

// Redirect lets browsers be sent back to the address, which is slipwayd's callback.
func (s *Server) Redirect(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[Web].redirects = append(s.clients[Web].redirects, address)
}

// Refreshed returns how often a refresh token was used, and Revoked how often one was revoked.
func (s *Server) Refreshed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshed
}

// Revoked is described at [Server.Refreshed].
func (s *Server) Revoked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked
}

// Forget has the provider know none of the refresh tokens any more that it has given out.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.refreshes)
}

// Sign signs claims as the provider does: by itself, now, for five minutes, unless they say otherwise. A claim that is nil is left out.
func (s *Server) Sign(claims map[string]any) (string, error) { return s.SignWith(s.key, claims) }

// SignWith is Sign with somebody's key.
func (s *Server) SignWith(key *rsa.PrivateKey, claims map[string]any) (string, error) {
	now := time.Now()
	all := map[string]any{"iss": s.URL, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// SetJob says whose jobs ask at JobURL for tokens, as GitHub Actions' do, with what to show there.
func (s *Server) SetJob(bearer string, claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearer, s.claims = bearer, claims
}

// JobURL is where a job asks for a token.
func (s *Server) JobURL() string { return s.URL + "/job?api-version=2.0" }

func (s *Server) job(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	bearer, claims := s.bearer, maps.Clone(s.claims)
	s.mu.Unlock()
	if bearer == "" || r.Header.Get("Authorization") != "Bearer "+bearer {
		http.Error(w, "no such job", http.StatusUnauthorized)
		return
	}
	claims["aud"] = r.URL.Query().Get("audience")
	token, err := s.Sign(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
}

// login shows a form, and sends who fills it in well back to where that one came from.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	s.mu.Lock()
	req := s.requests[id]
	s.mu.Unlock()
	if req == nil {
		http.Error(w, "no such login", http.StatusNotFound)
		return
	}
	if !s.form(w, r, map[string]string{"id": id}) {
		return
	}
	s.mu.Lock()
	req.subject, req.at, req.done = r.PostFormValue("user"), time.Now(), true
	s.mu.Unlock()
	ctx := op.ContextWithIssuer(context.WithoutCancel(r.Context()), s.URL)
	http.Redirect(w, r, op.AuthCallbackURL(s.provider)(ctx, id), http.StatusFound)
}

// device shows a form, and approves what the code is of if it is filled in well.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("user_code")
	if !s.form(w, r, map[string]string{"user_code": code}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == code {
			d.state.Subject, d.state.AuthTime = r.PostFormValue("user"), time.Now()
			d.state.Done, d.state.Denied = r.PostFormValue("deny") == "", r.PostFormValue("deny") != ""
			fmt.Fprintln(w, "You can go back to your terminal.")
			return
		}
	}
	http.Error(w, "no such code", http.StatusNotFound)
}

// form reports whether a user has filled in a form with a name and a password that fit.
func (s *Server) form(w http.ResponseWriter, r *http.Request, hidden map[string]string) bool {
	if r.Method == http.MethodPost {
		s.mu.Lock()
		u, ok := s.users[r.PostFormValue("user")]
		s.mu.Unlock()
		if ok && u.Password == r.PostFormValue("password") {
			return true
		}
		http.Error(w, "wrong name or password", http.StatusForbidden)
		return false
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintln(w, `<form method="post"><input name="user"><input name="password" type="password">`)
	for name, value := range hidden {
		fmt.Fprintf(w, "<input type=\"hidden\" name=%q value=%q>\n", name, value)
	}
	fmt.Fprintln(w, `<button>Log in</button></form>`)
	return false
}
