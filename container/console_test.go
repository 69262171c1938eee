package container_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
)

// person types at a terminal and reads what it shows.
type person struct {
	t     *testing.T
	typed io.WriteCloser

	mu    sync.Mutex
	seen  bytes.Buffer
	fresh chan struct{}
}

func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.fresh <- struct{}{}:
	default:
	}
	return p.seen.Write(b)
}

func (p *person) types(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.typed, text); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until the terminal has shown text since the last time.
func (p *person) sees(text string) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		_, after, found := strings.Cut(p.seen.String(), text)
		if found {
			p.seen.Reset()
			p.seen.WriteString(after)
		}
		p.mu.Unlock()
		if found {
			return
		}
		select {
		case <-p.fresh:
		case <-deadline:
			p.t.Fatalf("the terminal shows %q, want %q", p.seen.String(), text)
		}
	}
}

func sit(t *testing.T) (*person, container.Terminal, chan slipway.Window) {
	in, typed := io.Pipe()
	t.Cleanup(func() { typed.Close() })
	p := &person{t: t, typed: typed, fresh: make(chan struct{}, 1)}
	windows := make(chan slipway.Window)
	return p, container.Terminal{In: in, Out: p, Window: slipway.Window{Columns: 80, Rows: 24}, Windows: windows}, windows
}

func TestTerminal(t *testing.T) {
	r, root := runtime(t), root(t)
	runs := map[string]func(container.Terminal) (int, error){
		"run": func(at container.Terminal) (int, error) {
			spec := container.Spec(container.Options{Root: root, Args: []string{"/bin/probe", "terminal"}})
			return r.RunTerminal(t.Context(), "c1", t.TempDir(), spec, at)
		},
		"exec": func(at container.Terminal) (int, error) {
			p, err := r.Start(t.Context(), "c2", t.TempDir(), container.Spec(container.Options{Root: root, Args: []string{"/bin/probe", "sleep"}}))
			if err != nil {
				return -1, err
			}
			defer p.Close()
			status, err := r.ExecTerminal(t.Context(), "c2", container.ProcessSpec(container.Options{Args: []string{"/bin/probe", "terminal"}}), at)
			return status, errors.Join(err, r.Delete(t.Context(), "c2"))
		},
	}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			p, at, windows := sit(t)
			type end struct {
				status int
				err    error
			}
			ended := make(chan end, 1)
			go func() {
				status, err := run(at)
				ended <- end{status, err}
			}()
			p.sees("80x24\r") // of the very first line both terminals may end the line
			p.types("hello\r")
			p.sees("hello\r\nsaid hello\r\n80x24\r\n") // the first is the terminal's echo
			windows <- slipway.Window{Columns: 132, Rows: 43}
			p.types("resized\r")
			p.sees("said resized\r\n132x43\r\n")
			p.types("exit 5\r")
			if e := <-ended; e.status != 5 || e.err != nil {
				t.Errorf("status %d, %v; want 5", e.status, e.err)
			}
			p, at, _ = sit(t)
			go func() {
				status, err := run(at)
				ended <- end{status, err}
			}()
			p.sees("80x24\r")
			p.types("\x03") // Ctrl-C is the program's
			if e := <-ended; e.status != 128+2 && e.status != 2 || e.err != nil {
				t.Errorf("interrupted: status %d, %v; want that of SIGINT", e.status, e.err)
			}
		})
	}
}

func TestTerminalEndsWithItsContext(t *testing.T) {
	r, root := runtime(t), root(t)
	ctx, cancel := context.WithCancel(t.Context())
	p, at, _ := sit(t)
	ended := make(chan error, 1)
	go func() {
		spec := container.Spec(container.Options{Root: root, Args: []string{"/bin/probe", "terminal"}})
		_, err := r.RunTerminal(ctx, "c1", t.TempDir(), spec, at)
		ended <- err
	}()
	p.sees("80x24")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
