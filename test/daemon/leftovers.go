package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Leftovers lists what on this host still belongs to a data directory: mounts, network links, control groups, and processes
// that have it, or a path in it, among their arguments or as their working directory, or are in one of its control groups.
func Leftovers(data string) []string {
	machines := sum(filepath.Join(data, "local"))
	pins := filepath.Join("/run/slipway", machines[:10])
	left := slices.Concat(mounts(data), mounts(pins), mounts(filepath.Join("/run/slipway", "secrets-"+sum(filepath.Join(data, "secrets"))[:10])))
	links, err := net.Interfaces()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, link := range links {
		if strings.HasPrefix(link.Name, "sw"+machines[:7]) {
			left = append(left, "network link "+link.Name)
		}
	}
	group := "slipway-" + sum(filepath.Join(data, "local/runc"))[:10]
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		found, _ := filepath.Glob(pattern + group) // the pattern is well formed
		for _, dir := range found {
			left = append(left, "control group "+dir)
		}
	}
	for pid, args := range processes() {
		if pid != os.Getpid() && (mentions(args, data) || worksIn(pid, data) || isIn(pid, group)) {
			left = append(left, fmt.Sprintf("process %d (%s)", pid, strings.Join(args, " ")))
		}
	}
	return left
}

// sum names what belongs to a directory on the host.
func sum(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:])
}

func mentions(args []string, data string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return arg == data || strings.HasPrefix(arg, data+"/") })
}

func worksIn(pid int, data string) bool {
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && mentions([]string{strings.TrimSuffix(dir, " (deleted)")}, data)
}

// isIn reports whether the process is below the control group.
func isIn(pid int, group string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(text), ":/"+group+"/")
}

// Overlays counts the root file systems of machines that are mounted below a data directory.
func Overlays(data string) int {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return -1
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		place, kind, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(place); strings.HasPrefix(kind, "overlay ") && strings.HasPrefix(fields[4], data+"/") {
			n++
		}
	}
	return n
}

func mounts(dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4]+"/", dir+"/") {
			found = append(found, "mount "+fields[4])
		}
	}
	return found
}

// processes returns the arguments of every process there is.
func processes() map[int][]string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	all := map[int][]string{}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil {
			continue
		}
		if text, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && len(text) > 0 {
			all[pid] = strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		}
	}
	return all
}
