package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-sh/slipway"
)

// KillMachine ends a machine behind slipwayd's back: SIGKILL to its first process, as the kernel sends when memory runs out.
func (d *Daemon) KillMachine(ctx context.Context, id string) error {
	pid, err := d.firstProcess(ctx, id)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// firstProcess returns the host's ID of a machine's first process.
func (d *Daemon) firstProcess(ctx context.Context, id string) (int, error) {
	out, err := exec.CommandContext(ctx, "runc", "--root", filepath.Join(d.Data, "local/runc"), "state", id).Output()
	if err != nil {
		return 0, fmt.Errorf("cannot ask runc about machine %s: %w", id, err)
	}
	var state struct{ Pid int }
	if err := json.Unmarshal(out, &state); err != nil {
		return 0, fmt.Errorf("cannot read runc's answer about machine %s: %w", id, err)
	}
	if state.Pid <= 1 {
		return 0, fmt.Errorf("machine %s does not run: %s", id, out)
	}
	return state.Pid, nil
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

// Told is what the process of a machine's service has been told, as it sees it itself.
type Told struct {
	Env   []string
	Files []string // "name mode uid:gid content"
}

// Told looks at a machine's service through the kernel, as the service does.
func (d *Daemon) Told(ctx context.Context, id string) (Told, error) {
	first, err := d.firstProcess(ctx, id)
	if err != nil {
		return Told{}, err
	}
	service, err := child(first)
	if err != nil {
		return Told{}, err
	}
	env, err := os.ReadFile(filepath.Join("/proc", service, "environ"))
	if err != nil {
		return Told{}, err
	}
	told := Told{Env: strings.Split(strings.TrimSuffix(string(env), "\x00"), "\x00")}
	dir := filepath.Join("/proc", service, "root", slipway.ConfigFiles)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Told{}, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return Told{}, err
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return Told{}, err
		}
		owner := info.Sys().(*syscall.Stat_t)
		told.Files = append(told.Files, fmt.Sprintf("%s %04o %d:%d %s", e.Name(), info.Mode().Perm(), owner.Uid, owner.Gid, content))
	}
	return told, nil
}

// child returns a child of a process, whichever of its threads has made it.
func child(pid int) (string, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return "", err
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			return "", err
		}
		if children := strings.Fields(string(b)); len(children) > 0 {
			return children[0], nil
		}
	}
	return "", fmt.Errorf("process %d has no children", pid)
}

// Write writes to a file of a machine's root, as a program of the machine would.
func (d *Daemon) Write(ctx context.Context, id, path, content string) error {
	first, err := d.firstProcess(ctx, id)
	if err != nil {
		return err
	}
	inside := filepath.Join("/proc", strconv.Itoa(first), "root", path)
	if err := os.MkdirAll(filepath.Dir(inside), 0o755); err != nil {
		return err
	}
	return os.WriteFile(inside, []byte(content), 0o644)
}
