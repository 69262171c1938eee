// Package registry speaks to OCI registries: it reads the images that bakes start from, and sends and takes Slipway's own.
//
// What a registry says is never trusted: every manifest and blob is hashed on its way in, and one that is not what its digest names is
// refused before anyone has used it. Credentials come from Docker's configuration, and go into no error and no log.
package registry

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-sh/slipway"
)

// Config is what a [Client] needs to know.
type Config struct {
	Insecure []string // hosts, with their port if it is no default one, that are spoken to without TLS; loopback ones always may be
	Version  string   // of this program, for the registries' logs
	Patience Patience // zero fields have defaults
}

// Patience says how long to wait for a registry, and how often to ask again.
type Patience struct {
	Answer  time.Duration   // for an answer that is short
	Silence time.Duration   // between two pieces of a long one, or of what is sent
	Overall time.Duration   // for one manifest or blob, all attempts together
	Pauses  []time.Duration // between attempts; there is one more attempt than pauses
}

func (p Patience) complete() Patience {
	if p.Answer == 0 {
		p.Answer = 20 * time.Second
	}
	if p.Silence == 0 {
		p.Silence = time.Minute
	}
	if p.Overall == 0 {
		p.Overall = time.Hour
	}
	if p.Pauses == nil {
		p.Pauses = []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second}
	}
	return p
}

// Client reads registries. It implements [slipway.Registry]; its methods are safe for concurrent use.
type Client struct {
	insecure map[string]bool
	patience Patience
	options  []remote.Option
}

var _ slipway.Registry = (*Client)(nil)

// New returns a client. It connects to nothing yet.
func New(c Config) *Client {
	client := &Client{insecure: map[string]bool{}, patience: c.Patience.complete()}
	for _, host := range c.Insecure {
		client.insecure[host] = true
	}
	client.options = []remote.Option{
		remote.WithTransport(guard{inner: newTransport(), insecure: client.insecure}),
		remote.WithAuthFromKeychain(keychain{}),
		remote.WithUserAgent("slipway/" + c.Version),
		// There is one layer that tries again, and it is ours: it also covers what breaks in the middle of a body.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }),
		remote.WithRetryStatusCodes(),
	}
	return client
}

// puller returns one to read with. It logs in when it is first used, so that credentials that were changed count at once.
func (c *Client) puller() (*remote.Puller, error) { return remote.NewPuller(c.options...) }

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // digests are of the bytes as they are
	}
}

// guard refuses to send anything without TLS to a host that is not meant to get it, whatever redirects and challenges say.
type guard struct {
	inner    http.RoundTripper
	insecure map[string]bool
}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !g.insecure[req.URL.Host] && !isLoopback(req.URL.Hostname()) {
		return nil, plainError{req.URL.Host}
	}
	return g.inner.RoundTrip(req)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// plainError says that a host would have to be spoken to without TLS.
type plainError struct{ host string }

func (e plainError) Error() string { return fmt.Sprintf("%s would get it without TLS", e.host) }
