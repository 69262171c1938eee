// Command slipway is Slipway's command line. All of it is in package cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // slipway.yaml names time zones, and the host need not know them

	"golang.org/x/term"

	"github.com/slipway-sh/slipway/cli"
)

// version is set by the linker in releases.
var version string

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	out := int(os.Stdout.Fd())
	f := &cli.Factory{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Terminal: term.IsTerminal(out) && term.IsTerminal(int(os.Stdin.Fd())),
		Width: func() int {
			width, _, err := term.GetSize(out)
			if err != nil {
				return 80
			}
			return width
		},
		Env:     os.Getenv,
		Signals: signals,
		Version: version,
	}
	if f.Version == "" {
		f.Version = "(unknown)"
		if info, ok := debug.ReadBuildInfo(); ok {
			f.Version = info.Main.Version
		}
	}
	os.Exit(cli.Main(context.Background(), f, os.Args[1:]))
}
