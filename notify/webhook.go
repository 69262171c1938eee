package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/webhook"
)

// maxAnswer is how much of an answer is read, so that its connection can be used again.
const maxAnswer = 64 << 10

// Webhook is a [slipway.Notifier] that posts events to a URL, signed as Standard Webhooks says.
type Webhook struct {
	Client  *http.Client // which decides what may be connected to, and follows no redirections
	Version string       // of slipwayd
}

var _ slipway.Notifier = Webhook{}

// Validate implements [slipway.Notifier].
func (Webhook) Validate(to string) error {
	u, err := url.Parse(to)
	why := ""
	switch {
	case err != nil:
		why = "it is no URL"
	case u.Scheme != "https" && u.Scheme != "http":
		why = "it is neither https nor http"
	case u.Hostname() == "":
		why = "it names no host"
	case u.User != nil:
		why = "it has a name or password in it, which would be stored and shown; the signature says who sends"
	case u.Fragment != "":
		why = "what follows # is not sent"
	default:
		return nil
	}
	return slipway.Errorf(slipway.Invalid, "cannot send webhooks there: %s; want a form such as https://example.com/hooks/slipway", why).At("to")
}

// Notify implements [slipway.Notifier]. The body is {"type", "timestamp", "data"}, with the event as data.
func (w Webhook) Notify(ctx context.Context, to string, n slipway.Notification) error {
	body, err := webhook.MarshalPayload(string(n.Event.Kind), n.Event.Time.UTC().Format(time.RFC3339Nano), n.Event)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return slipway.Errorf(slipway.Refused, "cannot send a webhook: its URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Slipway/"+w.Version)
	webhook.SetHeaders(req.Header, n.Keys, n.ID, n.At, body)
	res, err := w.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // what it says does not matter
	return outcome(res)
}

// outcome returns what an answer means.
func outcome(res *http.Response) error {
	err := slipway.Errorf(slipway.Unavailable, "cannot deliver: %s answered %s", res.Request.URL.Host, res.Status)
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusGone:
		err.Code = slipway.NotFound
		return err
	case res.StatusCode/100 == 3:
		return slipway.Errorf(slipway.Unavailable, "cannot deliver: %s answered %s, and redirections are not followed; give the URL that it leads to", res.Request.URL.Host, res.Status)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		if after := retryAfter(res.Header.Get("Retry-After")); after > 0 {
			return &slipway.LaterError{After: after, Err: err}
		}
	}
	return err
}

// retryAfter reads the header, in seconds or as a date; 0 if it says nothing.
func retryAfter(value string) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 86400)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
