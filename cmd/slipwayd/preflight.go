package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/slipway-sh/slipway"
)

// required are the programs slipwayd cannot do without, and the Debian packages that have them. mmdebstrap is asked for by
// the first bake that needs it.
var required = []struct{ program, pkg string }{
	{"runc", "runc"},
	{"haproxy", "haproxy"},
}

// preflight returns an Unprepared error that lists everything this host lacks.
func preflight(agent string) error {
	if os.Geteuid() != 0 {
		return slipway.Errorf(slipway.Unprepared, "cannot start: slipwayd makes machines (mounts, network namespaces, cgroups) and must run as root; try: sudo slipwayd …")
	}
	var programs, packages []string
	for _, r := range required {
		if _, err := exec.LookPath(r.program); err != nil {
			programs = append(programs, r.program)
			packages = append(packages, r.pkg)
		}
	}
	if len(programs) > 0 {
		return slipway.Errorf(slipway.Unprepared, "cannot start: %s not found; install with: apt-get install %s",
			strings.Join(programs, " and "), strings.Join(packages, " "))
	}
	if _, err := os.Stat(agent); err != nil {
		return slipway.Errorf(slipway.Unprepared, "cannot start: no slipway-agent at %s; `make build` puts it beside slipwayd, or say where it is with --agent", agent)
	}
	return nil
}
