package promql

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// maxAnswer is how much a Prometheus may answer, bytes: some hundred thousand values.
const maxAnswer = 16 << 20

// Client asks a Prometheus, or what speaks like one: Thanos, Mimir, VictoriaMetrics. It is safe for concurrent use, keeps nothing, and
// tries nothing twice.
//
// A query that is wrong, or whose answer is not numbers or too big, is Invalid. All else that keeps an answer away is Unavailable: a server
// that cannot be reached, ctx ending, answers 5xx, answers that are not a Prometheus's, redirections, which are not followed.
type Client struct {
	url  string
	HTTP http.RoundTripper // default http.DefaultTransport
}

// New returns a client of the Prometheus whose API is below the URL. A user and password in it are sent along.
func New(url string) *Client { return &Client{url: url} }

// Query returns the series that the query has at a time, by their labels, each with one value, which may be NaN or infinite.
func (c *Client) Query(ctx context.Context, query string, at time.Time) ([]slipway.Series, error) {
	return c.ask(ctx, "query", url.Values{"query": {query}, "time": {seconds(at)}})
}

// QueryRange returns the series that the query has from one time to another, both inclusive, by their labels. Times at which a series has
// no value are left out; values may be NaN or infinite. Group is left for the caller to fill in. A Prometheus bounds the number of
// steps, by default to 11,000.
func (c *Client) QueryRange(ctx context.Context, query string, from, to time.Time, step time.Duration) ([]slipway.Series, error) {
	if step <= 0 || to.Before(from) {
		return nil, slipway.Errorf(slipway.Invalid, "cannot ask for values every %s from %s to %s: want a positive step, and a beginning before the end",
			step, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return c.ask(ctx, "query_range", url.Values{
		"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

func (c *Client) ask(ctx context.Context, method string, form url.Values) ([]slipway.Series, error) {
	base, err := url.Parse(c.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use %q as the URL of a Prometheus: want a form such as http://prometheus:9090", c.url)
	}
	if deadline, ok := ctx.Deadline(); ok { // there is no use in its going on longer
		form.Set("timeout", strconv.FormatFloat(max(time.Until(deadline).Seconds(), 0.001), 'f', 3, 64))
	}
	user := base.User
	base.User = nil
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base.JoinPath("api/v1", method).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot ask the Prometheus at %s: %w", base, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "slipway")
	if password, _ := user.Password(); user != nil {
		request.SetBasicAuth(user.Username(), password)
	}
	unavailable := func(format string, args ...any) ([]slipway.Series, error) {
		err := fmt.Errorf(format, args...)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, slipway.Errorf(slipway.Unavailable, "cannot ask the Prometheus at %s: %w", base, err)
	}
	transport := c.HTTP
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return unavailable("%w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return unavailable("%w", err)
	}
	if len(text) > maxAnswer {
		return nil, slipway.Errorf(slipway.Invalid, "cannot take the answer of the Prometheus at %s: it has more than %d MiB; ask for fewer series or longer steps",
			base, maxAnswer>>20)
	}
	if to := response.Header.Get("Location"); to != "" && response.StatusCode/100 == 3 {
		return unavailable("it redirects to %q, which is not followed", to)
	}
	series, err := readAnswer(response.StatusCode, text)
	switch slipway.CodeOf(err) {
	case "":
		return series, nil
	case slipway.Invalid:
		return nil, slipway.Errorf(slipway.Invalid, "cannot use the query: %w", err)
	}
	return unavailable("%w", err)
}

// seconds returns a time as the API takes it.
func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
