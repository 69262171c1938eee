package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// TestUnansweredRequestsAreMadeAgain: what changes something has the same key each time.
func TestUnansweredRequestsAreMadeAgain(t *testing.T) {
	for method, f := range map[string]func(*Client) error{
		"POST": func(c *Client) error { _, err := c.Deploy(t.Context(), slipway.DeployRequest{}); return err },
		"GET":  func(c *Client) error { _, err := c.Deployment(t.Context(), "d-1"); return err },
	} {
		var keys []string
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if keys = append(keys, r.Header.Get("Idempotency-Key")+string(body)); len(keys) < 3 {
				panic(http.ErrAbortHandler)
			}
			fmt.Fprint(w, "{}")
		}))
		if err := f(c); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if len(keys) != 3 || keys[0] != keys[2] || (keys[0] != "") != (method == "POST") {
			t.Errorf("%s: keys %q", method, keys)
		}
	}
}

func TestWhatIsNotMadeAgain(t *testing.T) {
	var mu sync.Mutex // held while a request is answered
	tries := 0
	fails := func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		tries++
		fails(w)
	}))
	from := func(f func(w http.ResponseWriter)) {
		mu.Lock()
		defer mu.Unlock()
		fails = f
	}
	count := func(what string, want int, err error) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if tries != want || err == nil {
			t.Errorf("%s: %d tries, %v, want %d", what, tries, err, want)
		}
		tries = 0
	}
	c.RetryFor = 0
	_, err := c.Deployment(t.Context(), "d-1")
	count("a client that shall not", 1, err)
	c.RetryFor = time.Nanosecond
	_, err = c.Deployment(t.Context(), "d-1")
	if !errors.Is(err, ErrUnanswered) {
		t.Errorf("%v, want %v", err, ErrUnanswered)
	}
	count("a client whose time is over", 2, err)
	c.RetryFor = time.Minute
	_, err = callOnce[slipway.Deployment](t.Context(), c, http.MethodPost, "/v1/tokens", nil)
	count("a secret that is shown once", 1, err)
	for _, status := range []int{400, 403, 404, 409, 412, 422, 500, 503} {
		from(func(w http.ResponseWriter) { w.WriteHeader(status) })
		_, err = c.Deploy(t.Context(), slipway.DeployRequest{})
		count(fmt.Sprint("what was answered with ", status), 1, err)
	}
	from(func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
	count("a removal", 1, c.Terminate(t.Context(), "i-1", Removal{}))
	// The first try is still being carried out by a slipwayd that lives: it is waited for.
	from(func(w http.ResponseWriter) {
		switch tries {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(409)
		default:
			fmt.Fprint(w, `{"id":"d-1"}`)
		}
	})
	d, err := c.Deploy(t.Context(), slipway.DeployRequest{})
	mu.Lock()
	defer mu.Unlock()
	if err != nil || d.ID != "d-1" || tries != 3 {
		t.Errorf("%+v, %v after %d tries", d, err, tries)
	}
}

func TestPages(t *testing.T) {
	var asked []string
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch r.URL.Query().Get("cursor") {
		case "":
			fmt.Fprint(w, `{"items":[{"id":"d-4"},{"id":"d-3"}],"next":"two"}`)
		case "two":
			fmt.Fprint(w, `{"items":[{"id":"d-2"},{"id":"d-1"}],"next":"three"}`)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	filter := slipway.DeploymentFilter{Cluster: slipway.Cluster{Application: "shop"}, States: []slipway.DeploymentState{slipway.DeploymentHeld, slipway.DeploymentQueued}}
	var ids []string
	var last error
	for d, err := range c.EachDeployment(t.Context(), filter) {
		if last = err; err == nil {
			ids = append(ids, d.ID)
		}
	}
	if !slices.Equal(ids, []string{"d-4", "d-3", "d-2", "d-1"}) || slipway.CodeOf(last) != slipway.Unavailable {
		t.Errorf("%v, %v", ids, last)
	}
	if want := "application=shop&state=held%2Cqueued"; asked[0] != want || len(asked) != 3 || !strings.Contains(asked[1], "cursor=two") || !strings.Contains(asked[1], want[len("application=shop&"):]) {
		t.Errorf("%q", asked)
	}
	asked = nil
	for range c.EachDeployment(t.Context(), filter) {
		break // no more is asked for than is wanted
	}
	if some, err := c.Deployments(t.Context(), filter.Cluster, 3); err != nil || len(some) != 3 || len(asked) != 3 {
		t.Errorf("%d deployments, %v, asked %q", len(some), err, asked)
	}
}

func TestTags(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"b"`)
		switch {
		case r.Header.Get("If-None-Match") == `"b"`:
			w.WriteHeader(http.StatusNotModified)
		case r.Header.Get("If-Match") == `"a"`:
			w.WriteHeader(http.StatusPreconditionFailed)
		default:
			fmt.Fprint(w, `{"environment":"prod"}`)
		}
	}))
	if s, tag, changed, err := c.EnvironmentStateSince(t.Context(), "prod", `"a"`); err != nil || !changed || tag != `"b"` || s.Environment != "prod" {
		t.Errorf("%+v %s %v %v", s, tag, changed, err)
	}
	if _, tag, changed, err := c.EnvironmentStateSince(t.Context(), "prod", `"b"`); err != nil || changed || tag != `"b"` {
		t.Errorf("%s %v %v", tag, changed, err)
	}
	if _, err := c.MoveChannel(WithIfMatch(t.Context(), `"a"`), "shop", "stable", slipway.ChannelRequest{}); slipway.CodeOf(err) != slipway.Stale {
		t.Errorf("%v, want stale", err)
	}
}
