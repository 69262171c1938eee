package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// behindRelay has every server of the test behind one that stands by.
var behindRelay bool

// front returns the API, or a relay that stands before it.
func front(t testing.TB, cfg Config) http.Handler {
	if !behindRelay {
		return New(cfg)
	}
	socket := filepath.Join(shortDir(t), "relay")
	work(t, socket, New(cfg))
	return NewRelay(RelayConfig{Socket: socket, Version: cfg.Version, Limits: cfg.Limits})
}

// shortDir returns a directory in whose files sockets can be.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "swr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// work serves api on a socket as the slipwayd that works does, until the function it returns is called: then all breaks that is under way.
func work(t testing.TB, socket string, api http.Handler) (die func()) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: Relayed(api), ConnContext: ConnContext}
	go func() { _ = s.Serve(l) }()
	die = func() { s.Close() }
	t.Cleanup(die)
	return die
}

// relayedTests are those whose requests and answers are of every kind there is.
var relayedTests = map[string]func(*testing.T){
	"problems": TestProblems, "bad requests": TestBadRequests, "work": TestWork, "uploads": TestBlobs, "paths of uploads": TestPathsOfUploads,
	"logs": TestLogsAreStreamed, "events": TestEventsAsAList, "streams": TestStreamIsGapFreeWhileWritersRun, "kinds of events": TestEventsOfSomeKinds,
	"shells": TestImageShell, "shells that are left": TestImageShellIsLeft, "no shells": TestShellsThatCannotBe, "sandboxes": TestBakeShell,
	"transfers": TestTransfers, "keys": TestRequestWithKeyIsCarriedOutOnce, "tags": TestETags, "parameters": TestPathParameters, "headers": TestSecurityHeaders,
	"web pages": TestWebPagesAreKeptOut, "slow bodies": TestSlowBodies,
}

// TestBehindRelay is what the API promises, asked for at a server that stands by.
func TestBehindRelay(t *testing.T) {
	behindRelay = true
	t.Cleanup(func() { behindRelay = false })
	for name, test := range relayedTests {
		t.Run(name, test)
	}
}

// origins answers with where a request came from, as the API sees it.
var origins = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	o := originOf(r)
	_, known := local(r.Context())
	fmt.Fprintf(w, "%s %v %v %s %q %q", addressOf(r), o.TLS, known, r.Host, r.Header.Get("Authorization"), r.Header.Get(relayHeader))
})

func TestRelayTellsWhoAsks(t *testing.T) {
	socket := filepath.Join(shortDir(t), "relay")
	work(t, socket, origins)
	relay := NewRelay(RelayConfig{Socket: socket})
	forged := origin{Remote: netip.MustParseAddrPort("192.0.2.99:1"), TLS: true, User: new(uint32)}.String()
	for name, c := range map[string]struct {
		change func(*http.Request) *http.Request
		want   string
	}{
		"by TCP": {func(r *http.Request) *http.Request { return r }, `192.0.2.1 false false example.com "" ""`},
		"by TLS, with a token": {func(r *http.Request) *http.Request {
			r.TLS = nil
			r = httptest.NewRequest("GET", "https://example.com/", nil)
			r.Header.Set("Authorization", "Bearer x")
			return r
		}, `192.0.2.1 true false example.com "Bearer x" ""`},
		"root, by a unix socket": {func(r *http.Request) *http.Request {
			r.RemoteAddr = "@"
			return r.WithContext(context.WithValue(r.Context(), peerKey{}, unix.Ucred{}))
		}, ` false true example.com "" ""`},
		"another user, by a unix socket": {func(r *http.Request) *http.Request {
			r.RemoteAddr = "@"
			return r.WithContext(context.WithValue(r.Context(), peerKey{}, unix.Ucred{Uid: 4711}))
		}, ` false false example.com "" ""`},
		"who claims to be root": {func(r *http.Request) *http.Request {
			r.Header.Set(relayHeader, forged)
			return r
		}, `192.0.2.1 false false example.com "" ""`},
		"who claims to have come from elsewhere": {func(r *http.Request) *http.Request {
			r.Header.Set("X-Forwarded-For", "10.0.0.1")
			r.Header.Set("Connection", relayHeader) // has proxies take a header away
			return r
		}, `192.0.2.1 false false example.com "" ""`},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			relay.ServeHTTP(w, c.change(httptest.NewRequest("GET", "/v1/whoami", nil)))
			if w.Body.String() != c.want {
				t.Errorf("got  %s\nwant %s", w.Body, c.want)
			}
		})
	}
}

// TestRelayedIsForRelays speaks to the socket as who does not stand by.
func TestRelayedIsForRelays(t *testing.T) {
	for name, c := range map[string]struct {
		peer   any
		header string
		want   int
	}{
		"root, without saying for whom": {unix.Ucred{}, "", http.StatusBadRequest},
		"root, with nonsense":           {unix.Ucred{}, `{"remote":17}`, http.StatusBadRequest},
		"another user":                  {unix.Ucred{Uid: 4711}, `{"user":0}`, http.StatusForbidden},
		"somebody by TCP":               {nil, `{"user":0}`, http.StatusForbidden},
		"one that stands by":            {unix.Ucred{}, `{}`, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/whoami", nil)
			r.Header.Set(relayHeader, c.header)
			w := httptest.NewRecorder()
			Relayed(origins).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, c.peer)))
			if w.Code != c.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

// TestRelayWhenOneDies has the slipwayd that works die, and another take over.
func TestRelayWhenOneDies(t *testing.T) {
	socket := filepath.Join(shortDir(t), "relay")
	relay := httptest.NewServer(NewRelay(RelayConfig{Socket: socket}))
	t.Cleanup(relay.Close)
	asked := make(chan string, 8)
	dies := func(w http.ResponseWriter, r *http.Request) { // while it works
		b, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + string(b)
		panic(http.ErrAbortHandler)
	}
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", string(b))
	})
	do := func(method, body string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, relay.URL+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}

	// What is asked for while none works waits for the next, bodies too.
	answer := make(chan string)
	go func() {
		got, err := do("PUT", "abc")
		if err != nil {
			t.Error(err)
		}
		answer <- got
	}()
	die := work(t, socket, answers)
	if got := <-answer; got != "PUT abc" {
		t.Errorf("got %q", got)
	}
	die()

	// A question is asked again.
	var next func()
	die = work(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		die()
		next = work(t, socket, answers)
		dies(w, r)
	}))
	if got, err := do("GET", ""); err != nil || got != "GET " {
		t.Errorf("got %q, %v", got, err)
	}
	<-asked
	next()

	// What may have been carried out is not: it breaks, as it would without a relay.
	work(t, socket, http.HandlerFunc(dies))
	if got, err := do("POST", "x"); err == nil {
		t.Errorf("got %q", got)
	}
	if first := <-asked; first != "POST x" || len(asked) > 0 {
		t.Errorf("asked %q, and %d more", first, len(asked))
	}
}

func TestRelayWhenNoneWorks(t *testing.T) {
	socket := filepath.Join(shortDir(t), "relay")
	cfg := RelayConfig{Socket: socket, Version: "1.2.3", Wait: time.Millisecond}
	relay := NewRelay(cfg)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		relay.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	w := ask("/v1/whoami")
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusServiceUnavailable || p.Code != slipway.Unavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if w = ask("/healthz"); w.Code != http.StatusServiceUnavailable || w.Body.String() != `{"ready":false,"version":"1.2.3","role":"standby"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	cfg.Wait = 0
	relay = NewRelay(cfg)
	work(t, socket, New(Config{Version: "1.2.2", Parts: func() []ServerPart { return []ServerPart{{Name: "nats", OK: true}} }}))
	if w = ask("/healthz"); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), `{"ready":true,"version":"1.2.3","role":"standby","parts":[{"name":"nats","ok":true,`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRelayPassesStreamsOn reads what is not over yet, through relay and client.
func TestRelayPassesStreamsOn(t *testing.T) {
	socket := filepath.Join(shortDir(t), "relay")
	goOn := make(chan struct{})
	die := work(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-goOn
		fmt.Fprintln(w, "second")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	relay := httptest.NewServer(NewRelay(RelayConfig{Socket: socket}))
	t.Cleanup(relay.Close)
	c, err := client.New(relay.URL)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.Logs(t.Context(), "i-1", 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	if !lines.Scan() || lines.Text() != "first" {
		t.Errorf("got %q, %v", lines.Text(), lines.Err())
	}
	close(goOn)
	if !lines.Scan() || lines.Text() != "second" {
		t.Errorf("got %q, %v", lines.Text(), lines.Err())
	}
	die()
	if lines.Scan() || lines.Err() == nil {
		t.Errorf("it ended with %q as if that were all", lines.Text())
	}
}
