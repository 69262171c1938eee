package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway/test/daemon"
)

// measurePrograms measures how fast the programs start, and what slipwayd takes when it has nothing to do.
func (b *bench) measurePrograms(ctx context.Context) error {
	var cli, nothing []time.Duration
	for range b.runs {
		took, err := timed(exec.CommandContext(ctx, b.programs.Slipway(), "--help"))
		if err != nil {
			return err
		}
		cli = append(cli, took)
		if took, err = timed(exec.CommandContext(ctx, "true")); err != nil {
			return err
		}
		nothing = append(nothing, took)
	}
	b.millis("start of slipway --help", cli, "true", nothing, "median", 30)

	var fresh, again []time.Duration
	var resident []float64
	for i := range b.runs {
		d, err := daemon.New(b.programs, filepath.Join(b.dir, "s"+strconv.Itoa(i)))
		if err != nil {
			return err
		}
		if err := b.measureDaemon(ctx, d, &fresh, &again, &resident); err != nil {
			return errors.Join(err, d.Destroy())
		}
		if err := d.Destroy(); err != nil {
			return err
		}
	}
	b.millis("slipwayd ready, new data directory", fresh, "", nil, "median", 2000)
	b.millis("slipwayd ready, after a kill", again, "", nil, "median", 2000)
	b.add("slipwayd idle, resident", "MiB", resident, "", nil, "max", 300)
	return nil
}

// measureDaemon starts a slipwayd twice: on nothing, and on what the first left when it was killed.
func (b *bench) measureDaemon(ctx context.Context, d *daemon.Daemon, fresh, again *[]time.Duration, resident *[]float64) error {
	for _, samples := range []*[]time.Duration{fresh, again} {
		began := time.Now()
		if err := d.Start(ctx); err != nil {
			return err
		}
		*samples = append(*samples, time.Since(began))
		if samples == fresh {
			d.Kill()
		}
	}
	// Idle is measured a moment after the start, when caches and the garbage of starting are still there: no flattery.
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	mib, err := residentMiB(d.PID())
	*resident = append(*resident, mib)
	return err
}

func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// timed runs a command and returns how long it took; what it prints is part of the error.
func timed(cmd *exec.Cmd) (time.Duration, error) {
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return time.Since(began), nil
}
