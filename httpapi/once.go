package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
)

const (
	keyHeader = "Idempotency-Key"
	// keptAnswers is how long the answer to a request with a key is remembered.
	keptAnswers = 24 * time.Hour
	// claimed is for how long a request is taken for being under way after its slipwayd was last heard of, and renewed how often that is.
	claimed = 10 * time.Second
	renewed = claimed / 4
	// sendWithin is how long a client may take to send the body of a request with a key.
	sendWithin = 30 * time.Second
)

// once carries out a request with a key of its own once: sent again it gets the first answer. Only a success is kept: what was refused has
// made nothing, and may be asked for again.
func (a *api) once(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	key := r.Header.Get(keyHeader)
	if key == "" || a.Keys == nil {
		next(ctx)
		return
	}
	if err := validKey(key); err != nil {
		a.fail(ctx.Operation().OperationID, err).write(w)
		return
	}
	_ = huma.SetReadDeadline(w, time.Now().Add(sendWithin)) // not every connection has deadlines
	body, err := io.ReadAll(io.LimitReader(r.Body, ctx.Operation().MaxBodyBytes+1))
	if err != nil {
		newProblem(http.StatusBadRequest, slipway.Invalid, "cannot read the request: it ended early").write(w)
		return
	}
	_ = huma.SetReadDeadline(w, time.Time{})
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body)) // what is too large is refused as such
	claim := slipway.RequestClaim{
		Principal: slipway.PrincipalOf(r.Context()).Name, Key: key, Digest: digestOf(r, body), Holder: rand.Text(), Until: time.Now().Add(claimed),
	}
	kept, err := a.Keys.ClaimRequest(r.Context(), claim)
	if err != nil {
		if slipway.CodeOf(err) == slipway.Conflict { // under way, or of a slipwayd that died: whichever, it is known soon
			w.Header().Set("Retry-After", "1")
		}
		a.fail(ctx.Operation().OperationID, err).write(w)
		return
	}
	if kept != nil {
		w.Header().Set("Idempotency-Replayed", "true")
		writeAnswer(w, *kept)
		return
	}
	answer := &recorder{under: w, header: w.Header(), status: http.StatusOK}
	a.carryOut(claim, answer, humago.NewContext(ctx.Operation(), r.WithContext(slipway.WithRequestID(r.Context(), idOf(claim))), answer), next)
	answer.send()
}

// carryOut runs the request that is claimed, and keeps its answer or gives the claim back. The claim is kept alive meanwhile, and outlives a
// client that went away.
func (a *api) carryOut(claim slipway.RequestClaim, answer *recorder, ctx huma.Context, next func(huma.Context)) {
	lasting, end := context.WithCancel(context.WithoutCancel(ctx.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(renewed)
		defer every.Stop()
		for {
			select {
			case <-lasting.Done():
				return
			case <-every.C:
				held := claim
				held.Until = time.Now().Add(claimed)
				if err := a.Keys.RenewRequest(lasting, held); err != nil && lasting.Err() == nil {
					a.Log.Warn("cannot keep the claim of a request", "operation", ctx.Operation().OperationID, "error", err)
				}
			}
		}
	}()
	defer func() {
		end()
		<-done
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), claimed)
		defer cancel()
		var err error
		if answer.status/100 == 2 && answer.wrote {
			claim.Until = time.Now().Add(keptAnswers)
			err = a.Keys.AnswerRequest(after, claim, answer.answer())
		} else {
			err = a.Keys.ReleaseRequest(after, claim)
		}
		if err != nil {
			a.Log.Warn("cannot keep the answer to a request", "operation", ctx.Operation().OperationID, "error", err)
		}
	}()
	next(ctx)
}

// validKey returns an error unless key can be one.
func validKey(key string) error {
	if len(key) > 255 {
		return malformed(keyHeader, "cannot use this key: it has more than 255 characters")
	}
	for _, c := range []byte(key) {
		if c < '!' || c > '~' {
			return malformed(keyHeader, "cannot use this key: want visible ASCII characters, such as a UUID")
		}
	}
	return nil
}

// digestOf is of all that decides what a request asks for.
func digestOf(r *http.Request, body []byte) slipway.Digest {
	sum := sha256.New()
	write(sum, r.Method)
	write(sum, r.URL.RequestURI())
	sum.Write(body)
	return slipway.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil)))
}

// idOf is the same for every try of a request, and of no other.
func idOf(claim slipway.RequestClaim) string {
	sum := sha256.New()
	write(sum, claim.Principal)
	write(sum, claim.Key)
	write(sum, string(claim.Digest))
	return hex.EncodeToString(sum.Sum(nil))
}

// write adds a text so that two in a row cannot be taken for two others.
func write(sum hash.Hash, text string) {
	sum.Write([]byte(text))
	sum.Write([]byte{0})
}

// recorder is an answer that is held back until it is sent.
type recorder struct {
	under  http.ResponseWriter
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b)
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.wrote, r.status = true, status
	}
}

// Unwrap lets [http.ResponseController] set deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.under }

func (r *recorder) answer() slipway.RequestAnswer {
	return slipway.RequestAnswer{
		Status: r.status, ContentType: r.header.Get("Content-Type"), Location: r.header.Get("Location"), ETag: r.header.Get("ETag"), Body: r.body.Bytes(),
	}
}

// send passes the answer on.
func (r *recorder) send() {
	r.under.WriteHeader(r.status)
	_, _ = r.under.Write(r.body.Bytes()) // the client may be gone
}

func writeAnswer(w http.ResponseWriter, answer slipway.RequestAnswer) {
	for name, value := range map[string]string{"Content-Type": answer.ContentType, "Location": answer.Location, "ETag": answer.ETag} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // the client may be gone
}

// malformedError is a mistake in a request's head, which is answered with 400.
type malformedError struct{ mistake *slipway.Error }

// Error implements error.
func (m malformedError) Error() string { return m.mistake.Error() }

// Unwrap returns the mistake itself.
func (m malformedError) Unwrap() error { return m.mistake }

func malformed(place, format string, args ...any) error {
	return malformedError{slipway.Errorf(slipway.Invalid, format, args...).At(place)}
}

func isMalformed(err error) bool {
	_, ok := errors.AsType[malformedError](err)
	return ok
}
