package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// jobTokenPatience is how long GitHub may take to sign a token, and jobTokenLife how long it is used: GitHub's are good for longer.
	jobTokenPatience = 10 * time.Second
	jobTokenLife     = 2 * time.Minute
	maxJobToken      = 64 << 10
)

// GitHubJob returns credentials of a job of GitHub Actions': a token that GitHub signs, and anew when it is about to expire. ask and bearer
// are the job's ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN.
func GitHubJob(ask, bearer, audience string) Credentials {
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
		if token, err = jobToken(ctx, ask, bearer, audience); err != nil {
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
