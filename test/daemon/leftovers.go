package daemon

import (
	"fmt"
	"os"
	"strings"
)

// Leftovers lists what on this host still belongs to a data directory: mounts below it and processes that have it, or a path
// in it, among their arguments.
func Leftovers(data string) []string {
	left := mounts(data)
	for pid, args := range processes() {
		for _, arg := range args {
			if pid != os.Getpid() && (arg == data || strings.HasPrefix(arg, data+"/")) {
				left = append(left, fmt.Sprintf("process %d (%s)", pid, strings.Join(args, " ")))
				break
			}
		}
	}
	return left
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

func mounts(data string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], data+"/") {
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
