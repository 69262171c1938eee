package container

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/creack/pty"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/slipway-sh/slipway"
)

// Terminal is the person's end of a terminal that a container's process has.
type Terminal struct {
	In      io.Reader             // what is typed. It is read until it ends; its end says nothing to the process
	Out     io.Writer             // what is shown
	Window  slipway.Window        // its size at the beginning
	Windows <-chan slipway.Window // its size whenever it changes; may be nil or be closed
}

// RunTerminal is as [Runtime.Run] for a first process that has a terminal. A read of t.In that is under way when the process has
// ended is not waited for.
func (r *Runtime) RunTerminal(ctx context.Context, id, bundle string, spec *specs.Spec, t Terminal) (int, error) {
	attached := *spec
	attached.Process = t.attach(spec.Process)
	return t.serve(func(stdio Stdio) (int, error) { return r.Run(ctx, id, bundle, &attached, stdio) })
}

// ExecTerminal is as [Runtime.Exec] for a process that has a terminal. A read of t.In that is under way when the process has ended is
// not waited for.
func (r *Runtime) ExecTerminal(ctx context.Context, id string, process *specs.Process, t Terminal) (int, error) {
	return t.serve(func(stdio Stdio) (int, error) { return r.Exec(ctx, id, t.attach(process), stdio) })
}

// attach returns the process with a terminal of the window's size.
func (t Terminal) attach(process *specs.Process) *specs.Process {
	attached := *process
	attached.Terminal = true
	attached.ConsoleSize = &specs.Box{Height: uint(t.Window.Rows), Width: uint(t.Window.Columns)}
	return &attached
}

// serve runs a process at a terminal and returns its exit status when all that it printed has been passed on. runc makes the terminal
// inside the container, and copies between that one and the one it is itself run at, which is made here: so it stays the process's
// parent and tells its exit status. When this process dies, runc and what it runs are hung up, as by a line that breaks.
func (t Terminal) serve(run func(Stdio) (int, error)) (int, error) {
	ours, its, err := pty.Open()
	if err != nil {
		return -1, fmt.Errorf("cannot make a terminal: %w", err)
	}
	defer ours.Close()
	defer its.Close()
	if err := passOn(int(its.Fd())); err != nil {
		return -1, fmt.Errorf("cannot make a terminal: %w", err)
	}
	if err := resize(ours, t.Window); err != nil {
		return -1, err
	}
	go func() { _, _ = io.Copy(ours, t.In) }()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case w, ok := <-t.Windows:
				if !ok {
					return
				}
				_ = resize(ours, w) // fails once the process has ended
			case <-ended:
				return
			}
		}
	}()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(t.Out, ours) // ends with an error when nobody has the other end open
	}()
	status, err := run(Stdio{In: its, Out: its, Err: its, terminal: true})
	its.Close()
	<-shown
	return status, err
}

// passOn makes a terminal leave everything to the one in the container: echo, lines, signals; but for one thing, the carriage return
// at the end of a line of output, which runc makes that one leave to this one.
func passOn(fd int) error {
	if _, err := term.MakeRaw(fd); err != nil {
		return err
	}
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	settings.Oflag = unix.OPOST | unix.ONLCR
	return unix.IoctlSetTermios(fd, unix.TCSETS, settings)
}

func resize(terminal *os.File, w slipway.Window) error {
	if w.Rows == 0 || w.Columns == 0 {
		return nil
	}
	return pty.Setsize(terminal, &pty.Winsize{Rows: w.Rows, Cols: w.Columns})
}
