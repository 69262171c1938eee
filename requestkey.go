package slipway

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
)

// RequestKeys remembers requests that were sent with a key of their own, so that one that is sent again is not carried out again. Methods
// are safe for concurrent use, by several slipwayd on one store too.
type RequestKeys interface {
	// ClaimRequest takes the key for a request that begins now: the answer is nil. If such a request was answered before, its answer is returned
	// and nothing is claimed. Conflict if it is under way, Invalid if the key was used for another one. A claim whose Until is past is free: whoever
	// held it has died.
	ClaimRequest(ctx context.Context, claim RequestClaim) (*RequestAnswer, error)
	// RenewRequest sets Until of a claim that is held; NotFound if it is not.
	RenewRequest(ctx context.Context, claim RequestClaim) error
	// AnswerRequest keeps the answer of a claim that is held, until its Until; NotFound if it is not held.
	AnswerRequest(ctx context.Context, claim RequestClaim, answer RequestAnswer) error
	// ReleaseRequest gives back a claim that is held, so that the request may be sent again; nil if it is not held.
	ReleaseRequest(ctx context.Context, claim RequestClaim) error
}

// RequestClaim is a request with a key.
type RequestClaim struct {
	Principal string // whose key it is: keys of others are other keys
	Key       string
	Digest    Digest    // of all that was asked for
	Holder    string    // who carries it out: one try
	Until     time.Time // when the claim, or the answer, is forgotten
}

// RequestAnswer is what a request was answered with.
type RequestAnswer struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	Location    string `json:"location,omitempty"`
	ETag        string `json:"etag,omitempty"`
	Body        []byte `json:"body,omitempty"`
}

type requestIDKey struct{}

// WithRequestID returns ctx as that of a request that may be carried out again after whoever carried it out first has died: what it makes
// gets IDs that follow from id, so that it is made once.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestIDOf returns the id that [WithRequestID] gave ctx, "" if none did.
func RequestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestedLength is how long an ID is without its prefix: as of those that are drawn.
const requestedLength = 10

// RequestedID returns the ID, with the prefix, of the thing that the request of ctx makes: the same for every try of it, and another one for
// every other request. "" if ctx is of no request that may be carried out again: then an ID is drawn.
func RequestedID(ctx context.Context, prefix string) string {
	request := RequestIDOf(ctx)
	if request == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(prefix + request))
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:requestedLength]
}
