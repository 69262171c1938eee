package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/slipway-sh/slipway"
)

// callbackPath is where the browser is sent back to, on this machine's loopback. Providers allow any port there.
const callbackPath = "/callback"

// Browser logs a user in with a browser on this machine, by the authorisation code grant with PKCE: show is told the address to go to, and
// the provider sends the browser back to a port of this machine's loopback, a free one if port is 0. It waits until ctx is done.
func (p *Provider) Browser(ctx context.Context, port int, show func(address string)) (Login, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return Login{}, slipway.Errorf(slipway.Unprepared, "cannot listen for the browser's answer: %w; choose another --port, or use --device", err)
	}
	config := p.config
	config.RedirectURL = "http://" + l.Addr().String() + callbackPath
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	back := newCallback(state)
	server := &http.Server{Handler: back, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	defer func() { // the browser still gets its page
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	}()
	show(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)))
	var answer url.Values
	select {
	case <-ctx.Done():
		return Login{}, waited(ctx)
	case answer = <-back.answers:
	}
	if said := answer.Get("error"); said != "" {
		return Login{}, slipway.Errorf(slipway.Unauthenticated, "cannot log in: the identity provider says %.100q %.300q", said, answer.Get("error_description"))
	}
	token, err := config.Exchange(p.context(ctx), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return Login{}, explain(err, "log in")
	}
	return p.login(ctx, token, nonce)
}

// waited says why nobody is waited for any more.
func waited(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return slipway.Errorf(slipway.Unauthenticated, "cannot log in: nobody has done so in time; try again")
	}
	return context.Cause(ctx)
}

// callback takes the provider's answer from the browser. What does not know the state, which any page could send here, is turned away, and
// does not end the login.
type callback struct {
	state   string
	answers chan url.Values
}

func newCallback(state string) *callback {
	return &callback{state: state, answers: make(chan url.Values, 1)}
}

// ServeHTTP implements [http.Handler].
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer") // the code is in the address
	w.Header().Set("Cache-Control", "no-store")
	page := func(status int, text string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!doctype html><title>Slipway</title><p>%s</p>\n", html.EscapeString(text))
	}
	switch {
	case r.URL.Path != callbackPath || r.Method != http.MethodGet:
		page(http.StatusNotFound, "There is nothing here.")
		return
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(c.state)) != 1:
		page(http.StatusBadRequest, "This is not the answer to the login that is under way.")
		return
	case query.Get("error") == "" && query.Get("code") == "":
		page(http.StatusBadRequest, "The identity provider has sent no code.")
		return
	}
	select {
	case c.answers <- query:
		page(http.StatusOK, "You can close this window, and go back to your terminal.")
	default:
		page(http.StatusConflict, "This login was answered already.")
	}
}
