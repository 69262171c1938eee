package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func deployment(n int) slipway.Deployment {
	return slipway.Deployment{
		ID: fmt.Sprintf("d-%03d", n), Kind: slipway.KindDeploy, Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}, Image: slipway.DigestOf(nil),
		State: slipway.DeploymentSucceeded, Undo: []slipway.Undo{}, Started: time.Unix(int64(n), 0).UTC(),
	}
}

func put(t *testing.T, s *server, d slipway.Deployment) {
	t.Helper()
	if err := s.Store.PutDeployment(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

type idPage struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
	Next string `json:"next"`
}

func TestPagesMeetWhateverIsAdded(t *testing.T) {
	s := serve(t)
	for n := range 25 {
		put(t, s, deployment(n))
	}
	var got []string
	path := "/v1/deployments?application=shop&limit=10"
	for n := 0; path != ""; n++ {
		status, body, header := s.do(t, "GET", path, "")
		var page idPage
		if err := json.Unmarshal([]byte(body), &page); status != http.StatusOK || err != nil {
			t.Fatalf("%d %s %v", status, body, err)
		}
		for _, d := range page.Items {
			got = append(got, d.ID)
		}
		put(t, s, deployment(100+n))
		link := header.Get("Link")
		if (link == "") != (page.Next == "") {
			t.Fatalf("next %q, link %q", page.Next, link)
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if page.Next != "" && !strings.Contains(path, "cursor="+url.QueryEscape(page.Next)) {
			t.Errorf("link %q is not that of %q", link, page.Next)
		}
	}
	var want []string
	for n := 24; n >= 0; n-- {
		want = append(want, fmt.Sprintf("d-%03d", n))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestLiveListsHavePages(t *testing.T) {
	var groups []slipway.ServerGroup
	for n := range 7 {
		name := slipway.Cluster{Application: "shop", Environment: "prod"}.GroupName(n)
		groups = append(groups, slipway.ServerGroup{
			ServerGroupSpec: slipway.ServerGroupSpec{Name: name, Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}},
			Instances:       []slipway.Instance{{ID: fmt.Sprintf("i-%d", 9-n), Group: name, State: slipway.InstanceHealthy}},
		})
	}
	s := serve(t, func(c *Config) { c.Provider = &provider{groups: groups} })
	seen := 0
	for path := "/v1/instances?limit=3&state=healthy"; path != ""; {
		_, body, header := s.do(t, "GET", path, "")
		var page idPage
		if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Items) == 0 {
			t.Fatal(body, err)
		}
		seen += len(page.Items)
		path, _, _ = strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	}
	if seen != 7 {
		t.Errorf("%d instances, want 7", seen)
	}
	var none idPage
	s.get(t, "/v1/instances?state=dead", &none)
	if len(none.Items) != 0 || none.Next != "" {
		t.Errorf("%+v, want none", none)
	}
}

func TestNonsenseCursors(t *testing.T) {
	s := serve(t)
	for n := range 3 {
		put(t, s, deployment(n))
	}
	var page idPage
	s.get(t, "/v1/deployments?limit=1", &page)
	for name, path := range map[string]string{
		"no base64":        "/v1/deployments?cursor=*",
		"no JSON":          "/v1/deployments?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("nonsense")),
		"an empty one":     "/v1/deployments?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("{}")),
		"of another list":  "/v1/bakes?cursor=" + page.Next,
		"of other filters": "/v1/deployments?application=shop&cursor=" + page.Next,
	} {
		status, body, _ := s.do(t, "GET", path, "")
		var p Problem
		_ = json.Unmarshal([]byte(body), &p)
		if status != http.StatusBadRequest || p.Code != slipway.Invalid || p.Place != "cursor" {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body, _ := s.do(t, "GET", "/v1/deployments?limit=2&cursor="+page.Next, ""); status != http.StatusOK {
		t.Errorf("another size of the page: %d %s", status, body)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("e30")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"l":"AAAAAAAA","t":-1,"i":"\u0000"}`)))
	f.Fuzz(func(t *testing.T, cursor string) {
		in := PageInput{Limit: 1, Cursor: cursor}
		in.url.Path = "/v1/deployments"
		mark, err := in.after()
		if err != nil && !isMalformed(err) {
			t.Fatalf("%v", err)
		}
		if err != nil || cursor == "" {
			return
		}
		again, _, err := in.next(mark)
		if err != nil {
			t.Fatal(err)
		}
		in.Cursor = again
		if same, err := in.after(); err != nil || same.ID != mark.ID || !same.Time.Equal(mark.Time) {
			t.Fatalf("%+v became %+v, %v", mark, same, err)
		}
	})
}

const aDeployment = `{"cluster":{"application":"shop","environment":"prod"},"image":"v1"}`

// counted is an operator that makes a new deployment with every call.
func counted(calls *atomic.Int64) *operator {
	return &operator{deploy: func(slipway.DeployRequest) (slipway.Deployment, error) {
		return deployment(int(calls.Add(1))), nil
	}}
}

func TestRequestWithKeyIsCarriedOutOnce(t *testing.T) {
	var calls atomic.Int64
	s := serve(t, func(c *Config) { c.Operator = counted(&calls) })
	status, first, header := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k-1")
	if status != http.StatusAccepted || header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("%d %s", status, first)
	}
	again := asRoot(New(s.Config)) // a slipwayd that was restarted
	for range 2 {
		status, body, header := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k-1")
		if status != http.StatusAccepted || body != first || header.Get("Idempotency-Replayed") != "true" || header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %v %s", status, header, body)
		}
		s.url = serveHandler(t, again)
	}
	if calls.Load() != 1 {
		t.Errorf("carried out %d times", calls.Load())
	}
	other := strings.Replace(aDeployment, "v1", "v2", 1)
	status, body, _ := s.do(t, "POST", "/v1/deployments", other, "Idempotency-Key", "k-1")
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, `"invalid"`) {
		t.Errorf("another request with its key: %d %s", status, body)
	}
	if status, _, _ := s.do(t, "POST", "/v1/deployments", other, "Idempotency-Key", "k-2"); status != http.StatusAccepted || calls.Load() != 2 {
		t.Errorf("another key: %d, %d calls", status, calls.Load())
	}
	if status, _, _ := s.do(t, "POST", "/v1/deployments", aDeployment); status != http.StatusAccepted || calls.Load() != 3 {
		t.Errorf("no key: %d, %d calls", status, calls.Load())
	}
	for _, key := range []string{"two words", strings.Repeat("x", 256), "ä"} {
		if status, body, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", key); status != http.StatusBadRequest || !strings.Contains(body, "Idempotency-Key") {
			t.Errorf("key %q: %d %s", key, status, body)
		}
	}
}

func TestRequestThatWasRefusedMayBeSentAgain(t *testing.T) {
	var calls atomic.Int64
	frozen := true
	s := serve(t, func(c *Config) {
		c.Operator = &operator{deploy: func(slipway.DeployRequest) (slipway.Deployment, error) {
			calls.Add(1)
			if frozen {
				return slipway.Deployment{}, slipway.Errorf(slipway.Refused, "cannot deploy: it is frozen")
			}
			return deployment(1), nil
		}}
	})
	if status, body, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k"); status != http.StatusForbidden {
		t.Fatalf("%d %s", status, body)
	}
	frozen = false
	if status, body, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k"); status != http.StatusAccepted || calls.Load() != 2 {
		t.Errorf("%d %s after %d calls", status, body, calls.Load())
	}
}

func TestSameRequestsAtOnce(t *testing.T) {
	var calls atomic.Int64
	begun, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, func(c *Config) {
		c.Operator = &operator{deploy: func(slipway.DeployRequest) (slipway.Deployment, error) {
			calls.Add(1)
			close(begun)
			<-finish
			return deployment(1), nil
		}}
	})
	var first sync.WaitGroup
	first.Go(func() {
		if status, body, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k"); status != http.StatusAccepted {
			t.Errorf("%d %s", status, body)
		}
	})
	<-begun
	status, body, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k")
	if status != http.StatusConflict || !strings.Contains(body, "under way") {
		t.Errorf("%d %s", status, body)
	}
	close(finish)
	first.Wait()
	if status, _, _ := s.do(t, "POST", "/v1/deployments", aDeployment, "Idempotency-Key", "k"); status != http.StatusAccepted || calls.Load() != 1 {
		t.Errorf("%d after %d calls", status, calls.Load())
	}
}

// TestRequestIDs: who carries a request out again after another died at it knows that it is the same.
func TestRequestIDs(t *testing.T) {
	var ids []string
	s := serve(t, func(c *Config) {
		c.Operator = contextual{see: func(ctx context.Context) { ids = append(ids, slipway.RequestIDOf(ctx)) }}
	})
	for _, key := range []string{"k-1", "k-2", ""} {
		s.do(t, "POST", "/v1/abort/d-1", "", "Idempotency-Key", key)
	}
	if len(ids) != 3 || ids[0] == "" || ids[0] == ids[1] || ids[2] != "" {
		t.Errorf("%q", ids)
	}
}

type contextual struct {
	slipway.Operator
	see func(context.Context)
}

func (c contextual) Abort(ctx context.Context, _ string) error { c.see(ctx); return nil }

func TestETags(t *testing.T) {
	s := serve(t)
	put(t, s, deployment(1))
	_, body, header := s.do(t, "GET", "/v1/deployments/d-001", "")
	tag := header.Get("ETag")
	if tag == "" || body == "" {
		t.Fatalf("%v %s", header, body)
	}
	for _, c := range []struct {
		have   string
		status int
	}{{tag, 304}, {"W/" + tag, 304}, {`"x", ` + tag, 304}, {"*", 304}, {`"x"`, 200}, {"", 200}} {
		status, body, header := s.do(t, "GET", "/v1/deployments/d-001", "", "If-None-Match", c.have)
		if status != c.status || (body == "") != (status == 304) || header.Get("ETag") != tag {
			t.Errorf("%s: %d %q %v", c.have, status, body, header)
		}
	}
	d := deployment(1)
	d.Step = "otherwise"
	put(t, s, d)
	if status, _, header := s.do(t, "GET", "/v1/deployments/d-001", "", "If-None-Match", tag); status != 200 || header.Get("ETag") == tag {
		t.Errorf("changed: %d %v", status, header)
	}
	_, _, header = s.do(t, "GET", "/v1/deployments", "")
	if status, _, _ := s.do(t, "GET", "/v1/deployments", "", "If-None-Match", header.Get("ETag")); status != 304 {
		t.Errorf("a list: %d", status)
	}
	if _, _, header := s.do(t, "GET", "/v1/deployments/d-002", ""); header.Get("ETag") != "" {
		t.Errorf("a problem has a tag: %v", header)
	}
}

func TestIfMatch(t *testing.T) {
	r := slipway.Restriction{ID: "f-1", Kind: slipway.RestrictionFreeze, Cluster: slipway.Cluster{Environment: "prod"}, Reason: "sale", Since: time.Unix(1, 0).UTC()}
	lifted := 0
	s := serve(t, func(c *Config) {
		c.Operator = &lifter{lift: func(id string) (slipway.Restriction, error) {
			lifted++
			return c.Store.DeleteRestriction(t.Context(), id)
		}}
	})
	if _, err := s.Store.PutRestriction(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, _, header := s.do(t, "GET", "/v1/restrictions/f-1", "")
	old := header.Get("ETag")
	r.Reason = "the sale goes on"
	if _, err := s.Store.PutRestriction(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	status, body, header := s.do(t, "DELETE", "/v1/restrictions/f-1?reason=over", "", "If-Match", old)
	if status != http.StatusPreconditionFailed || !strings.Contains(body, `"stale"`) || !strings.Contains(body, `"If-Match"`) || lifted != 0 {
		t.Errorf("stale: %d %s", status, body)
	}
	if status, body, _ := s.do(t, "DELETE", "/v1/restrictions/f-1?reason=over", "", "If-Match", header.Get("ETag")); status != http.StatusOK || lifted != 1 {
		t.Errorf("as it is: %d %s", status, body)
	}
	if status, body, _ := s.do(t, "DELETE", "/v1/restrictions/f-1?reason=over", "", "If-Match", "*"); status != http.StatusPreconditionFailed {
		t.Errorf("gone: %d %s", status, body)
	}
	if status, body, _ := s.do(t, "DELETE", "/v1/restrictions/f-1?reason=over", ""); status != http.StatusNotFound {
		t.Errorf("gone, and nothing said: %d %s", status, body)
	}
}

type lifter struct {
	slipway.Operator
	lift func(id string) (slipway.Restriction, error)
}

func (l *lifter) Lift(_ context.Context, r slipway.LiftRequest) (slipway.Restriction, error) {
	return l.lift(r.ID)
}

// TestChangesOfOneThing: of ten who have read the same, and change it at once through two slipwayd, one succeeds.
func TestChangesOfOneThing(t *testing.T) {
	s := serve(t)
	digest := func(n int) slipway.Digest { return slipway.DigestOf([]byte{byte(n)}) }
	for n := range 11 {
		if err := s.Store.PutImage(t.Context(), slipway.Image{Digest: digest(n), Application: "shop", State: slipway.ImageReady, Created: time.Unix(int64(n), 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Store.MoveChannel(t.Context(), slipway.ChannelMove{Application: "shop", Name: "stable", Image: digest(10), Create: true}); err != nil {
		t.Fatal(err)
	}
	s.Catalog = mover{store: s.Store}
	urls := []string{serveHandler(t, asRoot(New(s.Config))), serveHandler(t, asRoot(New(s.Config)))}
	s.url = urls[0]
	_, _, header := s.do(t, "GET", "/v1/channels/shop/stable", "")
	var moved, stale atomic.Int64
	var all sync.WaitGroup
	for n := range 10 {
		all.Go(func() {
			s := *s
			s.url = urls[n%2]
			status, body, _ := s.do(t, "PUT", "/v1/channels/shop/stable", `{"image":"`+string(digest(n))+`"}`, "If-Match", header.Get("ETag"))
			switch status {
			case http.StatusOK:
				moved.Add(1)
			case http.StatusPreconditionFailed:
				stale.Add(1)
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	all.Wait()
	if moved.Load() != 1 || stale.Load() != 9 {
		t.Errorf("%d moved it, %d were told that it has moved, want 1 and 9", moved.Load(), stale.Load())
	}
}

type mover struct {
	slipway.Catalog
	store slipway.Store
}

func (m mover) MoveChannel(ctx context.Context, application, name string, req slipway.ChannelRequest) (slipway.Channel, error) {
	return m.store.MoveChannel(ctx, slipway.ChannelMove{Application: application, Name: name, Image: slipway.Digest(req.Image), At: time.Now()})
}

func serveHandler(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
