package check_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
)

// fake is a provider of one group and one machine.
type fake struct {
	slipway.Provider // methods that are not needed are nil

	mu      sync.Mutex
	group   slipway.ServerGroup
	signals chan string
	read    chan struct{} // receives whenever the group was read, if set
	exec    func(ctx context.Context) (slipway.ExecResult, error)
}

func (f *fake) ServerGroup(context.Context, string) (slipway.ServerGroup, error) {
	if f.read != nil {
		defer func() { f.read <- struct{}{} }()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.group
	g.Instances = append([]slipway.Instance(nil), g.Instances...)
	return g, nil
}

func (f *fake) Instance(context.Context, string) (slipway.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.group.Instances[0], nil
}

func (f *fake) Exec(ctx context.Context, _ string, _ slipway.Exec) (slipway.ExecResult, error) {
	return f.exec(ctx)
}

func (f *fake) Logs(context.Context, string, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("listen: permission denied\n")), nil
}

func (f *fake) Watch(context.Context) <-chan string { return f.signals }

func (f *fake) set(states ...slipway.InstanceState) {
	f.mu.Lock()
	f.group = slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: "hello-prod-v001", Size: slipway.Size{Desired: len(states)}}}
	for i, state := range states {
		f.group.Instances = append(f.group.Instances, slipway.Instance{ID: "i-" + strconv.Itoa(i), State: state})
	}
	f.mu.Unlock()
}

const (
	starting = slipway.InstanceStarting
	healthy  = slipway.InstanceHealthy
	dead     = slipway.InstanceDead
)

func TestGroup(t *testing.T) {
	for _, c := range []struct {
		name     string
		states   []slipway.InstanceState
		replaced int
		within   time.Duration
		code     slipway.Code
		message  string
	}{
		{"healthy", []slipway.InstanceState{healthy, healthy}, 0, time.Minute, "", ""},
		{"late", []slipway.InstanceState{healthy, starting}, 0, 0, slipway.DeadlinePast, "1 of 2 machines of hello-prod-v001 are healthy; i-1 is starting\nthe last lines of i-1:\n  listen: permission denied"},
		{"healthy after the deadline", []slipway.InstanceState{healthy}, 0, -time.Minute, "", ""},
		{"dead", []slipway.InstanceState{healthy, dead}, 0, time.Minute, slipway.Failed, "machine i-1 is dead\nthe last lines of i-1:\n  listen: permission denied"},
		{"dead and replaced", []slipway.InstanceState{healthy, starting}, 1, time.Minute, slipway.Failed, "was replaced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{}
			f.set(c.states...)
			f.group.Replaced = c.replaced
			_, err := check.Group(t.Context(), f, "hello-prod-v001", time.Now().Add(c.within))
			if code := slipway.CodeOf(err); code != c.code || c.message != "" && !strings.Contains(err.Error(), c.message) {
				t.Errorf("%q: %v", code, err)
			}
		})
	}
}

func TestGroupListensToSignals(t *testing.T) {
	f := &fake{signals: make(chan string), read: make(chan struct{})}
	f.set(starting)
	done := make(chan error)
	go func() {
		_, err := check.Group(t.Context(), f, "hello-prod-v001", time.Now().Add(time.Minute))
		done <- err
	}()
	<-f.read
	f.set(healthy)
	for {
		select {
		case f.signals <- "hello-prod-v001":
		case <-f.read:
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}

func TestGroupEndsWithItsContext(t *testing.T) {
	f := &fake{}
	f.set(starting)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := check.Group(ctx, f, "hello-prod-v001", time.Now().Add(time.Minute)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRecoveredWaitsForReplacements(t *testing.T) {
	f := &fake{}
	f.set(healthy, dead)
	f.group.Replaced = 3
	if _, err := check.Recovered(t.Context(), f, "hello-prod-v001", 1, time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := check.Recovered(t.Context(), f, "hello-prod-v001", 2, time.Now()); slipway.CodeOf(err) != slipway.DeadlinePast {
		t.Error(err)
	}
}

func TestStays(t *testing.T) {
	f := &fake{}
	f.set(healthy)
	if err := check.Stays(t.Context(), f, "i-0", time.Now().Add(10*time.Millisecond)); err != nil {
		t.Error(err)
	}
	f.set(dead)
	if err := check.Stays(t.Context(), f, "i-0", time.Now().Add(time.Minute)); slipway.CodeOf(err) != slipway.Failed {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/broken":
			http.Error(w, "out of order", http.StatusInternalServerError)
		default:
			io.WriteString(w, "hello")
		}
	}))
	t.Cleanup(server.Close)
	host, portText, _ := net.SplitHostPort(server.Listener.Addr().String())
	port, _ := strconv.Atoi(portText)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	closedPort := closed.Addr().(*net.TCPAddr).Port
	says := func(code int, output string) func(context.Context) (slipway.ExecResult, error) {
		return func(context.Context) (slipway.ExecResult, error) {
			return slipway.ExecResult{ExitCode: code, Output: output}, nil
		}
	}
	hangs := func(ctx context.Context) (slipway.ExecResult, error) {
		<-ctx.Done()
		return slipway.ExecResult{}, ctx.Err()
	}
	soon := slipway.Duration(20 * time.Millisecond)
	for _, c := range []struct {
		name   string
		test   slipway.Test
		exec   func(context.Context) (slipway.ExecResult, error)
		detail string // empty: passes
	}{
		{"http /", slipway.Test{HTTP: &slipway.HTTPTest{Path: "/", Contains: "hell"}}, nil, ""},
		{"http /other", slipway.Test{HTTP: &slipway.HTTPTest{Path: "/other", Contains: "goodbye"}}, nil, `want "goodbye" in the answer, got "hello"`},
		{"http /broken", slipway.Test{HTTP: &slipway.HTTPTest{Path: "/broken"}}, nil, `want status 200, got 500: "out of order"`},
		{"http /moved", slipway.Test{HTTP: &slipway.HTTPTest{Path: "/moved", Status: 302}}, nil, ""},
		{"http /slow", slipway.Test{HTTP: &slipway.HTTPTest{Path: "/slow", Timeout: soon}}, nil, "no answer within 20ms"},
		{"tcp", slipway.Test{TCP: &slipway.TCPTest{}}, nil, ""},
		{"tcp :" + strconv.Itoa(closedPort), slipway.Test{TCP: &slipway.TCPTest{Port: closedPort}}, nil, "refused"},
		{"command true", slipway.Test{Command: &slipway.CommandTest{Run: []string{"true"}}}, says(0, ""), ""},
		{"command false", slipway.Test{Command: &slipway.CommandTest{Run: []string{"false"}}}, says(1, "no"), `want exit status 0, got 1: "no"`},
		{"command false", slipway.Test{Command: &slipway.CommandTest{Run: []string{"false"}, Exit: 1, Contains: "n"}}, says(1, "no"), ""},
		{"command say", slipway.Test{Command: &slipway.CommandTest{Run: []string{"say"}, Contains: "yes"}}, says(0, strings.Repeat("n", 500)), `want "yes" in the output`},
		{"command hang", slipway.Test{Command: &slipway.CommandTest{Run: []string{"hang"}, Timeout: soon}}, hangs, "not done within 20ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := check.Runner{Provider: &fake{exec: c.exec}}.Run(t.Context(), slipway.Instance{ID: "i-0", Address: host}, slipway.Service{Port: port}, c.test)
			if result.Name != c.name || result.Passed != (c.detail == "") || !strings.Contains(result.Detail, c.detail) {
				t.Errorf("%+v, want %q", result, c.detail)
			}
		})
	}
}

func TestRunWithoutAPort(t *testing.T) {
	result := check.Runner{Provider: &fake{}}.Run(t.Context(), slipway.Instance{Address: "127.0.0.1"}, slipway.Service{}, slipway.Test{TCP: &slipway.TCPTest{}})
	if result.Passed || !strings.Contains(result.Detail, "no port") {
		t.Errorf("%+v", result)
	}
}
