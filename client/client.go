// Package client talks to slipwayd's HTTP API. It needs nothing but the standard library, so that programs that use it start at once.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// DefaultServer is where slipwayd listens unless it was told otherwise.
const DefaultServer = "unix:/var/lib/slipway/slipwayd.sock"

// defaultPatience is how long [Client.Events] keeps trying to reach a slipwayd that went away, and defaultRetry how long a call does: a
// restart takes a few seconds.
const (
	defaultPatience = 2 * time.Minute
	defaultRetry    = 10 * time.Second
)

// maxError is how much of an answer that is no problem+json is read.
const maxError = 64 << 10

// Client is a connection to a slipwayd, or to whichever of several serves. Methods are safe for concurrent use; they return
// [slipway.Error] values with the server's code, or Unavailable if slipwayd cannot be reached. A slipwayd that goes away before it has answered,
// as when it is upgraded, is asked again, and nothing is done twice; with several servers each call looks for the one that serves, for half a
// minute.
type Client struct {
	// Patience is how long Events keeps trying to reach slipwayd before it gives up. Set it before the first call.
	Patience time.Duration
	// RetryFor is how long a call that slipwayd did not answer, because it went away meanwhile, is made again before it fails. Set it before the
	// first call; 0: not at all.
	RetryFor time.Duration

	server string // as given
	base   string // what paths are appended to
	http   *http.Client

	wires []wire // below http, one for each server
}

// New returns a client of the slipwayd at server: "unix:/path/of/socket", "https://host" or "http://host:port", or several of these, separated by commas,
// of which one serves and others stand by. It does not connect yet.
func New(server string) (*Client, error) {
	c := &Client{Patience: defaultPatience, RetryFor: defaultRetry, server: server, http: &http.Client{}}
	if !strings.Contains(server, ",") {
		base, transport, err := reach(server)
		if err != nil {
			return nil, err
		}
		c.base, c.http.Transport, c.wires = base, transport, []wire{newWire(base, transport)}
		return c, nil
	}
	several, err := newFailover(strings.Split(server, ","))
	if err != nil {
		return nil, err
	}
	c.base, c.http.Transport = unixBase, several
	for _, s := range several.servers {
		c.wires = append(c.wires, newWire(s.base.String(), s.transport))
	}
	return c, nil
}

// wire is what a server is connected to with.
type wire struct {
	*http.Transport
	host string // what the server is called
}

func newWire(base string, transport *http.Transport) wire {
	w := wire{Transport: transport}
	if u, err := url.Parse(base); err == nil {
		w.host = u.Hostname()
	}
	return w
}

// unixBase is what paths are appended to where the host does not matter.
const unixBase = "http://slipwayd"

// reach returns what the paths of a server's API are appended to, and how it is connected to.
func reach(server string) (base string, _ *http.Transport, _ error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true, ExpectContinueTimeout: time.Second}
	if socket, ok := strings.CutPrefix(server, "unix:"); ok && socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}
		return unixBase, transport, nil
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", nil, slipway.Errorf(slipway.Invalid, "cannot use %q as server: want unix:/path/of/slipwayd.sock, https://host or http://127.0.0.1:port", server)
	}
	return strings.TrimSuffix(server, "/"), transport, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Health is what slipwayd says of itself.
type Health struct {
	Ready   bool   `json:"ready"`
	Version string `json:"version"`
	Role    string `json:"role"`  // "active", or "standby" of one that passes requests on
	Parts   []Part `json:"parts"` // what it works with and runs elsewhere
}

// Part is something that slipwayd works with, and that runs elsewhere.
type Part struct {
	Name  string    `json:"name"` // "postgresql", "temporal" or "nats"
	OK    bool      `json:"ok"`   // whether it answers
	Since time.Time `json:"since"`
}

// Health asks whether slipwayd is ready.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return call[Health](ctx, c, http.MethodGet, "/healthz", nil)
}

// do sends req and returns the answer if it is a 2xx; the caller closes its body.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(req.Context(), err)
	}
	if res.StatusCode/100 == 2 || res.StatusCode == http.StatusNotModified {
		return res, nil
	}
	defer res.Body.Close()
	err = problem(res)
	if res.StatusCode == http.StatusConflict && res.Header.Get("Retry-After") != "" {
		err = busy{err}
	}
	return nil, err
}

// ErrUnanswered is in the chain of an Unavailable error if slipwayd was reached but went away before it answered: what was asked for
// may have been accepted.
var ErrUnanswered = errors.New("it went away before it answered")

// unreachable returns err, why a request got no answer, as an Unavailable error; or ctx's own error.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if known := (*slipway.Error)(nil); errors.As(err, &known) { // it was never sent
		return known
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if untrusted := c.untrusted(err); untrusted != nil {
		return untrusted
	}
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return slipway.Errorf(slipway.Unavailable, "cannot get an answer of slipwayd at %s: %w (%v)", c.server, ErrUnanswered, err)
	}
	return slipway.Errorf(slipway.Unavailable, "cannot reach slipwayd at %s: %w; start it with `slipwayd`, or say where it is with --server or SLIPWAY_SERVER", c.server, err)
}

// codes are the codes of answers that carry none: slipwayd's always do, those of something between need not.
var codes = map[int]slipway.Code{
	http.StatusBadRequest:          slipway.Invalid,
	http.StatusUnprocessableEntity: slipway.Invalid,
	http.StatusNotFound:            slipway.NotFound,
	http.StatusConflict:            slipway.Conflict,
	http.StatusPreconditionFailed:  slipway.Stale,
	http.StatusForbidden:           slipway.Refused,
	http.StatusUnauthorized:        slipway.Unauthenticated,
	http.StatusBadGateway:          slipway.Unavailable,
	http.StatusServiceUnavailable:  slipway.Unavailable,
	http.StatusGatewayTimeout:      slipway.Unavailable,
}

// problem reads the problem+json of an answer that is no success. Several mistakes are joined into one error.
func problem(res *http.Response) error {
	var p struct {
		Title  string          `json:"title"`
		Detail string          `json:"detail"`
		Code   slipway.Code    `json:"code"`
		Place  string          `json:"place"`
		Errors []slipway.Error `json:"errors"` // all mistakes, if there are several
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxError))
	if err == nil {
		_ = json.Unmarshal(b, &p) // what is no JSON has neither code nor detail
	}
	if len(p.Errors) > 1 {
		var all []error
		for i := range p.Errors {
			all = append(all, &p.Errors[i])
		}
		return errors.Join(all...)
	}
	if p.Code == "" {
		p.Code = codes[res.StatusCode]
	}
	if p.Code == "" {
		p.Code = slipway.Internal
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	if p.Detail == "" {
		p.Detail = "slipwayd answered " + res.Status
	}
	return &slipway.Error{Code: p.Code, Message: p.Detail, Place: p.Place}
}

// query makes url.Values of pairs, leaving out empty values and zeros.
func query(pairs ...any) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case string:
			if v != "" {
				q.Set(name, v)
			}
		case int:
			if v != 0 {
				q.Set(name, strconv.Itoa(v))
			}
		case int64:
			if v != 0 {
				q.Set(name, strconv.FormatInt(v, 10))
			}
		case bool:
			if v {
				q.Set(name, "true")
			}
		}
	}
	return q
}
