package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

// Options says how to run the demo.
type Options struct {
	Bin      string // directory with the programs
	Examples string // directory with the example applications
	Dir      string // everything the demo makes
	Rate     int    // requests per second
	Short    bool   // without the Debian image
}

// Demo is one run.
type Demo struct {
	options Options
	out     io.Writer
	daemon  *daemon.Daemon
	load    *load.Generator // nil until there is something to ask
	site    int             // ports of the load balancers
	hello   int
	steps   []step
}

// step is something the demo did.
type step struct {
	name    string
	outcome string
	took    time.Duration
	counts  load.Counts // of the requests during the step
	err     error
}

var (
	prod    = slipway.Cluster{Application: "hello", Environment: "prod"}
	siteDev = slipway.Cluster{Application: "site", Environment: "dev"}
)

// Run runs the demo and clears up after it. It returns nil only if every step did what it should and no request failed.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	if err := daemon.Prepared(); err != nil {
		return fail(err)
	}
	d, unlock, err := open(o, out)
	if err != nil {
		return fail(err)
	}
	defer unlock()
	if err := d.clear(); err != nil {
		return fail(fmt.Errorf("cannot clear up after an earlier demo: %w", err))
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fail(err)
	}

	failed := d.play(ctx)
	var counts load.Counts
	if d.load != nil {
		counts = d.load.Stop()
	}
	if failed != nil {
		d.explain(failed)
	}
	if err := d.clear(); err != nil {
		failed = errors.Join(failed, fmt.Errorf("cannot clear up: %w", err))
		fmt.Fprintf(out, "\ncannot clear up: %v\n", err)
	}
	printTable(out, d.steps)
	fmt.Fprintf(out, "\ndemo: %d requests, %d failed\n", counts.Sent, counts.Failed)
	if failed == nil && counts.Failed > 0 {
		return errors.New("requests failed")
	}
	return failed
}

// Clean removes what an interrupted demo left: machines, load balancer, mounts, network, files.
func Clean(_ context.Context, o Options, out io.Writer) error {
	d, unlock, err := open(o, out)
	if err != nil {
		return fail(err)
	}
	defer unlock()
	if err := d.clear(); err != nil {
		return fail(err)
	}
	return nil
}

// open makes a Demo that has the directory for itself.
func open(o Options, out io.Writer) (*Demo, func(), error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, nil, err
	}
	bin, err := filepath.Abs(o.Bin)
	if err != nil {
		return nil, nil, err
	}
	o.Dir = dir
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, nil, err
	}
	lock := flock.New(dir + ".lock")
	if held, err := lock.TryLock(); err != nil {
		return nil, nil, fmt.Errorf("cannot lock %s: %w", lock.Path(), err)
	} else if !held {
		return nil, nil, fmt.Errorf("another demo is running in %s", dir)
	}
	d := &Demo{options: o, out: out}
	d.daemon, err = daemon.New(daemon.Programs(bin), filepath.Join(dir, "data"))
	return d, func() { _ = lock.Close() }, err
}

// clear stops and removes everything a demo in this directory has made, in this process or in one that was killed.
func (d *Demo) clear() error {
	if _, err := os.Stat(d.options.Dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := d.daemon.Destroy(); err != nil {
		return err
	}
	return os.RemoveAll(d.options.Dir)
}

// play takes the steps in order until one fails.
func (d *Demo) play(ctx context.Context) error {
	for _, s := range []struct {
		name string
		long bool
		do   func(context.Context) (string, error)
	}{
		{"start slipwayd", false, d.startSlipwayd},
		{"ship site: nginx on Debian, base baked too", true, d.shipSite},
		{"ship hello v1, 3 machines", false, d.shipFirst},
		{"ship v2, red/black", false, d.shipSecond},
		{"ship v3: never healthy in prod", false, d.shipUnhealthy},
		{"ship v4: crashes after 2 s of traffic", false, d.shipCrashing},
		{"ship v5, kill -9 slipwayd half way", false, d.shipThroughKill},
		{"roll back to v2", false, d.rollBack},
	} {
		if s.long && d.options.Short {
			continue
		}
		fmt.Fprintf(d.out, "\n== %s\n", s.name)
		before, began := d.counts(), time.Now()
		outcome, err := s.do(ctx)
		done := step{name: s.name, outcome: outcome, took: time.Since(began), counts: d.counts().Minus(before), err: err}
		d.steps = append(d.steps, done)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "   %s\n", outcome)
	}
	return nil
}

func (d *Demo) counts() load.Counts {
	if d.load == nil {
		return load.Counts{}
	}
	return d.load.Counts()
}

// explain prints what a person needs to find out why a step failed, before the clean-up takes it away.
func (d *Demo) explain(err error) {
	fmt.Fprintf(d.out, "\nthis did not do what it should: %v\n", err)
	if errors.Is(err, context.Canceled) {
		return
	}
	fmt.Fprintf(d.out, "\nthe last lines of slipwayd's log:\n%s\n", indent(d.daemon.LogTail(25)))
	if d.load == nil {
		return
	}
	for _, failure := range d.load.Failures() {
		fmt.Fprintf(d.out, "failed request: %s\n", failure)
	}
}

func indent(text string) string { return "   " + strings.ReplaceAll(text, "\n", "\n   ") }
