package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

type peerKey struct{}

// ConnContext is for [http.Server.ConnContext]: it notes whose process is at the other end of a unix socket, which the kernel knows.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, *peer)
}

// local returns who is at the other end of a unix socket, if that one may read and write what slipwayd has in any case: root, or slipwayd's
// own user. Everybody else has to say who that is.
func local(ctx context.Context) (auth.Identity, bool) {
	peer, ok := ctx.Value(peerKey{}).(unix.Ucred)
	if !ok || peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return auth.Identity{}, false
	}
	name := "root"
	if peer.Uid != 0 {
		name = "local:" + strconv.Itoa(int(peer.Uid))
		if u, err := user.LookupId(strconv.Itoa(int(peer.Uid))); err == nil {
			name = "local:" + u.Username
		}
	}
	return auth.Local(name), true
}

type failureKey struct{}

// failure returns why it is not known whose request ctx is of; nil if it is, or nothing was shown.
func failure(ctx context.Context) error {
	err, _ := ctx.Value(failureKey{}).(error)
	return err
}

// authenticate finds out who asks: by the token or the session that is shown, or, if nothing is, by whose process it is. It refuses nobody:
// what may be done by whom, and by nobody, is said route by route.
func (a *api) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		who, known, err := a.identify(r)
		switch {
		case err != nil:
			ctx = context.WithValue(ctx, failureKey{}, err)
			ctx = slipway.WithPrincipal(ctx, slipway.Principal{Address: addressOf(r)})
		case known:
			ctx = auth.With(ctx, who)
		default:
			ctx = slipway.WithPrincipal(ctx, slipway.Principal{Address: addressOf(r)})
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (a *api) identify(r *http.Request) (who auth.Identity, known bool, err error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
			return who, false, slipway.Errorf(slipway.Unauthenticated, "cannot tell who asks: want \"Authorization: Bearer TOKEN\"")
		}
		who, err = a.Access.Bearer(r.Context(), strings.TrimSpace(token), addressOf(r))
		return who, err == nil, err
	}
	if cookie, err := r.Cookie(a.cookieName(r, sessionCookie)); err == nil {
		who, err = a.Access.Session(r.Context(), cookie.Value, addressOf(r))
		return who, err == nil, err
	}
	who, known = local(r.Context())
	return who, known, nil
}

// addressOf returns the IP address that a request came from; "" for a unix socket.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// challenge tells, beside a problem, what to do about it.
func challenge(h http.Header, err error) {
	var many *auth.TooMany
	switch {
	case errors.As(err, &many):
		h.Set("Retry-After", fmt.Sprint(int(math.Ceil(many.Wait.Seconds()))))
	case slipway.CodeOf(err) == slipway.Unauthenticated:
		h.Set("WWW-Authenticate", `Bearer realm="slipway"`)
	}
}
