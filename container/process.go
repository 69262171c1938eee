package container

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is the first process of a container, held so that its number cannot come to mean another one.
type Process struct {
	PID  int
	file *os.File // a pidfd
}

func openProcess(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, os.ErrProcessDone
	} else if err != nil {
		return nil, fmt.Errorf("cannot watch process %d: %w", pid, err)
	}
	return &Process{PID: pid, file: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// Wait returns nil when the process has ended, or os.ErrClosed when Close is called first. It holds no thread.
func (p *Process) Wait() error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return os.ErrClosed
	}
	if conn.Read(ended) != nil {
		return os.ErrClosed
	}
	return nil
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return true
	}
	var gone bool
	if err := conn.Control(func(fd uintptr) { gone = ended(fd) }); err != nil {
		return true
	}
	return gone
}

// Signal sends a signal; nil if the process has ended. Killing it kills all processes of its container.
func (p *Process) Signal(signal syscall.Signal) error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), signal, nil, 0) })
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return errors.Join(cerr, err)
}

// Close lets go of the process without touching it.
func (p *Process) Close() error { return p.file.Close() }

// ended asks without waiting: a pidfd is readable once its process has ended.
func ended(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}
