package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running HAProxy master.
type process struct {
	pid   int
	ended chan struct{} // closed when it has ended
	stop  func()        // ends the watching, not the process
}

// watch returns the process pid, whose end is told by the kernel. It need not be a child.
func watch(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	p := &process{pid: pid, ended: make(chan struct{}), stop: func() { file.Close() }}
	go func() {
		err := raw.Read(func(fd uintptr) bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
		if err == nil {
			close(p.ended)
		}
		file.Close()
	}()
	return p, nil
}

// terminate ends the process and its workers at once and waits for it.
func (p *process) terminate(ctx context.Context) error {
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// adopt takes over a HAProxy that answers on the directory's socket.
func (r *Router) adopt(ctx context.Context) error {
	procs, err := r.cli.processes(ctx)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil // none runs
	}
	if err != nil {
		return err
	}
	if r.proc, err = watch(procs.master); err != nil {
		return err
	}
	pending := filepath.Join(r.dir, pendingName)
	if _, err := os.Stat(pending); err == nil || procs.current().pid == 0 {
		if err := r.reload(ctx); err != nil {
			return err
		}
		if err := os.Remove(pending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	r.log.Info("load balancer adopted", "pid", procs.master)
	return nil
}

// start starts HAProxy with the configuration file and waits until it serves. It becomes a session of its own, so that
// nothing that ends slipwayd, a terminal's Ctrl-C included, ends it.
func (r *Router) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(r.dir, logName), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil && info.Size() > 1<<20 {
		_ = log.Truncate(0) // then it grows on
	}
	cmd := exec.Command(r.program, "-W", "-S", "unix@"+socketName+",mode,600", "-f", configName)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	began, _ := log.Seek(0, 2)
	err = cmd.Start()
	if errors.Is(err, exec.ErrNotFound) {
		return notInstalled()
	}
	if err != nil {
		return fmt.Errorf("start the load balancer: %w", err)
	}
	proc, err := watch(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }() // reaps it; how it ended is in its log
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		procs, err := r.cli.processes(ctx)
		if err == nil && procs.master == proc.pid && procs.current().pid != 0 {
			if _, err = r.cli.run(ctx, procs.current().pid, "show version"); err == nil {
				r.proc = proc
				r.wake()
				r.log.Info("load balancer started", "pid", proc.pid)
				return nil
			}
		}
		select {
		case <-proc.ended:
			said := make([]byte, 4096)
			n, _ := log.ReadAt(said, began)
			return fmt.Errorf("start the load balancer: it ended at once: %s", lastLines(said[:n]))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("start the load balancer: %w", ctx.Err()), proc.terminate(context.WithoutCancel(ctx)))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// errReload is a reload that HAProxy refused. As it has found the configuration good before, a listener is why.
var errReload = errors.New("the load balancer cannot bind it; its log says why")

// reload has the master start a new worker with the configuration file, and waits until it serves.
func (r *Router) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	before, err := r.cli.processes(ctx)
	if err != nil {
		return unavailable(err)
	}
	// The master closes the connection when it begins anew, so how the exchange ends says nothing.
	_, _ = r.cli.exchange(ctx, "reload")
	for {
		now, err := r.cli.processes(ctx)
		switch {
		case err != nil:
		case now.failed > before.failed:
			return errReload
		case now.current().pid != 0 && now.current() != before.current() && r.handedOver(ctx, now):
			return nil
		}
		select {
		case <-r.proc.ended:
			return errors.New("reload the load balancer: it ended; its log says why")
		case <-ctx.Done():
			return fmt.Errorf("reload the load balancer: %w", ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// handedOver reports whether the new worker serves, and the old ones know that they are to end.
func (r *Router) handedOver(ctx context.Context, now processes) bool {
	for _, w := range now.workers {
		said, err := r.cli.run(ctx, w.pid, "show info")
		if err != nil || !w.old && !strings.Contains(said, "\nStopping: 0") || w.old && strings.Contains(said, "\nStopping: 0") {
			return false
		}
	}
	return true
}

// keep starts HAProxy again when it ends, and deletes servers that left, until ctx is done.
func (r *Router) keep(ctx context.Context) {
	defer close(r.done)
	wait := time.Duration(0)
	for {
		proc, sweeping := r.look(ctx)
		var ended <-chan struct{}
		var tick <-chan time.Time
		switch {
		case proc != nil:
			ended, wait = proc.ended, 0
			if sweeping {
				tick = time.After(100 * time.Millisecond)
			}
		case len(r.poolsNow()) > 0:
			wait = min(max(2*wait, 50*time.Millisecond), time.Second)
			tick = time.After(wait)
		}
		select {
		case <-ctx.Done():
			if proc != nil {
				proc.stop()
			}
			return
		case <-ended:
		case <-r.changed:
		case <-tick:
		}
	}
}

// look starts HAProxy if it should run and does not, and sweeps. It returns the process that runs, and whether there is more to sweep.
func (r *Router) look(ctx context.Context) (*process, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noticeEnd()
	if r.closed {
		return nil, false
	}
	if r.proc == nil && len(r.poolsNow()) > 0 {
		r.log.Warn("the load balancer does not run; starting it")
		if err := r.start(ctx); err != nil {
			r.log.Error("cannot start the load balancer", "err", err)
		}
	}
	if r.proc != nil && len(r.retired) > 0 {
		if err := r.sweep(ctx); err != nil {
			r.log.Warn("cannot remove old servers from the load balancer", "err", err)
		}
	}
	return r.proc, len(r.retired) > 0
}

// noticeEnd forgets a HAProxy that has ended.
func (r *Router) noticeEnd() {
	if r.proc == nil {
		return
	}
	select {
	case <-r.proc.ended:
		r.proc = nil
	default:
	}
}

// wake has the keeper look again.
func (r *Router) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}
