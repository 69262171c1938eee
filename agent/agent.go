package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// Main is the whole program. Without arguments it is the first process of a machine; "exec" runs a program beside the service, as
// [Exec] says, and "look" tells what files there are. It returns the exit status.
func Main(args []string) int {
	switch {
	case len(args) < 2:
		return first()
	case args[1] == "exec":
		config, err := readConfig(ConfigPath)
		var e Exec
		if err == nil {
			e, err = readExec()
		}
		code := 127
		if err == nil {
			code, err = config.exec(e)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return code
	case args[1] == "look":
		if err := look(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(os.Stderr, "slipway-agent: cannot %s: the first process of a machine has no arguments\n", args[1])
	return 2
}

// first is the machine's first process.
func first() int {
	config, err := readConfig(ConfigPath)
	code := 127
	if err == nil {
		code, err = run(config)
	}
	record(code, err)
	return code
}

// record tells the host how the service ended.
func record(code int, err error) {
	exit := Exit{Code: code, Time: time.Now()}
	if err != nil {
		fmt.Fprintln(os.Stderr, "slipway-agent:", err)
		exit.Reason = err.Error()
	}
	if b, err := json.Marshal(exit); err == nil {
		_ = os.WriteFile(filepath.Join(StatePath, ExitName), b, 0o600)
	}
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
	if len(config.Command) == 0 {
		return 0, stay(signals)
	}
	s, err := start(config, input)
	input.Close()
	if err != nil {
		fmt.Fprintln(log, "slipway-agent:", err)
		if config.Stay {
			record(127, err)
			return 127, stay(signals)
		}
		return 127, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(struct{ io.Writer }{log}, output)
	}()
	ended := make(chan int, 1)
	go func() { ended <- reap(s.pid) }()
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
			if config.Stay && !s.stopping.Load() {
				record(code, nil)
				return code, stay(signals)
			}
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
	if err := layOut(SecretsPath, config.Secrets, user); err != nil {
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

// stay keeps the machine, without a service, until SIGTERM comes.
func stay(signals <-chan os.Signal) error {
	signal.Ignore(syscall.SIGCHLD) // the kernel reaps
	for sig := range signals {
		if sig == syscall.SIGTERM {
			break
		}
	}
	killAll()
	return nil
}

// killAll kills every process of the machine but this one.
func killAll() { _ = syscall.Kill(-1, syscall.SIGKILL) }
