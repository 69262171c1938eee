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
	// Exec runs a command inside the machine as its service's user and waits for it.
	Exec(ctx context.Context, id string, command []string) (ExecResult, error)
	// Logs returns the service's output: the last lines, then, if follow is set, what comes until ctx is done or the machine is gone.
	// Logs of a machine that is gone are kept for a while.
	Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error)

	// Watch returns a channel that receives the name of a server group ("" for throw-aways) after anything about its instances
	// changed. Signals may be merged, never lost; the receiver reads the live state. The channel is closed when ctx is done.
	Watch(ctx context.Context) <-chan string
}

// ExecResult is how a command inside a machine ended.
type ExecResult struct {
	ExitCode int    `json:"exit_code"`
	Output   string `json:"output"` // stdout and stderr, the last 64 KiB
}
