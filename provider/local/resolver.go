package local

import (
	"net/netip"
	"os"
	"strings"
)

// resolverFiles say where the host's names are resolved, best first. The second is systemd-resolved's list of the real
// resolvers, which it hides behind a loopback address in the first.
var resolverFiles = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// resolvers returns the first of files that names a resolver which machines can reach: a loopback address is their own. If
// there is none it returns the first file as it is, empty for a host without.
func resolvers(files []string) []byte {
	var first []byte
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if reachable(string(text)) {
			return text
		}
		if i == 0 {
			first = text
		}
	}
	return first
}

func reachable(conf string) bool {
	for line := range strings.Lines(conf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && !a.IsLoopback() {
			return true
		}
	}
	return false
}
