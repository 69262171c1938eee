package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// Main is the whole program: without arguments the first process of a machine, with "exec program arguments…" that program in
// the service's place and as its user. It returns the exit status.
func Main(args []string) int {
	config, err := readConfig(ConfigPath)
	if len(args) > 2 && args[1] == "exec" {
		if err == nil {
			err = config.exec(args[2:])
		}
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	code := 127
	if err == nil {
		code, err = run(config)
	}
	exit := Exit{Code: code, Time: time.Now()}
	if err != nil {
		fmt.Fprintln(os.Stderr, "slipway-agent:", err)
		exit.Reason = err.Error()
	}
	if b, err := json.Marshal(exit); err == nil {
		_ = os.WriteFile(filepath.Join(StatePath, ExitName), b, 0o600)
	}
	return code
}

// exec replaces this process.
func (c Config) exec(command []string) error {
	user, err := lookupUser(c.User, "/etc/passwd", "/etc/group")
	if err != nil {
		return err
	}
	program, err := c.enter(user, command)
	if err != nil {
		return err
	}
	if err := user.become(); err != nil {
		return err
	}
	return fmt.Errorf("cannot run %s: %w", program, syscall.Exec(program, command, os.Environ()))
}

// service is the process that this machine is for.
type service struct {
	pid      int
	started  time.Time
	stopping atomic.Bool
}

// run starts the service and returns its exit status when it has ended and its output is kept.
func run(config Config) (int, error) {
	// Before anything is started: a signal that comes while this process has no handler is lost on a first process.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)

	log, err := openLog(StatePath, LogSize)
	if err != nil {
		return 127, err
	}
	output, input, err := os.Pipe()
	if err != nil {
		return 127, err
	}
	s, err := start(config, input)
	input.Close()
	if err != nil {
		fmt.Fprintln(log, "slipway-agent:", err)
		return 127, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(struct{ io.Writer }{log}, output)
	}()
	ended := make(chan int, 1)
	go func() { ended <- s.reap() }()
	go s.answer(filepath.Join(StatePath, SocketName))

	var drained <-chan time.Time
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGTERM {
				// The host repeats itself, as the first one may have come before this process listened. To many a service a
				// second one means: at once.
				if s.stopping.Swap(true) {
					continue
				}
				drained = time.After(config.Drain)
			}
			_ = syscall.Kill(s.pid, sig.(syscall.Signal))
		case <-drained:
			killAll()
		case code := <-ended:
			// What the service left running holds its output open.
			killAll()
			select {
			case <-written:
			case <-time.After(time.Second):
			}
			return code, nil
		}
	}
}

func start(config Config, output *os.File) (*service, error) {
	user, err := lookupUser(config.User, "/etc/passwd", "/etc/group")
	if err != nil {
		return nil, err
	}
	program, err := config.enter(user, config.Command)
	if err != nil {
		return nil, err
	}
	// So that it can open /dev/stdout, as many services do.
	if err := output.Chown(int(user.uid), int(user.gid)); err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pid, err := syscall.ForkExec(program, config.Command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: user.uid, Gid: user.gid, Groups: user.groups},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", program, err)
	}
	return &service{pid: pid, started: time.Now()}, nil
}

// reap waits for every child, orphans included, until the service has ended.
func (s *service) reap() (code int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 127
		case pid == s.pid && status.Signaled():
			return 128 + int(status.Signal())
		case pid == s.pid && status.Exited():
			return status.ExitStatus()
		}
	}
}

// killAll kills every process of the machine but this one.
func killAll() { _ = syscall.Kill(-1, syscall.SIGKILL) }
