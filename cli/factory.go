// Package cli is the command line: a client of slipwayd's API that starts at once, tells what happens while it waits, and
// ends with an exit status that says what came of it. One file holds one verb.
package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/slipway-sh/slipway/client"
)

// Factory is what a command works with. Nothing in it is made before a command asks for it.
type Factory struct {
	In       io.Reader
	Out, Err io.Writer
	Terminal bool                // Out is a terminal and In is too: a person watches and can be asked
	Width    func() int          // of the terminal, in letters
	Env      func(string) string // os.Getenv
	Signals  <-chan os.Signal    // SIGINT and SIGTERM
	Version  string
	RetryFor time.Duration // how long a call is made again that got no answer; 0: as long as the client does by itself

	server  string // --server
	ca      string // --ca
	json    bool   // --json
	running bool   // the command line was understood
}

// client returns a client of the slipwayd that --server or SLIPWAY_SERVER names.
func (f *Factory) client() (*client.Client, error) {
	c, err := client.New(f.where())
	if err != nil {
		return nil, err
	}
	c.Authenticate(f.credentials())
	if f.RetryFor > 0 {
		c.RetryFor = f.RetryFor
	}
	return c, f.trust(c)
}

// where returns where slipwayd is.
func (f *Factory) where() string {
	return cmp.Or(f.server, f.Env("SLIPWAY_SERVER"), client.DefaultServer)
}

// errInterrupted says that a signal ended a command that leaves nothing behind.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that a signal cancels, for work that may simply stop.
func (f *Factory) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-f.Signals:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// look runs what asks slipwayd a few questions and may be interrupted at any time.
func (f *Factory) look(ctx context.Context, run func(context.Context, *client.Client) error) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := f.interruptible(ctx)
	defer stop()
	return run(ctx, c)
}
