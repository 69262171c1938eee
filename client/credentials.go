package client

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Credentials returns the token to show, "" for none. It is asked before every request, so that it can return another when one is about to
// expire. It is safe for concurrent use.
type Credentials func(ctx context.Context) (string, error)

// Token returns credentials that are always the same token.
func Token(token string) Credentials {
	return func(context.Context) (string, error) { return token, nil }
}

// Authenticate has the client show who it is from now on. Call it before the first request. A token is shown to this server alone, and never
// where others can read it: Refused for a server that is spoken to without TLS, but on this host's own loopback or a unix socket.
func (c *Client) Authenticate(credentials Credentials) {
	next, open := c.http.Transport, c.Private()
	c.http.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		home, err := url.Parse(c.base)
		if err != nil || req.URL.Scheme != home.Scheme || req.URL.Host != home.Host { // it was sent elsewhere by an answer
			return next.RoundTrip(req)
		}
		token, err := credentials(req.Context())
		if err != nil {
			return nil, err
		}
		if token == "" {
			return next.RoundTrip(req)
		}
		if open != nil {
			return nil, open
		}
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+token)
		return next.RoundTrip(req)
	})
}

// Private returns nil if nobody between can hear what is said to the servers, else a Refused error: then no token is shown.
func (c *Client) Private() error {
	if open := unencrypted(c.server); open != "" {
		return slipway.Errorf(slipway.Refused, "cannot show a token to %s: whoever is between could read it; use https", open)
	}
	return nil
}

// unencrypted returns the first of the servers, as [New] takes them, that is spoken to where others can hear it; "" if there is none.
func unencrypted(servers string) string {
	for server := range strings.SplitSeq(servers, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
			return u.Redacted()
		}
	}
	return ""
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
