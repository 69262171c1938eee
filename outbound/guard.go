package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	connectTimeout = 10 * time.Second
	// maxHeader is how much the head of an answer may have, bytes.
	maxHeader = 64 << 10
)

// Guard decides which addresses may be connected to. What a name means is looked at when the connection is made, at the very address
// that is connected to: a name that means something else a moment later gains nothing, nor does a redirection. It is safe for
// concurrent use.
type Guard struct {
	allowed []entry
	own     func() []netip.Addr
}

// New returns a guard that allows public addresses and those listed, each of the form "10.1.0.0/16", "10.1.2.3", "10.1.2.3:9090",
// "hooks.example.com" or "hooks.example.com:8443". A name is allowed whatever address it has; names below it are not. Invalid if one
// has another form.
func New(allow ...string) (*Guard, error) {
	g := &Guard{own: addressesOfThisHost}
	for _, text := range allow {
		e, err := parse(text)
		if err != nil {
			return nil, err
		}
		g.allowed = append(g.allowed, e)
	}
	return g, nil
}

// Client returns a client that follows no redirections: what is sent would go to somebody who was not named. It sets no limit on time.
func (g *Guard) Client() *http.Client {
	return &http.Client{
		Transport:     g.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport returns a transport that connects through the guard. It asks no proxy, since a proxy would connect where the guard cannot look.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext:            g.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    connectTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// DialContext connects as [net.Dialer.DialContext] does. Refused if none of the addresses that address means may be connected to.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	if !slices.ContainsFunc(g.allowed, func(e entry) bool { return e.name != "" && e.name == canonical(host) && e.fits(port) }) {
		dialer.Control = func(_, at string, _ syscall.RawConn) error { return g.check(host, at) }
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if refused, ok := errors.AsType[*slipway.Error](err); ok {
		return nil, refused
	}
	return conn, err
}

// check returns nil if the address may be connected to, which is what host means.
func (g *Guard) check(host, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return slipway.Errorf(slipway.Refused, "cannot connect to %s: it is no internet address", address)
	}
	why := special(at.Addr())
	if why == "" && slices.Contains(g.own(), at.Addr().Unmap()) {
		why = "this host's own"
	}
	if why == "" || slices.ContainsFunc(g.allowed, func(e entry) bool { return e.has(at) }) {
		return nil
	}
	what := at.Addr().String()
	if canonical(host) != what {
		what = fmt.Sprintf("%s, which is %s", host, what)
	}
	return slipway.Errorf(slipway.Refused, "cannot connect to %s: the address is %s, and slipwayd connects to such addresses only if it is started with --allow-outbound",
		what, why)
}

// addressesOfThisHost returns the addresses that lead back here, though they look like any other.
func addressesOfThisHost() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, ip.Unmap())
			}
		}
	}
	return own
}
