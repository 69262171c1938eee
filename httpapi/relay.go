package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// relayPatience is how long a request waits for a slipwayd that works, where one has ended and the other has not taken over yet.
	relayPatience = 30 * time.Second
	relayEvery    = 20 * time.Millisecond
	// relayTries is how often a question is asked that gets no answer: of the slipwayd that dies, and of the next.
	relayTries = 3
	// relayHealth is how long the slipwayd that works may take to say that it is ready.
	relayHealth = 2 * time.Second
)

// RelayConfig says what a slipwayd that stands by does with requests.
type RelayConfig struct {
	// Socket is where the slipwayd that works, whichever that is by then, serves what [Relayed] returns.
	Socket    string
	Limits    Limits
	PublicURL string        // as in [Config]
	Version   string        // of this slipwayd
	Wait      time.Duration // for one that works, when there is none; default 30 s
}

// NewRelay returns the handler of a slipwayd that stands by: it passes every request on to the one that works, with who sent it and from where,
// streams, uploads and shells included. While none works requests wait for the one that takes over; a question that the last did not live to
// answer is asked again. A request that may have been carried out is not: its connection breaks, as that to the last did. /healthz speaks
// of this one.
func NewRelay(cfg RelayConfig) http.Handler {
	if cfg.Wait == 0 {
		cfg.Wait = relayPatience
	}
	r := &relay{RelayConfig: cfg}
	// A connection for each request: one that is kept may be to a slipwayd which has died since, and break for a request that was never read.
	r.wire = &http.Transport{DialContext: r.dial, DisableCompression: true, DisableKeepAlives: true, ExpectContinueTimeout: time.Second}
	r.proxy = &httputil.ReverseProxy{Rewrite: r.rewrite, Transport: r, FlushInterval: -1, ErrorHandler: r.fail, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", r.health)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		clear(w.Header()) // the answer brings its own
		r.proxy.ServeHTTP(w, req)
	})
	return newLimiter(cfg.Limits).limited(guard(cfg.PublicURL, mux))
}

type relay struct {
	RelayConfig
	wire  *http.Transport
	proxy *httputil.ReverseProxy
}

// errNobody says that no slipwayd works, and none has taken over in time.
var errNobody = errors.New("no slipwayd works")

// dial connects to the slipwayd that works. It waits for one: nothing of a request has been sent before.
func (r *relay) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.Wait, errNobody)
	defer cancel()
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", r.Socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (r *relay) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", "slipwayd", p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it came: what is wrong with it is not for us to mend
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if had := p.In.Header.Values(name); len(had) > 0 {
			p.Out.Header[http.CanonicalHeaderKey(name)] = had
		}
	}
	p.Out.Header.Set(relayHeader, originOf(p.In).String())
}

// RoundTrip implements [http.RoundTripper].
func (r *relay) RoundTrip(req *http.Request) (res *http.Response, err error) {
	for range relayTries {
		res, err = r.wire.RoundTrip(req)
		if err == nil || req.Method != http.MethodGet && req.Method != http.MethodHead || req.Context().Err() != nil || errors.Is(err, errNobody) {
			return res, err
		}
	}
	return res, err
}

// fail answers a request that got no answer.
func (r *relay) fail(w http.ResponseWriter, _ *http.Request, err error) {
	if !errors.Is(err, errNobody) {
		panic(http.ErrAbortHandler) // what came of it nobody knows
	}
	secure(w.Header())
	w.Header().Set("Retry-After", "1")
	newProblem(http.StatusServiceUnavailable, slipway.Unavailable, "cannot answer now: no slipwayd works, and this one, which stands by, has not taken over yet; try again").write(w)
}

// health says whether requests that come here are answered.
func (r *relay) health(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), relayHealth)
	defer cancel()
	of := serverHealth{Version: r.Version, Role: standingBy}
	out, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "http", Host: "slipwayd", Path: "/healthz"}).String(), nil)
	if err == nil {
		out.Host = req.Host
		out.Header.Set(relayHeader, originOf(req).String())
		var res *http.Response
		if res, err = r.wire.RoundTrip(out); err == nil {
			var active serverHealth
			err = json.NewDecoder(res.Body).Decode(&active)
			res.Body.Close()
			of.Ready, of.Parts = err == nil && active.Ready, active.Parts
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if !of.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(of)
}
