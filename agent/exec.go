package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// ExecName is the environment variable that tells "slipway-agent exec" what to do: an [Exec] in JSON.
const ExecName = "SLIPWAY_EXEC"

// FilesPath is a directory in memory, apart from the machine's root, for the files of an [Exec].
const FilesPath = "/run/slipway/files"

// Exec is a program to be run beside the service. Its zero fields are the service's.
type Exec struct {
	Command   []string          `json:"command"` // empty: the machine's shell
	User      string            `json:"user,omitempty"`
	Env       map[string]string `json:"env,omitempty"` // on top of the service's
	Directory string            `json:"directory,omitempty"`
	Files     bool              `json:"files,omitempty"`    // standard input is a tar, unpacked into a new directory, where the program runs
	Terminal  bool              `json:"terminal,omitempty"` // the standard streams are a terminal
}

func readExec() (e Exec, err error) {
	if err = json.Unmarshal([]byte(os.Getenv(ExecName)), &e); err != nil {
		err = fmt.Errorf("%s: %w", ExecName, err)
	}
	return e, err
}

// exec runs a program and returns its exit status. When the program has ended, or this process is told to end, all that the program
// left running is killed and its files are removed.
func (c Config) exec(e Exec) (code int, err error) {
	spareThreads()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := adoptOrphans(); err != nil {
		return 127, err
	}
	if e.User != "" {
		c.User = e.User
	}
	if e.Directory != "" {
		c.Directory = e.Directory
	}
	env := maps.Clone(c.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, e.Env)
	c.Env = env
	user, err := lookupUser(c.User, "/etc/passwd", "/etc/group")
	if err != nil {
		return 127, err
	}
	streams := []uintptr{os.Stdin.Fd(), os.Stdout.Fd(), os.Stderr.Fd()}
	if e.Files {
		if c.Directory, err = os.MkdirTemp(FilesPath, "files-"); err != nil {
			return 127, err
		}
		defer os.RemoveAll(c.Directory)
		if err := unpack(os.Stdin, c.Directory, int(user.uid), int(user.gid)); err != nil {
			return 127, fmt.Errorf("cannot lay out the files: %w", err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 127, err
		}
		defer null.Close()
		streams[0] = null.Fd()
	}
	pid, err := c.fork(e, user, streams)
	if err != nil {
		return 127, err
	}
	ended := make(chan int, 1)
	go func() { ended <- reap(pid) }()
	select {
	case code = <-ended:
	case s := <-end:
		code = 128 + int(s.(syscall.Signal))
	}
	endDescendants()
	return code, nil
}

// spareThreads makes threads ahead of need. When a program has used up all the processes that its machine may have, none can be made any
// more, and this process must still be able to end it.
func spareThreads() {
	const enough = 8
	var all sync.WaitGroup
	all.Add(enough)
	for range enough {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // with which the thread stays, for others
			all.Done()
			all.Wait()
		}()
	}
	all.Wait()
}

func (c Config) fork(e Exec, user user, streams []uintptr) (pid int, err error) {
	if len(e.Command) == 0 {
		if e.Command, err = c.shell(user); err != nil {
			return 0, err
		}
	}
	program, err := c.enter(user, e.Command)
	if err != nil {
		return 0, err
	}
	// So that the program can open /dev/stdout or its terminal.
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		_ = f.Chown(int(user.uid), int(user.gid))
	}
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.uid, Gid: user.gid, Groups: user.groups}}
	if e.Terminal {
		attr.Foreground = true // Ctrl-C is for the program, not for this process
	} else {
		attr.Setsid = true
	}
	pid, err = syscall.ForkExec(program, e.Command, &syscall.ProcAttr{Env: os.Environ(), Files: streams, Sys: attr})
	if err != nil {
		return 0, fmt.Errorf("cannot run %s: %w", program, err)
	}
	return pid, nil
}

// shells are tried in this order, after the user's own.
var shells = [][]string{{"/bin/bash"}, {"/bin/sh"}, {"/bin/ash"}, {"/bin/busybox", "sh"}, {"/usr/bin/busybox", "sh"}}

// shell returns the user's shell, or one that the machine has.
func (c Config) shell(user user) ([]string, error) {
	for _, s := range append([][]string{{user.shell}}, shells...) {
		if base := filepath.Base(s[0]); base == "nologin" || base == "false" {
			continue
		}
		if info, err := os.Stat(s[0]); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return s, nil
		}
	}
	hint := "/path/of/program"
	if len(c.Command) > 0 {
		hint = strings.Join(c.Command, " ")
	}
	return nil, fmt.Errorf("this machine has no shell; name a program that it has, such as: -- %s", hint)
}
