package bake

import (
	"bytes"
	"strings"
	"testing"
)

func TestNoise(t *testing.T) {
	for _, c := range []struct {
		name        string
		shows       func(string) bool
		says, shown string
	}{
		{"apt", aptShows, `Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]
Fetched 9415 kB in 1s (7167 kB/s)
Reading package lists...
The following NEW packages will be installed:
  iproute2 libbpf1
0 upgraded, 19 newly installed, 0 to remove and 0 not upgraded.
Need to get 5035 kB of archives.
Selecting previously unselected package libmnl0:amd64.
(Reading database ... 8134 files and directories currently installed.)
Unpacking libmnl0:amd64 (1.0.4-3) ...
Setting up nginx (1.22.1-9+deb12u10) ...
invoke-rc.d: policy-rc.d denied execution of start.
nginx: something of its own
W: a warning
E: Unable to locate package nignx
`, `Setting up nginx (1.22.1-9+deb12u10) ...
nginx: something of its own
W: a warning
E: Unable to locate package nignx
`},
		{"mmdebstrap", debootstrapShows, `I: chroot architecture amd64 is equal to the host's architecture
W: Download is performed unsandboxed as root as file /var/lib/x couldn't be accessed by user _apt
I: running apt-get update...
I: extracting archives...
I: success in 41.9361 seconds
E: no luck
`, "I: extracting archives...\nE: no luck\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			said := &transcript{out: &out, shows: c.shows}
			_, _ = said.Write([]byte(c.says))
			if out.String() != c.shown {
				t.Errorf("shown:\n%s", out.String())
			}
			if last := strings.Join(said.lines(), "\n"); last != strings.TrimSuffix(c.says, "\n") {
				t.Errorf("the tail is not whole:\n%s", last)
			}
		})
	}
}
