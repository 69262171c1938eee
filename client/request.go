package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slipway-sh/slipway"
)

// WithIfMatch returns ctx as that of a call which changes something only if it still is what had the entity tag: see [WithETag]. If it is not
// the call fails with a Stale error, and nothing is changed.
func WithIfMatch(ctx context.Context, tag string) context.Context {
	return withHeader(ctx, "If-Match", tag)
}

// WithKey returns ctx as that of a call which is carried out once, however often it is made with the same key, within a day. Without it each
// call has a new key, which protects against connections that break alone.
func WithKey(ctx context.Context, key string) context.Context {
	return withHeader(ctx, keyHeader, key)
}

// WithETag returns ctx as that of a call whose answer's entity tag is written to tag.
func WithETag(ctx context.Context, tag *string) context.Context {
	return context.WithValue(ctx, tagKey{}, tag)
}

type (
	headerKey struct{ name string }
	tagKey    struct{}
)

// contextHeaders are those that a caller may set.
var contextHeaders = []string{"If-Match", "If-None-Match", keyHeader}

func withHeader(ctx context.Context, name, value string) context.Context {
	return context.WithValue(ctx, headerKey{name}, value)
}

// call sends body as JSON, nothing if it is nil, and reads the answer into a T. A question that gets no answer because slipwayd went away is
// sent again, for as long as c.RetryFor; so is a POST, which has a key, so that it is carried out once.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	return send[T](ctx, c, method, path, body, true)
}

// callOnce is call for what must not be asked for twice: a secret that is shown once.
func callOnce[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	return send[T](ctx, c, method, path, body, false)
}

func send[T any](ctx context.Context, c *Client, method, path string, body any, again bool) (T, error) {
	var answer T
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return answer, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
	}
	key := ""
	if method == http.MethodPost && again {
		key = rand.Text()
	}
	var lost error     // why it is made again: no answer came
	var away time.Time // since when
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		b, err := c.exchange(ctx, method, path, text, key)
		if err == nil {
			if len(b) == 0 {
				return answer, nil
			}
			if err := json.Unmarshal(b, &answer); err != nil {
				return answer, fmt.Errorf("cannot read slipwayd's answer to %s %s: %w", method, path, err)
			}
			return answer, nil
		}
		switch {
		case !again || method != http.MethodGet && method != http.MethodPost || ctx.Err() != nil: // others may have changed meanwhile what it would overwrite
			return answer, err
		case lost == nil && c.RetryFor > 0 && (errors.Is(err, ErrUnanswered) || errors.Is(err, errUnderWay)): // net/http makes some again by itself
			lost, away = err, time.Now()
		case lost == nil:
			return answer, err
		case time.Since(away) >= c.RetryFor:
			return answer, lost
		case slipway.CodeOf(err) != slipway.Unavailable && !errors.Is(err, errUnderWay):
			return answer, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return answer, err
		case <-timer.C:
		}
	}
}

// errUnderWay says that the same request is being carried out: it will have an answer soon.
var errUnderWay = errors.New("the same request is under way")

// busy is the error of a request that is being carried out for somebody else.
type busy struct{ error }

// Is implements the interface of [errors.Is].
func (b busy) Is(target error) bool { return target == errUnderWay }

// Unwrap returns the error as slipwayd said it.
func (b busy) Unwrap() error { return b.error }

// exchange makes one try of a request and returns the body of a success.
func (c *Client) exchange(ctx context.Context, method, path string, body []byte, key string) ([]byte, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, r)
	if err != nil {
		return nil, fmt.Errorf("make %s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if key != "" {
		req.Header.Set(keyHeader, key)
	}
	for _, name := range contextHeaders {
		if value, _ := ctx.Value(headerKey{name}).(string); value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if tag, _ := ctx.Value(tagKey{}).(*string); tag != nil {
		*tag = res.Header.Get("ETag")
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return b, nil
}
