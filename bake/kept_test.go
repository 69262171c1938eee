package bake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/container"
)

// fails bakes a script that fails under a name, to be kept.
func (b *bakery) fails(id, script string, change func(*slipway.RunLayer), context ...entry) error {
	b.t.Helper()
	req := b.runLayer(script, change, context...)
	req.KeepOnFailure = true
	_, err := b.Build(b.t.Context(), bake.Job{ID: id, Request: req, Watch: watch(&shared{}), Secrets: secretsOf(token)})
	if err == nil {
		b.t.Fatal("the script did not fail")
	}
	return err
}

func secretsOf(value string) bake.Secrets {
	return func(context.Context, string) ([]byte, error) { return []byte(value), nil }
}

// types enters a kept sandbox and types lines there.
func (b *bakery) types(id, lines string) (string, int, error) {
	var out shared
	in, typed := io.Pipe()
	defer typed.Close()
	go func() { _, _ = io.WriteString(typed, lines) }()
	status, err := b.Enter(b.t.Context(), id, container.Terminal{In: in, Out: &out, Window: slipway.Window{Rows: 24, Columns: 200}})
	return out.String(), status, err
}

func TestKeepOnFailure(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	err := b.fails("b-one", "set -e; echo made >/etc/made; rm /etc/a; exit 3", func(r *slipway.RunLayer) {
		r.Secrets, r.Inputs, r.Env = []string{"t"}, []string{"in/*"}, map[string]string{"GREETING": "hello"}
	}, entry{"in/put", "input", 0o644})
	wantError(t, err, slipway.Failed, "image.layers[0].run", "enter it with: slipway bake shell b-one\nthere the script is /dev/slipway/setup.sh")
	if !b.Kept("b-one") || b.Kept("b-two") {
		t.Error("the wrong sandboxes are kept")
	}
	out, status, err := b.types("b-one", `cat /etc/made /context/in/put; ls -d /etc/a; echo "[$GREETING] [$(ls /run/secrets)] $(pwd)"; cat /dev/slipway/setup.sh; touch /etc/stays; exit 7`+"\n")
	if err != nil || status != 7 {
		t.Fatalf("got status %d, %v:\n%s", status, err, out)
	}
	for _, want := range []string{"made\r\ninput", "cannot access '/etc/a'", "[hello] [] /context", "echo made >/etc/made"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	if out, _, err := b.types("b-one", "ls /etc/stays; exit\n"); err != nil || strings.Contains(out, "cannot access") {
		t.Errorf("what was done there did not stay: %v\n%s", err, out)
	}
	b.wantNowhere(token)
	for range 2 { // discarding twice is discarding
		if err := b.Discard(t.Context(), "b-one"); err != nil {
			t.Fatal(err)
		}
	}
	b.wantNothingLeft()
	_, _, err = b.types("b-one", "exit\n")
	wantError(t, err, slipway.NotFound, "", "none is kept; bake with --keep-on-failure")
}

// Discarding throws out who is in there.
func TestDiscardEntered(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	_ = b.fails("b-one", "exit 3", nil)
	in, typed := io.Pipe()
	defer typed.Close()
	entered := make(chan struct{})
	go func() { _, _ = io.WriteString(typed, "echo in''side; while :; do sleep 1000; done\n") }()
	ended := make(chan error, 1)
	go func() {
		_, err := b.Enter(t.Context(), "b-one", container.Terminal{In: in, Out: onText("inside", entered)})
		ended <- err
	}()
	<-entered
	if err := b.Discard(t.Context(), "b-one"); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-ended, slipway.ClosedByAbort, "", "it was discarded")
	b.wantNothingLeft()
}

// onText returns a writer that closes done when it has seen text.
func onText(text string, done chan struct{}) io.Writer {
	var seen strings.Builder
	return writer(func(p []byte) {
		had := strings.Contains(seen.String(), text)
		seen.Write(p)
		if !had && strings.Contains(seen.String(), text) {
			close(done)
		}
	})
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// A few are kept, and the start of a new process drops them.
func TestKeptFew(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	for i := range 6 {
		_ = b.fails(fmt.Sprint("b-", i), fmt.Sprintf("exit %d", i+1), nil)
	}
	for i := range 6 {
		if got, want := b.Kept(fmt.Sprint("b-", i)), i > 0; got != want {
			t.Errorf("b-%d is kept: %v, want %v", i, got, want)
		}
	}
	roots, err := filepath.Glob(filepath.Join(b.dir, "cache/work/*/root"))
	if err != nil || len(roots) != 5 {
		t.Errorf("there are %v, %v, want 5", roots, err)
	}
	// The same bake again takes the place of its first try.
	_ = b.fails("b-5", "exit 9", nil)
	if roots, _ := filepath.Glob(filepath.Join(b.dir, "cache/work/*/root")); len(roots) != 5 {
		t.Errorf("there are %v, want 5", roots)
	}
	if err := openBakery(t, b.dir).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantNothingLeft()
}

// What is not worth keeping, or must not be, is not kept.
func TestNotKept(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	err := b.fails("b-one", "base64 /run/secrets/t >/etc/leak; exit 3", func(r *slipway.RunLayer) { r.Secrets = []string{"t"} })
	wantError(t, err, slipway.Failed, "image.layers[0].run", "its sandbox is not kept: ")
	b.wantNowhere(token)
	b.wantNothingLeft()

	ctx, cancel := context.WithCancel(t.Context())
	req := b.runLayer("echo begun; sleep 1000", nil)
	req.KeepOnFailure = true
	_, err = b.Build(ctx, bake.Job{ID: "b-one", Request: req, Watch: watch(onLine(func(string) { cancel() }))})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.wantNothingLeft()

	_ = b.fails("b-one", "sleep 1000", func(r *slipway.RunLayer) { r.Timeout = slipway.Duration(300 * time.Millisecond) })
	if !b.Kept("b-one") {
		t.Error("a script that took too long is not kept")
	}
	if err := b.Discard(t.Context(), "b-one"); err != nil {
		t.Error(err)
	}
}
