package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// cgroups are the control groups of one runtime's containers: one below parent in every hierarchy the host has, be they those
// of cgroup v1, v2, or both.
type cgroups struct {
	parent string   // a name at the top of every hierarchy
	mounts []string // where the hierarchies are mounted
}

func findCgroups(parent string) (cgroups, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return cgroups{}, err
	}
	defer f.Close()
	c := cgroups{parent: parent}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// "31 23 0:28 /root /mount/point options… - type source options"
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if len(fields) > 4 && strings.HasPrefix(after, "cgroup") {
			c.mounts = append(c.mounts, fields[4])
		}
	}
	if len(c.mounts) == 0 {
		return c, slipway.Errorf(slipway.Unprepared, "cannot run machines: no cgroup filesystem is mounted; mount one with: mount -t cgroup2 none /sys/fs/cgroup")
	}
	return c, nil
}

// path returns the container's group as runc wants it.
func (c cgroups) path(id string) string { return "/" + c.parent + "/" + id }

// has reports whether a process is in the container's group.
func (c cgroups) has(id string, pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(strings.TrimSpace(line), ":"+c.path(id)) {
			return true
		}
	}
	return false
}

// killOnce kills every process that is in the container's group now.
func (c cgroups) killOnce(id string) {
	for _, mount := range c.mounts {
		text, err := os.ReadFile(filepath.Join(mount, c.parent, id, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

// kill kills what is in the container's group, and what still enters it, until done.
func (c cgroups) kill(id string, done <-chan struct{}) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		c.killOnce(id)
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// remove removes the container's group from every hierarchy, killing what is in it.
func (c cgroups) remove(ctx context.Context, id string) error {
	for _, mount := range c.mounts {
		dir := filepath.Join(mount, c.parent, id)
		for {
			err := os.Remove(dir)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			if !errors.Is(err, unix.EBUSY) {
				return err
			}
			c.killOnce(id)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(2 * time.Millisecond): // processes leave their group a moment after they were killed
			}
		}
	}
	return nil
}

// removeParent removes the parent group where it is empty.
func (c cgroups) removeParent() {
	for _, mount := range c.mounts {
		_ = os.Remove(filepath.Join(mount, c.parent))
	}
}

// list returns the containers that have a group in some hierarchy and are not in known.
func (c cgroups) list(known []string) []string {
	var ids []string
	for _, mount := range c.mounts {
		entries, err := os.ReadDir(filepath.Join(mount, c.parent))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && !slices.Contains(known, e.Name()) && !slices.Contains(ids, e.Name()) {
				ids = append(ids, e.Name())
			}
		}
	}
	return ids
}
