package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway"
)

// KillMachine ends a machine behind slipwayd's back: SIGKILL to its first process, as the kernel sends when memory runs out.
func (d *Daemon) KillMachine(ctx context.Context, id string) error {
	out, err := exec.CommandContext(ctx, "runc", "--root", filepath.Join(d.Data, "local/runc"), "state", id).Output()
	if err != nil {
		return fmt.Errorf("cannot ask runc about machine %s: %w", id, err)
	}
	var state struct{ Pid int }
	if err := json.Unmarshal(out, &state); err != nil {
		return fmt.Errorf("cannot read runc's answer about machine %s: %w", id, err)
	}
	if state.Pid <= 1 {
		return fmt.Errorf("machine %s does not run: %s", id, out)
	}
	return syscall.Kill(state.Pid, syscall.SIGKILL)
}

// AwaitHealthy returns a cluster's status once the group that serves it has so many healthy instances, none of them the one
// that is named. It fails when ctx is done or after two minutes.
func (d *Daemon) AwaitHealthy(ctx context.Context, cluster slipway.Cluster, want int, without string) (slipway.ClusterStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := d.API.Cluster(ctx, cluster)
		if err == nil && healthy(status, without) == want {
			return status, nil
		}
		select {
		case <-ctx.Done():
			return status, fmt.Errorf("%s has %d healthy instances without %q, want %d: %w", cluster, healthy(status, without), without, want, ctx.Err())
		case <-tick.C:
		}
	}
}

func healthy(status slipway.ClusterStatus, without string) int {
	n := 0
	for _, group := range status.Groups {
		for _, instance := range group.Instances {
			if group.Name == status.Serving && instance.State == slipway.InstanceHealthy && instance.ID != without {
				n++
			}
		}
	}
	return n
}
