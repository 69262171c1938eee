package check

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/dpkg"
)

// dpkgStatus is where dpkg says what is installed.
const dpkgStatus = "/var/lib/dpkg/status"

func packageProblem(want slipway.PackageTest, there map[string]*seen) error {
	if there[dpkgStatus] == nil && want.Absent {
		return nil
	}
	status, err := text(there, dpkgStatus)
	if err != nil {
		return fmt.Errorf("cannot tell what packages there are: %w", err)
	}
	version, installed := installedVersion(string(status), want.Name)
	switch {
	case !installed && want.Absent:
		return nil
	case !installed:
		return errors.New("it is not installed")
	case want.Absent:
		return fmt.Errorf("version %s is installed", version)
	case want.Version != "" && version != want.Version:
		return fmt.Errorf("want version %s, %s is installed", want.Version, version)
	}
	return nil
}

// installedVersion returns the version of an installed package, for any architecture if the name has none ("libc6:amd64").
func installedVersion(status, name string) (version string, installed bool) {
	name, architecture, given := strings.Cut(name, ":")
	for p := range dpkg.Paragraphs(status) {
		if p.Installed() && p["Package"] == name && (!given || p["Architecture"] == architecture) {
			return p["Version"], true
		}
	}
	return "", false
}
