// Bench measures what Slipway promises to be fast at, each figure beside its reference in the same run on the same machine,
// and writes the figures to a JSON file. `make bench` runs it. A missed limit is reported (ok: false) and is no error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway/test/daemon"
)

func main() {
	bin := flag.String("bin", "build", "directory with the programs")
	out := flag.String("out", "build/bench.json", "file for the figures")
	examples := flag.String("examples", "examples", "directory with the example applications")
	runs := flag.Int("runs", 10, "how often each thing is measured, at least 10 for figures that count")
	rate := flag.Int("rate", 500, "requests per second during rollouts")
	only := flag.String("only", "", "one group of figures alone: programs, launch, bake, base, rollout, engine, waiting or api")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *out, *examples, *runs, *rate, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, out, examples string, runs, rate int, only string) (err error) {
	if err := daemon.Prepared(); err != nil {
		return err
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/tmp", "sw") // short: sockets live in it
	if err != nil {
		return err
	}
	b := &bench{programs: daemon.Programs(bin), dir: dir, examples: examples, runs: runs, rate: rate}
	defer func() {
		if e := b.close(); e != nil {
			err = errors.Join(err, e)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	for _, group := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"programs", b.measurePrograms},
		{"launch", b.measureLaunch},
		{"bake", b.measureBake},
		{"base", b.measureBase},
		{"rollout", b.measureRollout},
		{"engine", b.measureEngine},
		{"waiting", b.measureWaiting},
		{"api", b.measureAPI},
	} {
		if only != "" && only != group.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", group.name)
		if err := group.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", group.name, err)
		}
	}
	text, err := json.MarshalIndent(b.results, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		return err
	}
	printTable(os.Stdout, b.results)
	for _, r := range b.results {
		if len(r.Rows) > 0 {
			printWaiting(os.Stdout, r.Rows)
		}
	}
	return nil
}

// bench is one run: what it works with, and what it has measured so far.
type bench struct {
	programs daemon.Programs
	dir      string // for everything it makes
	examples string
	runs     int
	rate     int
	daemon   *daemon.Daemon // started by the first that needs it
	results  []Result
}

// slipwayd returns a slipwayd that is ready.
func (b *bench) slipwayd(ctx context.Context) (*daemon.Daemon, error) {
	if b.daemon != nil {
		return b.daemon, nil
	}
	d, err := daemon.New(b.programs, filepath.Join(b.dir, "d"))
	if err != nil {
		return nil, err
	}
	b.daemon = d
	return d, d.Start(ctx)
}

func (b *bench) close() error {
	if b.daemon == nil {
		return nil
	}
	return b.daemon.Destroy()
}
