package local

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Accounts implements [slipway.Accounts]: this host is the only one.
func (p *Provider) Accounts(context.Context) ([]slipway.Account, error) {
	account := slipway.Account{Name: slipway.DefaultAccount, Provider: "local", Capacity: slipway.Capacity{CPUs: runtime.NumCPU()}}
	account.Host, _ = os.Hostname() // it is for people
	if memory, err := os.Open("/proc/meminfo"); err == nil {
		defer memory.Close()
		lines := bufio.NewScanner(memory)
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ":"); name {
			case "MemTotal":
				account.Capacity.Memory = kibibytes(value)
			case "MemAvailable":
				account.Capacity.FreeMemory = kibibytes(value)
			}
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(load), " ")
		account.Capacity.Load, _ = strconv.ParseFloat(first, 64)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(p.Dir, &disk); err == nil {
		account.Capacity.Disk = int64(disk.Blocks) * disk.Bsize
		account.Capacity.FreeDisk = int64(disk.Bavail) * disk.Bsize
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	account.Machines, account.ServerGroups = len(p.machines), len(p.groups)
	return []slipway.Account{account}, nil
}

// kibibytes returns the bytes of a value such as "  16384 kB".
func kibibytes(value string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
	return n << 10
}
