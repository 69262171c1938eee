package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func TestRateLimit(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits.Rate = 0.001 }) // a burst of one, and then none for long
	if status, _, _ := s.do(t, "GET", "/healthz", ""); status != http.StatusOK {
		t.Fatal(status)
	}
	status, body, header := s.do(t, "POST", "/v1/abort/b-1", "")
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !strings.Contains(body, `"code":"unavailable"`) || !strings.Contains(body, "try again later") {
		t.Errorf("%d %s %v", status, body, header)
	}
	if all := s.entries(t); len(all) != 0 {
		t.Errorf("what is too much fills the audit log: %+v", all)
	}
}

func TestRequestsAtOnce(t *testing.T) {
	for name, limits := range map[string]Limits{"of one address": {Together: 2}, "of all": {All: 2}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(c *Config) { c.Limits = limits })
			ctx, cancel := context.WithCancel(t.Context())
			var streams []*http.Response
			open := func() *http.Response {
				req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/events", nil)
				req.Header.Set("Accept", "text/event-stream")
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				streams = append(streams, res)
				return res
			}
			for range 2 {
				if res := open(); res.StatusCode != http.StatusOK {
					t.Fatal(res.Status)
				}
			}
			if res := open(); res.StatusCode != http.StatusTooManyRequests {
				t.Errorf("the third: %s", res.Status)
			}
			cancel()
			for _, res := range streams {
				res.Body.Close()
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the server hears of it in its own time
				if status, _, _ := s.do(t, "GET", "/healthz", ""); status == http.StatusOK {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("those that are over are counted on")
				}
			}
		})
	}
}

// TestSlowBodies sends bodies by hand, on connections of their own.
func TestSlowBodies(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits = Limits{Body: 200 * time.Millisecond, Pace: 1 << 20} })
	d := slipway.DigestOf([]byte("0123456789"))
	for name, c := range map[string]struct {
		method, path string
		trickle      bool
	}{
		"an upload that never comes":   {"PUT", "/v1/blobs/" + string(d), false},
		"an upload that only trickles": {"PUT", "/v1/blobs/" + string(d), true},
		"JSON that never comes":        {"POST", "/v1/rollbacks", false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", c.method, c.path)
			var trickling sync.WaitGroup
			defer trickling.Wait()
			if c.trickle {
				trickling.Go(func() {
					for range 2000 {
						if _, err := io.WriteString(conn, "x"); err != nil {
							return
						}
						time.Sleep(5 * time.Millisecond) // that is the speed
					}
				})
			}
			conn.SetReadDeadline(time.Now().Add(8 * time.Second))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				res.Body.Close()
			}
			if err, ok := err.(net.Error); ok && err.Timeout() {
				t.Error("it may take for ever")
			}
			if err == nil && res.StatusCode < 400 {
				t.Errorf("it was answered with %s", res.Status)
			}
			conn.Close()
		})
	}
	// Who sends what there is to send is not hurried afterwards, on the same connection either.
	for range 3 {
		if status, body, _ := s.do(t, "PUT", "/v1/blobs/"+string(d), "0123456789"); status != http.StatusNoContent {
			t.Fatal(status, body)
		}
	}
}

// TestLongAnswersAreNotCut has a handler that works for longer than a body may take: its client is not taken for gone.
func TestLongAnswersAreNotCut(t *testing.T) {
	l := newLimiter(Limits{Body: 50 * time.Millisecond})
	h := httptest.NewServer(l.limited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			t.Error("the client is taken for gone")
		case <-time.After(200 * time.Millisecond): // what the work takes
		}
		io.WriteString(w, "done")
	})))
	defer h.Close()
	for range 2 { // the second on the same connection
		res, err := http.Post(h.URL, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); err != nil || string(text) != "done" {
			t.Errorf("%q, %v", text, err)
		}
		res.Body.Close()
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/healthz", "/v1/bakes", "/v1/nothing", "/openapi.json"} {
		_, _, header := s.do(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, header.Get(name))
			}
		}
		if header.Get("Cache-Control") == "" || header.Get("Server") != "" || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, header)
		}
	}
}

func TestCallersAreForgotten(t *testing.T) {
	b := newBuckets(0.001, 1)
	if b.take("first") != 0 || b.take("first") == 0 {
		t.Fatal("a bucket of one holds another number")
	}
	for i := range 10 * remembered {
		b.take(fmt.Sprint(i))
	}
	if n := len(b.young) + len(b.old); n > 2*remembered {
		t.Errorf("%d callers are remembered", n)
	}
	if b.take("first") != 0 {
		t.Error("who was long forgotten is remembered")
	}
}

func TestCallers(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1234":            "192.0.2.1",
		"[::ffff:192.0.2.1]:1234":   "192.0.2.1",
		"[2001:db8:1:2:3::4]:1234":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:ff::4]:1234": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":          "fe80::/64",
		"@":                         "",
		"":                          "",
	} {
		if got := callerOf(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q is %q, want %q", remote, got, want)
		}
	}
}
