package slipway

import (
	"context"
	"io"
)

// Provider runs machines. Methods are safe for concurrent use, read live state, and return NotFound, Conflict, Unprepared,
// Corrupt or Invalid errors; all others are passing faults that may be retried. Every mutating method is idempotent: calling
// it again after a lost reply, or after the control plane died half way, completes the work and makes nothing twice.
type Provider interface {
	// EnsureServerGroup makes the group, or adopts what an earlier call left of it, and returns without waiting for health.
	// From then on the provider keeps it at its desired size and replaces instances that are dead or unhealthy.
	// A group of the same name made from another spec is a Conflict.
	EnsureServerGroup(ctx context.Context, spec ServerGroupSpec) error
	// ServerGroup returns the group as it is now.
	ServerGroup(ctx context.Context, name string) (ServerGroup, error)
	// ServerGroups returns all groups as they are now, by name.
	ServerGroups(ctx context.Context) ([]ServerGroup, error)
	// ResizeServerGroup sets the size and returns without waiting. Surplus instances are stopped gracefully.
	ResizeServerGroup(ctx context.Context, name string, size Size) error
	// DestroyServerGroup stops all instances gracefully and forgets the group. It returns when nothing of it is left; nil if it does not exist.
	DestroyServerGroup(ctx context.Context, name string) error

	// Launch starts a throw-away machine, or finds it running, and returns without waiting for health.
	Launch(ctx context.Context, spec MachineSpec) (Instance, error)
	// Instance returns an instance as it is now: of a group or a throw-away.
	Instance(ctx context.Context, id string) (Instance, error)
	// Instances returns every instance there is.
	Instances(ctx context.Context) ([]Instance, error)
	// Terminate stops an instance gracefully and removes it. One of a server group is replaced. nil if it does not exist.
	Terminate(ctx context.Context, id string) error
	// Exec runs a program inside the machine and waits for it. However it ends, ctx ending included, nothing that it started goes
	// on, and nothing is left of its files. Conflict if the machine does not run.
	Exec(ctx context.Context, id string, exec Exec) (ExecResult, error)
	// Logs returns the service's output: the last lines, then, if follow is set, what comes until ctx is done or the machine is gone.
	// Logs of a machine that is gone are kept for a while.
	Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error)

	// Watch returns a channel that receives the name of a server group ("" for throw-aways) after anything about its instances
	// changed. Signals may be merged, never lost; the receiver reads the live state. The channel is closed when ctx is done.
	Watch(ctx context.Context) <-chan string
}

// Exec is a program to be run inside a machine.
type Exec struct {
	Command   []string          // the first word is looked up in PATH if it has no slash; empty: the machine's shell, whichever it has
	User      string            // as in Service.User; default: the service's
	Env       map[string]string // on top of the service's
	Directory string            // where it runs; default: the service's
	Files     io.Reader         // a tar: the program runs in a new directory of these files, kept in memory and owned by its user; not with Stdin
	Stdin     io.Reader         // default: empty. A read that is under way when the program has ended is not waited for
	Stdout    io.Writer         // default: the result's Output
	Stderr    io.Writer         // default: the result's Output
	Terminal  *Terminal         // the program has a terminal: Stdin is what is typed, Stdout what is shown
}

// Terminal is a terminal that a program runs at.
type Terminal struct {
	Type    string        `json:"type,omitempty"` // the environment variable TERM: what escape sequences it knows
	Window  Window        `json:"window"`         // at the beginning
	Windows <-chan Window `json:"-"`              // whenever it changes; may be nil or be closed
}

// Window is the size of a terminal, in letters.
type Window struct {
	Columns uint16 `json:"columns"`
	Rows    uint16 `json:"rows"`
}

// ExecResult is how a program inside a machine ended.
type ExecResult struct {
	ExitCode int    `json:"exit_code"` // 128 + n after signal n; 127 if it could not be started, with the reason in its error output
	Output   string `json:"output"`    // what went to no Stdout or Stderr, the last 64 KiB
}
