package httpapi

import (
	"net"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// guard keeps web pages out. A browser on this host can reach a loopback listener, and would send it what any page tells it
// to: across origins, or, with a name that its owner has pointed at 127.0.0.1, as if it were the page's own server. A proxy on this host may
// come with the host of the public URL, if there is one.
func guard(public string, next http.Handler) http.Handler {
	known := ""
	if u, err := url.Parse(public); err == nil {
		known = u.Host
	}
	refuse := func(w http.ResponseWriter, why string) {
		newProblem(http.StatusForbidden, slipway.Refused, "cannot serve this request: "+why).write(w)
	}
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, "a web page of another origin sent it")
	}))
	next = origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr) // nil on a unix socket
		if local != nil && local.IP.IsLoopback() && !isLoopback(r.Host) && (known == "" || r.Host != known) {
			refuse(w, "it is meant for the host "+r.Host)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether host, of a Host header, can only mean this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// unknown answers requests no route fits with a problem like all others.
func unknown(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := outcome{header: w.Header(), status: http.StatusOK} // keeps Allow and Location
		h.ServeHTTP(&answer, r)
		detail := "cannot find " + r.Method + " " + r.URL.Path + ": the API has no such route; /openapi.json lists all"
		newProblem(answer.status, slipway.NotFound, detail).write(w)
	})
}

// outcome is a response of which only the head is wanted.
type outcome struct {
	header http.Header
	status int
}

func (o *outcome) Header() http.Header         { return o.header }
func (o *outcome) Write(b []byte) (int, error) { return len(b), nil }
func (o *outcome) WriteHeader(status int)      { o.status = status }
