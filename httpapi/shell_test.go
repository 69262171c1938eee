package httpapi

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/console"
	"github.com/slipway-sh/slipway/container"
)

// host is a provider of machines that somebody looks into.
type host struct {
	slipway.Provider
	exec func(context.Context, slipway.Exec) (slipway.ExecResult, error)

	mu         sync.Mutex
	machines   map[string]slipway.MachineSpec
	others     []slipway.Instance
	terminated chan string
}

func (h *host) Launch(_ context.Context, spec slipway.MachineSpec) (slipway.Instance, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.machines[spec.ID] = spec
	return slipway.Instance{ID: spec.ID, Started: time.Now()}, nil
}

func (h *host) Exec(ctx context.Context, _ string, e slipway.Exec) (slipway.ExecResult, error) {
	return h.exec(ctx, e)
}

func (h *host) Instances(context.Context) ([]slipway.Instance, error) { return h.others, nil }

func (h *host) Terminate(_ context.Context, id string) error {
	h.terminated <- id
	return nil
}

func (h *host) only(t *testing.T) slipway.MachineSpec {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, spec := range h.machines {
		return spec
	}
	t.Fatal("no machine was made")
	return slipway.MachineSpec{}
}

func shellServer(t *testing.T, exec func(context.Context, slipway.Exec) (slipway.ExecResult, error)) (*server, *host, *client.Client) {
	t.Helper()
	h := &host{exec: exec, machines: map[string]slipway.MachineSpec{}, terminated: make(chan string, 8)}
	s := serve(t, func(c *Config) { c.Provider, c.Sandboxes = h, sandboxes{"b-1": true} })
	service := slipway.Service{Command: []string{"/app"}, Port: 80, Drain: slipway.Duration(time.Hour)}
	for _, image := range []slipway.Image{
		{Digest: slipway.DigestOf([]byte("good")), Application: "hello", Version: "good", State: slipway.ImageReady, Service: service},
		{Digest: slipway.DigestOf([]byte("bad")), Application: "hello", Version: "bad", State: slipway.ImageFailed, Service: service},
		{Digest: slipway.DigestOf([]byte("gone")), Application: "hello", Version: "gone", State: slipway.ImageReady, Service: service},
	} {
		if err := s.Store.PutImage(t.Context(), image); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Store.RevokeImage(t.Context(), slipway.DigestOf([]byte("gone")), &slipway.Revocation{Reason: "leaks"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"b-1", "b-2"} {
		if err := s.Store.PutBake(t.Context(), slipway.Bake{ID: id, Application: "hello", State: slipway.BakeFailed}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(s.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, h, c
}

type sandboxes map[string]bool

func (s sandboxes) Kept(bake string) bool { return s[bake] }

func (s sandboxes) Enter(_ context.Context, bake string, at container.Terminal) (int, error) {
	_, err := io.WriteString(at.Out, "in the sandbox of "+bake)
	return 5, err
}

func echo(_ context.Context, e slipway.Exec) (slipway.ExecResult, error) {
	_, err := io.Copy(e.Stdout, e.Stdin)
	return slipway.ExecResult{ExitCode: 3}, err
}

func TestImageShell(t *testing.T) {
	var ran slipway.Exec
	_, h, c := shellServer(t, func(ctx context.Context, e slipway.Exec) (slipway.ExecResult, error) {
		ran = e
		return echo(ctx, e)
	})
	shell, err := c.ImageShell(t.Context(), "hello", "bad", slipway.ShellRequest{Command: []string{"/app", "-x"}, Terminal: &slipway.Terminal{Type: "vt100"}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	status, err := shell.Attach(t.Context(), console.Streams{In: strings.NewReader("hello"), Out: &out, Err: io.Discard})
	if status != 3 || err != nil || out.String() != "hello" {
		t.Errorf("status %d, %v, %q", status, err, out.String())
	}
	spec := h.only(t)
	if spec.ID != shell.Machine || spec.Image != shell.Image || !spec.Stay || spec.Expires.IsZero() || spec.Service.Drain != slipway.Duration(shellDrain) {
		t.Errorf("machine %+v for %+v", spec, shell)
	}
	if !slices.Equal(ran.Command, []string{"/app", "-x"}) || ran.User != "0" || ran.Terminal.Type != "vt100" {
		t.Errorf("ran %+v", ran)
	}
	if id := <-h.terminated; id != spec.ID {
		t.Errorf("%s was removed, want %s", id, spec.ID)
	}
}

func TestImageShellWithoutService(t *testing.T) {
	_, h, c := shellServer(t, echo)
	shell, err := c.ImageShell(t.Context(), "hello", "good", slipway.ShellRequest{NoService: true, User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if spec := h.only(t); spec.Service.Command != nil || !spec.Stay {
		t.Errorf("%+v", spec)
	}
	if _, err := shell.Attach(t.Context(), console.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}); err != nil {
		t.Error(err)
	}
	<-h.terminated
}

// The machine goes when nobody is there any more.
func TestImageShellIsLeft(t *testing.T) {
	running := make(chan struct{})
	_, h, c := shellServer(t, func(ctx context.Context, _ slipway.Exec) (slipway.ExecResult, error) {
		close(running)
		<-ctx.Done()
		return slipway.ExecResult{}, context.Cause(ctx)
	})
	shell, err := c.ImageShell(t.Context(), "hello", "good", slipway.ShellRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-running
		leave()
	}()
	in, typing := io.Pipe()
	defer typing.Close()
	if _, err := shell.Attach(ctx, console.Streams{In: in, Out: io.Discard, Err: io.Discard}); err == nil {
		t.Error("left without an error")
	}
	if id := <-h.terminated; id != shell.Machine {
		t.Errorf("%s was removed, want %s", id, shell.Machine)
	}
}

func TestShellsThatCannotBe(t *testing.T) {
	s, h, c := shellServer(t, echo)
	for _, r := range []struct {
		application, ref string
		code             slipway.Code
	}{{"hello", "none", slipway.NotFound}, {"other", "good", slipway.NotFound}, {"hello", "gone", slipway.Refused}} {
		if _, err := c.ImageShell(t.Context(), r.application, r.ref, slipway.ShellRequest{}); slipway.CodeOf(err) != r.code {
			t.Errorf("%s@%s: %v, want %s", r.application, r.ref, err, r.code)
		}
	}
	for id, code := range map[string]slipway.Code{"b-2": slipway.NotFound, "b-none": slipway.NotFound} {
		if _, err := c.BakeShell(t.Context(), id, slipway.ShellRequest{}); slipway.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", id, err, code)
		}
	}
	if status, body, _ := s.do(t, "POST", "/v1/images/hello/good/shell", "{}", "Upgrade", "websocket"); status != http.StatusUnprocessableEntity {
		t.Errorf("another protocol: %d %s", status, body)
	}
	if len(h.machines) > 0 {
		t.Errorf("machines were made: %v", h.machines)
	}
}

func TestBakeShell(t *testing.T) {
	_, _, c := shellServer(t, echo)
	shell, err := c.BakeShell(t.Context(), "b-1", slipway.ShellRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	status, err := shell.Attach(t.Context(), console.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard})
	if status != 5 || err != nil || out.String() != "in the sandbox of b-1" {
		t.Errorf("status %d, %v, %q", status, err, out.String())
	}
}

func TestEndShells(t *testing.T) {
	start := time.Now()
	h := &host{terminated: make(chan string, 8), others: []slipway.Instance{
		{ID: "shell-old", Started: start.Add(-time.Hour)},
		{ID: "shell-new", Started: start.Add(time.Second)},
		{ID: "shell-prod-v001-abc", Group: "shell-prod-v001", Started: start.Add(-time.Hour)},
		{ID: "i-test", Started: start.Add(-time.Hour)},
	}}
	if err := EndShells(t.Context(), h, start); err != nil {
		t.Fatal(err)
	}
	if id := <-h.terminated; id != "shell-old" || len(h.terminated) > 0 {
		t.Errorf("%s was removed, and %d more", id, len(h.terminated))
	}
}

func TestImageTests(t *testing.T) {
	s, _, c := shellServer(t, echo)
	report := slipway.TestReport{Results: []slipway.TestResult{{Name: "http /", Detail: "want status 200, got 500"}}}
	image := slipway.Image{Digest: slipway.DigestOf([]byte("tested")), Application: "hello", Version: "tested", State: slipway.ImageFailed, Tests: &report}
	if err := s.Store.PutImage(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	got, err := c.ImageTests(t.Context(), "hello", "tested")
	if err != nil || len(got.Results) != 1 || got.Results[0] != report.Results[0] {
		t.Errorf("%+v, %v", got, err)
	}
	xml, err := c.ImageJUnit(t.Context(), "hello", "tested")
	if err != nil || !strings.Contains(string(xml), `<failure message="want status 200, got 500"`) {
		t.Errorf("%s, %v", xml, err)
	}
	if got, err := c.ImageTests(t.Context(), "hello", "good"); err != nil || !got.Passed || len(got.Results) != 0 {
		t.Errorf("an image without tests: %+v, %v", got, err)
	}
	if _, err := c.ImageJUnit(t.Context(), "hello", "none"); slipway.CodeOf(err) != slipway.NotFound {
		t.Error(err)
	}
}
