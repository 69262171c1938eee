package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/slipway-sh/slipway"
)

// serve starts a server of h and returns a client of it.
func serve(t *testing.T, h http.Handler) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return dial(t, s.URL)
}

func dial(t *testing.T, server string) *Client {
	t.Helper()
	c, err := New(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNew(t *testing.T) {
	for server, ok := range map[string]bool{
		"unix:/a.sock": true, "unix:///a.sock": true, "http://127.0.0.1:80": true, "https://slipway.example/": true,
		"": false, "unix:": false, "/a.sock": false, "127.0.0.1:80": false, "ftp://x": false, "http://": false, "http://[": false,
	} {
		_, err := New(server)
		if (err == nil) != ok || err != nil && slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%q: %v", server, err)
		}
	}
}

// TestRoutes makes every call once and looks at what the server is asked.
func TestRoutes(t *testing.T) {
	ctx := t.Context()
	cluster := slipway.Cluster{Application: "hello", Environment: "prod"}
	for want, f := range map[string]func(*Client) error{
		"GET /healthz": func(c *Client) error { _, err := c.Health(ctx); return err },
		`POST /v1/blobs/missing {"digests":["sha256:1"]}`: func(c *Client) error { _, err := c.MissingBlobs(ctx, []slipway.Digest{"sha256:1"}); return err },
		"PUT /v1/blobs/sha256:1 hi":                       func(c *Client) error { return c.PutBlob(ctx, "sha256:1", 2, strings.NewReader("hi")) },
		"POST /v1/bakes":                                  func(c *Client) error { _, err := c.Bake(ctx, slipway.BakeRequest{}); return err },
		"GET /v1/bakes?application=a&limit=3":             func(c *Client) error { _, err := c.Bakes(ctx, "a", 3); return err },
		"GET /v1/bakes/b-1":                               func(c *Client) error { _, err := c.GetBake(ctx, "b-1"); return err },
		"POST /v1/executions":                             func(c *Client) error { _, err := c.Ship(ctx, slipway.ShipRequest{}); return err },
		"GET /v1/executions/x-1":                          func(c *Client) error { _, err := c.Execution(ctx, "x-1"); return err },
		`POST /v1/deployments {"cluster":{"application":"hello","environment":"prod"},"image":"v1"}`: func(c *Client) error {
			_, err := c.Deploy(ctx, slipway.DeployRequest{Cluster: cluster, Image: "v1"})
			return err
		},
		`POST /v1/rollbacks {"cluster":{"application":"hello","environment":"prod"}}`: func(c *Client) error {
			_, err := c.Rollback(ctx, slipway.RollbackRequest{Cluster: cluster})
			return err
		},
		"GET /v1/deployments?application=hello&environment=prod&limit=1": func(c *Client) error { _, err := c.Deployments(ctx, cluster, 1); return err },
		"GET /v1/deployments/d-1":        func(c *Client) error { _, err := c.Deployment(ctx, "d-1"); return err },
		"POST /v1/abort/d-1":             func(c *Client) error { return c.Abort(ctx, "d-1") },
		"GET /v1/applications?limit=500": func(c *Client) error { _, err := c.Applications(ctx); return err },
		"GET /v1/applications/a":         func(c *Client) error { _, err := c.Application(ctx, "a"); return err },
		"GET /v1/images?limit=500":       func(c *Client) error { _, err := c.Images(ctx, ""); return err },
		"GET /v1/images/a/sha256:1":      func(c *Client) error { _, err := c.Image(ctx, "a", "sha256:1"); return err },
		"GET /v1/images/a/..%2Fb":        func(c *Client) error { _, err := c.Image(ctx, "a", "../b"); return err },
		"GET /v1/clusters?limit=500":     func(c *Client) error { _, err := c.Clusters(ctx); return err },
		"GET /v1/clusters/hello/prod":    func(c *Client) error { _, err := c.Cluster(ctx, cluster); return err },
		"GET /v1/instances?limit=500":    func(c *Client) error { _, err := c.Instances(ctx); return err },
		`POST /v1/deployments/d-1/commands {"verb":"pause","reason":"lunch","by":"ann"}`: func(c *Client) error {
			_, err := c.Command(ctx, "d-1", slipway.Command{Verb: slipway.VerbPause, Reason: "lunch", By: "ann"})
			return err
		},
		`POST /v1/deployments/d-1/retry {"by":"ann","reason":"again"}`: func(c *Client) error { _, err := c.Retry(ctx, "d-1", "again", "ann"); return err },
		"POST /v1/releases":                         func(c *Client) error { _, err := c.Release(ctx, slipway.ReleaseRequest{}); return err },
		"GET /v1/releases/r-1":                      func(c *Client) error { _, err := c.GetRelease(ctx, "r-1"); return err },
		"GET /v1/releases?environment=prod&limit=3": func(c *Client) error { _, err := c.Releases(ctx, "prod", 3); return err },
		`POST /v1/restrictions {"kind":"veto","cluster":{"application":"hello","environment":"prod"},"image":"v1","reason":"leaks"}`: func(c *Client) error {
			_, err := c.Restrict(ctx, slipway.RestrictionRequest{Kind: slipway.RestrictionVeto, Cluster: cluster, Image: "v1", Reason: "leaks"})
			return err
		},
		"DELETE /v1/restrictions/v-1?by=ann&reason=no+more": func(c *Client) error {
			_, err := c.Lift(ctx, slipway.LiftRequest{ID: "v-1", Reason: "no more", By: "ann"})
			return err
		},
		"GET /v1/restrictions?environment=prod&limit=500&over=true": func(c *Client) error {
			_, err := c.Restrictions(ctx, slipway.Cluster{Environment: "prod"}, true)
			return err
		},
		"DELETE /v1/instances/i-1?": func(c *Client) error { return c.Terminate(ctx, "i-1", Removal{}) },
		"DELETE /v1/groups/hello-prod-v001?by=ann&force=true&reason=rooted": func(c *Client) error {
			return c.DestroyGroup(ctx, "hello-prod-v001", Removal{Force: true, Reason: "rooted", By: "ann"})
		},
		"GET /v1/instances/i-1/logs?follow=true&lines=50": func(c *Client) error { _, err := c.Logs(ctx, "i-1", 50, true); return err },
		"GET /v1/events?after=7&deployment=d-1&limit=10": func(c *Client) error {
			_, err := c.EventList(ctx, slipway.EventFilter{After: 7, Deployment: "d-1"}, 10)
			return err
		},
	} {
		t.Run(want, func(t *testing.T) {
			var got string
			c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
				fmt.Fprint(w, "{}")
			}))
			if err := f(c); err != nil {
				t.Fatal(err)
			}
			if got != want && !(strings.HasPrefix(want, "POST") && !strings.Contains(want, "{") && strings.HasPrefix(got, want)) {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   slipway.Error
	}{
		"problem":        {404, `{"title":"Not Found","detail":"cannot find it","code":"not_found","place":"image"}`, slipway.Error{Code: slipway.NotFound, Message: "cannot find it", Place: "image"}},
		"no code":        {409, `{"title":"Conflict"}`, slipway.Error{Code: slipway.Conflict, Message: "Conflict"}},
		"no JSON":        {502, "<html>", slipway.Error{Code: slipway.Unavailable, Message: "slipwayd answered 502 Bad Gateway"}},
		"unknown status": {418, "", slipway.Error{Code: slipway.Internal, Message: "slipwayd answered 418 I'm a teapot"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			_, err := c.Health(t.Context())
			var got *slipway.Error
			if !errors.As(err, &got) || *got != test.want {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestSeveralErrors(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"code":"invalid","detail":"cannot a","place":"x","errors":[{"code":"invalid","message":"cannot a","place":"x"},{"code":"invalid","message":"cannot b","place":"y"}]}`)
	}))
	_, err := c.Health(t.Context())
	if slipway.CodeOf(err) != slipway.Invalid || err.Error() != "x: cannot a\ny: cannot b" {
		t.Errorf("got %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	c := dial(t, "unix:"+filepath.Join(t.TempDir(), "none.sock"))
	_, err := c.Health(t.Context())
	if slipway.CodeOf(err) != slipway.Unavailable || !strings.Contains(err.Error(), "cannot reach slipwayd at unix:") || !strings.Contains(err.Error(), "start it with") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Health(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"ready":true,"version":"v1"}`) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	if h, err := dial(t, "unix:"+socket).Health(t.Context()); err != nil || !h.Ready || h.Version != "v1" {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestUploadContext(t *testing.T) {
	tree := fstest.MapFS{
		"a": {Data: []byte("one")}, "b/c": {Data: []byte("two")}, "b/d": {Data: []byte("one")}, "e": {}, "f": {Data: make([]byte, 3<<20)},
	}
	entries := []slipway.ContextEntry{{Path: "b", Dir: true}, {Path: "l", Link: "a"}}
	for name, f := range tree {
		entries = append(entries, slipway.ContextEntry{Path: name, Digest: slipway.DigestOf(f.Data), Size: int64(len(f.Data))})
	}
	var mu sync.Mutex
	got := map[slipway.Digest]string{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/blobs/missing", func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Digests []slipway.Digest }
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		req.Digests = slices.DeleteFunc(req.Digests, func(d slipway.Digest) bool { return d == slipway.DigestOf([]byte("two")) })
		json.NewEncoder(w).Encode(map[string]any{"missing": req.Digests})
	})
	mux.HandleFunc("PUT /v1/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(b)) {
			t.Errorf("%d bytes, length %d: %v", len(b), r.ContentLength, err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[slipway.Digest(r.PathValue("digest"))] += string(b)
		w.WriteHeader(http.StatusNoContent)
	})
	c := serve(t, mux)
	var last Upload
	sent, err := c.UploadContext(t.Context(), tree, entries, func(u Upload) { last = u })
	want := Upload{Files: 3, FilesTotal: 3, Bytes: 3 + 3<<20, BytesTotal: 3 + 3<<20}
	if err != nil || sent != want || last != want {
		t.Errorf("got %+v, %+v, %v", sent, last, err)
	}
	if len(got) != 3 {
		t.Errorf("%d blobs", len(got))
	}
	for d, content := range got {
		if slipway.DigestOf([]byte(content)) != d {
			t.Errorf("%s has %d other bytes", d, len(content))
		}
	}
}

func TestUploadContextErrors(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.Copy(w, strings.NewReader(strings.ReplaceAll(string(must(io.ReadAll(r.Body))), "digests", "missing")))
			return
		}
		w.WriteHeader(http.StatusInsufficientStorage) // before the body is read
		fmt.Fprint(w, `{"code":"unprepared","detail":"cannot store the blob: no space"}`)
	}))
	large := make([]byte, 8<<20)
	tree := fstest.MapFS{"a": {Data: large}}
	for name, test := range map[string]struct {
		entry slipway.ContextEntry
		want  slipway.Code
	}{
		"no space": {slipway.ContextEntry{Path: "a", Size: int64(len(large)), Digest: slipway.DigestOf(large)}, slipway.Unprepared},
		"changed":  {slipway.ContextEntry{Path: "a", Size: 1, Digest: slipway.DigestOf(large)}, slipway.Conflict},
		"gone":     {slipway.ContextEntry{Path: "b", Size: 1, Digest: slipway.DigestOf(large)}, slipway.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.UploadContext(t.Context(), tree, []slipway.ContextEntry{test.entry}, nil)
			if slipway.CodeOf(err) != test.want || !strings.Contains(err.Error(), test.entry.Path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestEventsGoOn serves one to three events a connection, one of them again, refuses some connections, and sees that all
// events arrive once and in order.
func TestEventsGoOn(t *testing.T) {
	const n = 20
	var connections atomic.Int64
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := connections.Add(1)
		if i%4 == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		var after int64
		fmt.Sscan(r.URL.Query().Get("after"), &after)
		if id := r.Header.Get("Last-Event-ID"); after > 0 && id != fmt.Sprint(after) {
			t.Errorf("Last-Event-ID %q after %d", id, after)
		}
		fmt.Fprint(w, ": hello\n\nretry: 1\n\n")
		for seq := max(after, 1); seq <= min(after+i%3+1, n); seq++ {
			fmt.Fprintf(w, "id: %d\nevent: bake.started\ndata: {\"seq\":%d,\ndata: \"kind\":\"bake.started\"}\n\n", seq, seq)
		}
		fmt.Fprint(w, "data: {\"seq\": 99") // cut off
	}))
	var got []int64
	for e, err := range c.Events(t.Context(), slipway.EventFilter{Bake: "b-1"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != slipway.BakeStarted {
			t.Errorf("got %v", e)
		}
		if got = append(got, e.Seq); e.Seq == n {
			break
		}
	}
	for i, seq := range got {
		if seq != int64(i+1) {
			t.Fatalf("got %v", got)
		}
	}
	if len(got) != n {
		t.Errorf("got %v", got)
	}
}

func TestEventsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    slipway.Code
	}{
		"refused":   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) }, slipway.Invalid},
		"away":      {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, slipway.Unavailable},
		"no stream": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{}") }, slipway.Internal},
		"nonsense": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: nonsense\n\n")
		}, slipway.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, test.handler)
			c.Patience = time.Millisecond
			var last error
			for _, err := range c.Events(t.Context(), slipway.EventFilter{}) {
				last = err
			}
			if slipway.CodeOf(last) != test.want {
				t.Errorf("got %v", last)
			}
		})
	}
}

func TestEventsCancelled(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"seq\":1}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range c.Events(ctx, slipway.EventFilter{}) {
		n++
		last = err
		cancel()
	}
	if n != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d, %v", n, last)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
