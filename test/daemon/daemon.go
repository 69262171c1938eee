package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway/client"
)

// Daemon is a slipwayd on a data directory. Start, Kill and Stop are for one goroutine; the rest is safe for concurrent use.
type Daemon struct {
	Programs Programs
	Data     string   // the data directory, absolute
	Env      []string // variables that slipwayd gets beside ours, each "name=value"
	Args     []string // of slipwayd, beside its data directory; [New] has it speak to webhooks and Prometheus on 127.0.0.1
	API      *client.Client

	name   string // of its socket and log; "" for slipwayd's own names
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has been waited for
}

// patience bounds every wait for a process to come up or to go.
const patience = 60 * time.Second

// New returns a daemon that has not been started. The data directory must have a short name: sockets live in it.
func New(programs Programs, data string) (*Daemon, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	d := &Daemon{Programs: programs, Data: data, Args: []string{"--allow-outbound", "127.0.0.1"}}
	d.API, err = client.New(d.Address())
	return d, err
}

// Partner returns a daemon that has not been started on the same data directory, with a socket and a log of its own.
func (d *Daemon) Partner(name string) (*Daemon, error) {
	p := &Daemon{Programs: d.Programs, Data: d.Data, Env: d.Env, name: name}
	p.Args = append(slices.Clone(d.Args), "--listen", p.Address())
	var err error
	p.API, err = client.New(p.Address())
	return p, err
}

// Address is where the API is, in the form that --server and $SLIPWAY_SERVER take.
func (d *Daemon) Address() string {
	return "unix:" + filepath.Join(d.Data, cmp.Or(d.name, "slipwayd")+".sock")
}

// LogPath is the file that slipwayd's own output goes to. It lies beside the data directory and outlives it.
func (d *Daemon) LogPath() string {
	if d.name != "" {
		return d.Data + "." + d.name + ".log"
	}
	return d.Data + ".log"
}

// Start starts slipwayd and returns when it is ready.
func (d *Daemon) Start(ctx context.Context) error {
	if err := d.Launch(); err != nil {
		return err
	}
	if err := d.Ready(ctx); err != nil {
		d.Kill()
		return err
	}
	return nil
}

// Launch starts slipwayd, and does not wait until it is ready.
func (d *Daemon) Launch() error {
	log, err := os.OpenFile(d.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.Programs.Slipwayd(), append([]string{"--data", d.Data}, d.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), d.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it in order
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start slipwayd: %w", err)
	}
	d.cmd, d.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait() // how it ended stands in ProcessState
		close(exited)
	}(d.exited)
	return nil
}

// Ready waits until slipwayd says that it is ready.
func (d *Daemon) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if health, err := d.API.Health(ctx); err == nil && health.Ready {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("slipwayd ended instead of getting ready: %s\n%s", d.cmd.ProcessState, d.LogTail(20))
		case <-ctx.Done():
			return fmt.Errorf("slipwayd did not get ready: %w\n%s", ctx.Err(), d.LogTail(20))
		case <-tick.C:
		}
	}
}

// PID returns the process's number.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Exited is closed when slipwayd has ended, by itself or not.
func (d *Daemon) Exited() <-chan struct{} { return d.exited }

// Kill ends slipwayd with SIGKILL, as a crash would, and returns when it is gone. Its machines go on.
func (d *Daemon) Kill() {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Kill()
	<-d.exited
	d.cmd = nil
}

// Stop ends slipwayd with SIGTERM and returns when it is gone. Its machines go on. It fails if slipwayd did not end well.
func (d *Daemon) Stop() error {
	if d.cmd == nil {
		return nil
	}
	cmd := d.cmd
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(patience):
		d.Kill()
		return errors.New("slipwayd did not end within a minute of SIGTERM")
	}
	d.cmd = nil
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("slipwayd ended badly: %s\n%s", cmd.ProcessState, d.LogTail(20))
	}
	return nil
}

// Destroy stops slipwayd, if it runs, and everything that belongs to its data directory, removes the directory, and reports
// what is left all the same. It also clears up after a process that had no time to do so itself.
func (d *Daemon) Destroy() error {
	stopped := d.Stop()
	if _, err := os.Stat(d.Data); errors.Is(err, os.ErrNotExist) {
		return stopped
	}
	if err := d.killStranger(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.Data, "slipwayd.lock")); errors.Is(err, os.ErrNotExist) && len(Leftovers(d.Data)) == 0 {
		return errors.Join(stopped, os.RemoveAll(d.Data)) // what an interrupted destroy has left
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, d.Programs.Slipwayd(), "destroy", "--data", d.Data, "--yes").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot destroy what belongs to %s: %w\n%s", d.Data, err, out)
	}
	if left := Leftovers(d.Data); len(left) > 0 {
		return fmt.Errorf("left behind by %s: %s", d.Data, strings.Join(left, ", "))
	}
	if err := os.RemoveAll(d.Data); err != nil {
		return err
	}
	return stopped
}

// killStranger ends a slipwayd that someone else left running on our data directory, if there is one.
func (d *Daemon) killStranger() error {
	text, _ := os.ReadFile(filepath.Join(d.Data, "slipwayd.lock"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if !runsOn(pid, d.Data) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot end process %d on %s: %w", pid, d.Data, err)
	}
	for deadline := time.Now().Add(patience); runsOn(pid, d.Data); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d on %s does not end", pid, d.Data)
		}
	}
	return nil
}

// runsOn reports whether process pid was started with the data directory among its arguments.
func runsOn(pid int, data string) bool {
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains("\x00"+string(args), "\x00"+data+"\x00")
}

// LogTail returns the last lines of slipwayd's own output.
func (d *Daemon) LogTail(lines int) string {
	file, err := os.Open(d.LogPath())
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-64<<10), 64<<10))
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
