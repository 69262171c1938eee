package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/console"
)

// terminal returns the terminal that somebody types at, nil if there is none. What is shown may go elsewhere.
func (f *Factory) terminal() *slipway.Terminal {
	in, ok := f.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return &slipway.Terminal{Type: cmp.Or(f.Env("TERM"), "xterm"), Window: windowOf(in)}
}

// attach connects the person with a program that slipwayd runs, until it ends, and returns an outcome with its exit status.
func (f *Factory) attach(ctx context.Context, shell *client.Shell, atTerminal bool) error {
	streams := console.Streams{In: f.In, Out: f.Out, Err: f.Err}
	if atTerminal {
		in := f.In.(*os.File)
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return fmt.Errorf("cannot pass on what is typed: %w", err)
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }() // a terminal that is gone needs no restoring
		windows, stop := watchWindow(in)
		defer stop()
		streams.Windows = windows
	}
	status, err := shell.Attach(ctx, streams)
	if err == nil && status != 0 {
		return &outcome{exit: status}
	}
	return err
}

// watchWindow tells the size of a terminal whenever it changes.
func watchWindow(terminal *os.File) (sizes <-chan slipway.Window, stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	windows, done := make(chan slipway.Window), make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
			case <-done:
				return
			}
			select {
			case windows <- windowOf(terminal):
			case <-done:
				return
			}
		}
	}()
	return windows, func() { signal.Stop(changed); close(done) }
}

func windowOf(terminal *os.File) slipway.Window {
	columns, rows, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return slipway.Window{Columns: 80, Rows: 24}
	}
	return slipway.Window{Columns: uint16(columns), Rows: uint16(rows)}
}
