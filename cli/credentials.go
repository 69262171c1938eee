package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

const (
	// jobTokenPatience is how long GitHub may take to sign a token, and jobTokenLife how long it is used: GitHub's are good for longer.
	jobTokenPatience = 10 * time.Second
	jobTokenLife     = 2 * time.Minute
	maxJobToken      = 64 << 10
)

// credentials returns what to show slipwayd: SLIPWAY_TOKEN; else SLIPWAY_ID_TOKEN, which GitLab signs for a job; else, in a job of GitHub's
// that may ask for one, a token that GitHub signs. By the socket of this host none of the latter two is needed.
func (f *Factory) credentials() client.Credentials {
	if token := cmp.Or(strings.TrimSpace(f.Env("SLIPWAY_TOKEN")), strings.TrimSpace(f.Env("SLIPWAY_ID_TOKEN"))); token != "" {
		return client.Token(token)
	}
	ask, bearer := f.Env("ACTIONS_ID_TOKEN_REQUEST_URL"), f.Env("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if ask == "" || bearer == "" || strings.HasPrefix(f.where(), "unix:") {
		return client.Token("")
	}
	var mu sync.Mutex
	var token string
	var until time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return token, nil
		}
		var err error
		if token, err = jobToken(ctx, ask, bearer, cmp.Or(f.Env("SLIPWAY_AUDIENCE"), slipway.DefaultAudience)); err != nil {
			return "", err
		}
		until = time.Now().Add(jobTokenLife)
		return token, nil
	}
}

// jobToken has GitHub sign a token that says whose job this is.
func jobToken(ctx context.Context, ask, bearer, audience string) (string, error) {
	fail := func(why string) (string, error) {
		return "", slipway.Errorf(slipway.Unauthenticated, "cannot get a token of GitHub for this job: %s", why)
	}
	u, err := url.Parse(ask)
	if err != nil {
		return fail("ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, jobTokenPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail("ACTIONS_ID_TOKEN_REQUEST_URL is no URL")
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail("it does not answer")
	}
	defer res.Body.Close()
	var answer struct {
		Value string `json:"value"`
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxJobToken))
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.Value == "" {
		return fail("it answered " + res.Status)
	}
	return answer.Value, nil
}
