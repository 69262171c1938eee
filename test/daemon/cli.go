package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Result is how a run of the command line ended.
type Result struct {
	Args   []string
	Exit   int
	Stdout string
	Stderr string
	Began  time.Time
	Took   time.Duration
}

// Wanted returns an error, with everything that was printed, unless the run ended with the exit status.
func (r Result) Wanted(exit int) error {
	if r.Exit == exit {
		return nil
	}
	return fmt.Errorf("slipway %v ended with exit status %d, not %d:\n%s%s", r.Args, r.Exit, exit, r.Stdout, r.Stderr)
}

// Slipway runs the real command line against this slipwayd and waits for it. The error is about running it at all; how it
// ended is in the Result. When ctx ends first, it is interrupted as by Ctrl-C.
func (d *Daemon) Slipway(ctx context.Context, args ...string) (Result, error) {
	return d.SlipwayTo(ctx, nil, args...)
}

// SlipwayTo is Slipway with a copy of what the command line prints to out, while it runs.
func (d *Daemon) SlipwayTo(ctx context.Context, out io.Writer, args ...string) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.Programs.Slipway(), args...)
	cmd.Env = append(os.Environ(), "SLIPWAY_SERVER="+d.Address())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if out != nil {
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, out), io.MultiWriter(&stderr, out)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	r := Result{Args: args, Began: time.Now()}
	err := cmd.Run()
	r.Took = time.Since(r.Began)
	r.Stdout, r.Stderr = stdout.String(), stderr.String()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		r.Exit = exit.ExitCode()
		return r, nil
	}
	return r, err
}
