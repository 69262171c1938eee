// Package promtest runs a real Prometheus, Debian's, for tests: it needs no network but loopback, and leaves nothing behind.
package promtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// Interval is how often the Prometheus looks at its targets.
	Interval = 200 * time.Millisecond
	// patience is how long anything may take that is waited for.
	patience = 30 * time.Second
)

// Target is what a Prometheus scrapes.
type Target struct {
	Job     string // its label
	Address string // "127.0.0.1:1234"
	Path    string // default /metrics
}

// Server is a Prometheus that scrapes every [Interval]. Its methods are not safe for concurrent use.
type Server struct {
	URL string

	program string
	dir     string
	address string
	cmd     *exec.Cmd
	ended   chan struct{}
	log     *log
}

// Start returns a Prometheus that is ready, on a free port of loopback, and takes it down when the test ends. Where there is no
// prometheus the test is skipped, but fails where $SLIPWAY_BIN says that this was meant seriously.
func Start(t testing.TB, targets ...Target) *Server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("SLIPWAY_BIN") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v; apt-get install prometheus", err)
	}
	s, err := New(t.Context(), program, t.TempDir(), targets...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("the last lines of Prometheus's log:\n%s", s.log)
		}
	})
	return s
}

// New starts a Prometheus in a directory and returns when it is ready. The caller stops it.
func New(ctx context.Context, program, dir string, targets ...Target) (*Server, error) {
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config(targets)), 0o600); err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir, address: "127.0.0.1:0", log: &log{}}
	return s, s.Start(ctx)
}

// Start starts the Prometheus again after a Stop, at the same address and with all it knew, and returns when it is ready.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.Command(s.program, "--config.file="+filepath.Join(s.dir, "prometheus.yml"), // not with ctx: it lives until Stop
		"--storage.tsdb.path="+filepath.Join(s.dir, "data"), "--web.listen-address="+s.address)
	output, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, listens := make(chan struct{}), make(chan string, 1)
	s.cmd, s.ended = cmd, ended
	go func() {
		defer close(ended)
		s.log.follow(output, listens)
		cmd.Wait()
	}()
	select {
	case s.address = <-listens:
	case <-ended:
		return fmt.Errorf("prometheus ended by itself:\n%s", s.log)
	case <-ctx.Done():
		s.Stop()
		return fmt.Errorf("prometheus listens nowhere:\n%s", s.log)
	}
	s.URL = "http://" + s.address
	if err := until(ctx, func() bool { return answers(ctx, s.URL+"/-/ready") }); err != nil {
		s.Stop()
		return fmt.Errorf("prometheus is not ready: %w\n%s", err, s.log)
	}
	return nil
}

// Stop kills the Prometheus and returns when it is gone.
func (s *Server) Stop() {
	s.cmd.Process.Kill()
	<-s.ended
}

// Await returns when done is true, which it asks now and then, or fails the test when it has become too late.
func Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if until(ctx, done) != nil {
		t.Fatalf("waited in vain for %s", what)
	}
}

func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func config(targets []Target) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {scrape_interval: %s, scrape_timeout: %s}\nscrape_configs:\n", Interval, Interval)
	for _, t := range targets {
		path := t.Path
		if path == "" {
			path = "/metrics"
		}
		fmt.Fprintf(&b, "  - {job_name: %q, metrics_path: %q, static_configs: [{targets: [%q]}]}\n", t.Job, path, t.Address)
	}
	return b.String()
}

// listening is how a Prometheus says where it listens, whichever form its log has.
var listening = regexp.MustCompile(`msg="Listening on".* address=(\S+)`)

// log keeps the last lines of a program.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) follow(r io.Reader, listens chan<- string) {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if m := listening.FindStringSubmatch(line); m != nil {
			select {
			case listens <- m[1]:
			default:
			}
		}
		l.mu.Lock()
		if l.lines = append(l.lines, line); len(l.lines) > 40 {
			l.lines = l.lines[1:]
		}
		l.mu.Unlock()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				io.Copy(io.Discard, r) // so that it is never left hanging
			}
			return
		}
	}
}

// String returns the last lines.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}
