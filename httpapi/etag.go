package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
)

// tagOf is the strong entity tag of a body.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// tagged gives an answer to a GET its entity tag, unless it has one, and leaves out a body that the client has already.
func tagged(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	answer := &recorder{under: w, header: w.Header(), status: http.StatusOK}
	next(humago.NewContext(ctx.Operation(), r, answer))
	if answer.status == http.StatusOK {
		tag := answer.header.Get("ETag")
		if tag == "" {
			tag = tagOf(answer.body.Bytes())
			answer.header.Set("ETag", tag)
		}
		answer.header.Set("Cache-Control", "private, no-cache") // it may be kept, and is asked about each time
		if matches(r.Header.Get("If-None-Match"), tag) {
			answer.header.Del("Content-Type")
			answer.header.Del("Content-Length")
			answer.status = http.StatusNotModified
			answer.body.Reset()
		}
	}
	answer.send()
}

// matches reports whether a tag is one of those of an If-Match or If-None-Match header.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || one != "" && strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// locks are held by those who change what a path names: one at a time.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when it is given back
}

// lock waits until nobody else holds path, and returns what gives it back.
func (l *locks) lock(ctx context.Context, path string) (func(), error) {
	for {
		l.mu.Lock()
		other, taken := l.held[path]
		if !taken {
			mine := make(chan struct{})
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			l.held[path] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, path)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// matched lets a change of what the path shows, in the API's words "/v1/channels/{application}/{channel}", through only if it still is what
// If-Match says, and lets no two of such changes happen at once: not here, and not in another slipwayd on the same store.
func (a *api) matched(shows string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		path := shows
		for segment := range strings.SplitSeq(shows, "/") {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				path = strings.Replace(path, segment, url.PathEscape(ctx.Param(strings.TrimSuffix(name, "}"))), 1)
			}
		}
		unlock, err := a.exclusive(r.Context(), path)
		if err != nil {
			a.fail(ctx.Operation().OperationID, err).write(w)
			return
		}
		defer unlock()
		if want := r.Header.Get("If-Match"); want != "" {
			status, tag := a.look(r, path)
			switch {
			case status == http.StatusNotFound:
				newProblem(http.StatusPreconditionFailed, slipway.Stale, "cannot change "+path+": it does not exist any more").at("If-Match").write(w)
				return
			case status != http.StatusOK:
				newProblem(status, slipway.Unavailable, "cannot tell whether "+path+" is as it was").write(w)
				return
			case !matches(want, tag):
				w.Header().Set("ETag", tag)
				newProblem(http.StatusPreconditionFailed, slipway.Stale, "cannot change "+path+": it is not what it was when it was read; read it again").at("If-Match").write(w)
				return
			}
		}
		if r.Header.Get("If-None-Match") == "*" {
			if status, _ := a.look(r, path); status != http.StatusNotFound {
				newProblem(http.StatusPreconditionFailed, slipway.Stale, "cannot make "+path+": it exists already").at("If-None-Match").write(w)
				return
			}
		}
		next(ctx)
	}
}

// look asks the API itself for what path shows, as whoever sent r.
func (a *api) look(r *http.Request, path string) (status int, tag string) {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, path, nil) // the context has whose request it is
	if err != nil {
		return http.StatusBadRequest, ""
	}
	ask.Host = r.Host
	if bearer := r.Header.Get("Authorization"); bearer != "" {
		ask.Header.Set("Authorization", bearer)
	}
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	a.mux.ServeHTTP(answer, ask)
	return answer.status, answer.header.Get("ETag")
}

// lockWithin is how long a change waits for another of the same thing.
const lockWithin = 10 * time.Second

// exclusive makes who calls it the only one that changes path, until it calls what is returned.
func (a *api) exclusive(ctx context.Context, path string) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, lockWithin)
	defer cancel()
	unlock, err := a.changes.lock(ctx, path)
	if err != nil || a.Keys == nil {
		return unlock, err
	}
	claim := slipway.RequestClaim{Key: "change " + path, Digest: slipway.DigestOf(nil), Holder: rand.Text(), Until: time.Now().Add(lockWithin)}
	for {
		_, err := a.Keys.ClaimRequest(ctx, claim)
		if err == nil {
			return func() {
				after, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockWithin)
				defer cancel()
				if err := a.Keys.ReleaseRequest(after, claim); err != nil {
					a.Log.Warn("cannot give back what keeps others from a change", "path", path, "error", err)
				}
				unlock()
			}, nil
		}
		if slipway.CodeOf(err) != slipway.Conflict {
			unlock()
			return nil, err
		}
		select {
		case <-time.After(20 * time.Millisecond): // another slipwayd is at it
		case <-ctx.Done():
			unlock()
			return nil, slipway.Errorf(slipway.Conflict, "cannot change %s: somebody else is changing it; try again", path)
		}
	}
}
