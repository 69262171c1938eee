package httpapi

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"

	"crypto/tls"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// relayHeader has, of a request that was passed on, where it came from. It counts on the socket for that alone, to which nobody but root can
// connect; everywhere else it is a header like any that nobody knows.
const relayHeader = "Slipway-Relayed"

// origin is what a server knows of a request beside the request itself.
type origin struct {
	Remote netip.AddrPort `json:"remote,omitzero"` // none for a unix socket
	Local  netip.AddrPort `json:"local,omitzero"`
	TLS    bool           `json:"tls,omitempty"`
	User   *uint32        `json:"user,omitempty"` // whose process it is, which the kernel knows of a unix socket
}

func originOf(r *http.Request) origin {
	var o origin
	o.Remote, _ = netip.ParseAddrPort(r.RemoteAddr)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		o.Local = local.AddrPort()
	}
	o.TLS = r.TLS != nil
	if peer, ok := r.Context().Value(peerKey{}).(unix.Ucred); ok {
		o.User = &peer.Uid
	}
	return o
}

// String returns what [relayHeader] has.
func (o origin) String() string {
	b, _ := json.Marshal(o) // addresses, numbers and yes or no: it cannot fail
	return string(b)
}

// Relayed returns api as the slipwayd that works serves it, on a socket of its own, to those that stand by: a request is that of who sent it to
// them. The socket is for root alone, as is all that slipwayd has; the server needs [ConnContext].
func Relayed(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := local(r.Context()); !ok {
			newProblem(http.StatusForbidden, slipway.Refused, "cannot serve this request: the socket is for slipwayds that stand by").write(w)
			return
		}
		var from origin
		if err := json.Unmarshal([]byte(r.Header.Get(relayHeader)), &from); err != nil {
			newProblem(http.StatusBadRequest, slipway.Invalid, "cannot serve this request: the socket is for slipwayds that stand by; slipwayd.sock is for others").write(w)
			return
		}
		r = r.WithContext(from.context(r.Context()))
		r.Header.Del(relayHeader)
		r.RemoteAddr, r.TLS = "", nil
		if from.Remote.IsValid() {
			r.RemoteAddr = from.Remote.String()
		}
		if from.TLS {
			r.TLS = &tls.ConnectionState{}
		}
		api.ServeHTTP(w, r)
	})
}

// context returns ctx as that of a request that came straight from there.
func (o origin) context(ctx context.Context) context.Context {
	var local, peer any
	if o.Local.IsValid() {
		local = net.TCPAddrFromAddrPort(o.Local)
	}
	if o.User != nil {
		peer = unix.Ucred{Uid: *o.User}
	}
	return context.WithValue(context.WithValue(ctx, http.LocalAddrContextKey, local), peerKey{}, peer)
}
