package httpapi

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

// Limits bound what one address, and all together, can ask of slipwayd. Zero fields have the defaults; negative ones are without bound.
type Limits struct {
	// Rate is how many requests a second one address may make for long. Four times as many may come at once. What comes by a unix socket is
	// not counted.
	Rate float64
	// Each is how many requests a second one principal may make for long, from whatever addresses, and four times as many at once. Root on this
	// host is not counted.
	Each float64
	// Together is how many requests of one address are answered at once, streams included.
	Together int
	// All is how many requests are answered at once, streams included.
	All int
	// Body is how long the first and every later byte of a request's body may take, and Pace how many bytes a second it must have in the
	// long run.
	Body time.Duration
	Pace int64
}

// The defaults of [Limits].
const (
	defaultRate     = 250
	defaultEach     = 250
	defaultTogether = 256
	defaultAll      = 2048
	defaultBody     = 30 * time.Second
	defaultPace     = 1 << 10
	burst           = 4
)

// maxUpload bounds a body of bytes.
const maxUpload = 64 << 30

// remembered bounds how many callers are told apart at once; those that were heard of longest ago are forgotten.
const remembered = 10_000

func (l Limits) complete() Limits {
	or := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	if l.Rate == 0 {
		l.Rate = defaultRate
	}
	if l.Each == 0 {
		l.Each = defaultEach
	}
	l.Together, l.All = or(l.Together, defaultTogether), or(l.All, defaultAll)
	if l.Body == 0 {
		l.Body = defaultBody
	}
	if l.Pace == 0 {
		l.Pace = defaultPace
	}
	return l
}

// limiter keeps to limits.
type limiter struct {
	limits Limits
	rates  *buckets // by address
	each   *buckets // by principal
	all    atomic.Int64

	mu       sync.Mutex
	together map[string]int
}

func newLimiter(l Limits) *limiter {
	l = l.complete()
	by := func(n float64) *buckets { return newBuckets(rate.Limit(n), int(max(1, n*burst))) }
	return &limiter{limits: l, rates: by(l.Rate), each: by(l.Each), together: map[string]int{}}
}

// known turns away what is too much of one principal, as soon as that is known.
func (l *limiter) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := auth.Of(r.Context()); ok && who.Kind != slipway.PrincipalLocal && l.limits.Each > 0 {
			if wait := l.each.take(string(who.Kind) + " " + who.Name); wait > 0 {
				tooMany(w, wait, "more than "+strconv.FormatFloat(l.limits.Each, 'g', -1, 64)+" requests a second come from "+who.Name)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// limited turns away what is too much, before anything else is done about it, gives every answer its headers, and cuts off who sends or
// receives nothing for too long.
func (l *limiter) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		done, wait, why := l.enter(r)
		if why != "" {
			tooMany(w, wait, why)
			return
		}
		defer done()
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Time{}) // that of the last request of the connection; not every connection has deadlines
		if r.Body != nil && r.Body != http.NoBody {
			body := &paced{body: r.Body, control: control, limits: l.limits, began: time.Now()}
			defer body.end()
			r.Body = body
		}
		out := &prompt{ResponseWriter: w, control: control}
		defer out.touch() // for what is not sent yet
		next.ServeHTTP(out, r)
	})
}

// enter counts a request in. why is not "" if it is too much; else done counts it out.
func (l *limiter) enter(r *http.Request) (done func(), wait time.Duration, why string) {
	if l.limits.All > 0 && l.all.Load() >= int64(l.limits.All) {
		return nil, time.Second, "slipwayd answers " + strconv.Itoa(l.limits.All) + " requests already"
	}
	key := callerOf(r)
	if key == "" { // whoever can open the socket can do worse
		l.all.Add(1)
		return func() { l.all.Add(-1) }, 0, ""
	}
	if l.limits.Rate > 0 {
		if wait := l.rates.take(key); wait > 0 {
			return nil, wait, "more than " + strconv.FormatFloat(l.limits.Rate, 'g', -1, 64) + " requests a second come from this address"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Together > 0 && l.together[key] >= l.limits.Together {
		return nil, time.Second, "this address has " + strconv.Itoa(l.limits.Together) + " requests under way"
	}
	l.together[key]++
	l.all.Add(1)
	return func() {
		l.all.Add(-1)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.together[key]--; l.together[key] == 0 {
			delete(l.together, key)
		}
	}, 0, ""
}

// tooMany answers 429.
func tooMany(w http.ResponseWriter, wait time.Duration, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(wait, time.Second).Seconds()))))
	newProblem(http.StatusTooManyRequests, slipway.Unavailable, "cannot answer now: "+why+"; try again later").write(w)
}

// callerOf tells callers apart by their address: a network of IPv6, in which one host has all addresses, as one. "" for a unix socket.
func callerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}

// secure sets what browsers are told about every answer: it is data, and nobody else's page may have it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // an answer that may be kept says so
}

// paced is a request's body that has to keep coming.
type paced struct {
	body    io.ReadCloser
	control *http.ResponseController
	limits  Limits
	began   time.Time
	got     int64
	over    bool
}

// Read implements [io.Reader].
func (p *paced) Read(b []byte) (int, error) {
	if p.limits.Body > 0 && !p.over {
		until := time.Now().Add(p.limits.Body)
		if p.limits.Pace > 0 { // so that a byte now and then is not enough
			if all := p.began.Add(p.limits.Body + time.Duration(p.got/p.limits.Pace)*time.Second); all.Before(until) {
				until = all
			}
		}
		_ = p.control.SetReadDeadline(until)
	}
	n, err := p.body.Read(b)
	p.got += int64(n)
	switch {
	case errors.Is(err, io.EOF): // what comes then on the connection is no body, and may take its time
		p.over = true
		_ = p.control.SetReadDeadline(time.Time{})
	case err != nil:
		p.over = true // the limit stays: the server, too, is to wait no longer for what has not come
	}
	return n, err
}

// Close implements [io.Closer].
func (p *paced) Close() error { return p.body.Close() }

// end gives what nobody has read a last time to come. The server lifts that limit with the next request.
func (p *paced) end() {
	if !p.over && p.limits.Body > 0 {
		_ = p.control.SetReadDeadline(time.Now().Add(p.limits.Body))
	}
}

// prompt is an answer whose every piece has to be taken within a time.
type prompt struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *prompt) touch() { _ = p.control.SetWriteDeadline(time.Now().Add(stall)) }

// Unwrap lets [http.ResponseController] at what is below.
func (p *prompt) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (p *prompt) WriteHeader(status int) {
	p.touch()
	p.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (p *prompt) Write(b []byte) (int, error) {
	p.touch()
	return p.ResponseWriter.Write(b)
}

// buckets are token buckets by key. Of two generations the older is forgotten when the younger is full.
type buckets struct {
	limit rate.Limit
	burst int

	mu         sync.Mutex
	young, old map[string]*rate.Limiter
}

func newBuckets(limit rate.Limit, burst int) *buckets {
	return &buckets{limit: limit, burst: burst, young: map[string]*rate.Limiter{}}
}

// take takes one of the key's tokens; it returns how long there will be none.
func (b *buckets) take(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, ok := b.young[key]
	if !ok {
		if one, ok = b.old[key]; !ok {
			one = rate.NewLimiter(b.limit, b.burst)
		}
		if len(b.young) >= remembered {
			b.old, b.young = b.young, map[string]*rate.Limiter{}
		}
		b.young[key] = one
	}
	r := one.Reserve()
	wait := r.Delay()
	if wait > 0 {
		r.Cancel()
	}
	return wait
}
