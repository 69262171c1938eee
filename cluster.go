package slipway

import (
	"fmt"
	"regexp"
	"strconv"
)

// Cluster is an application in an environment: what a deployment moves from one image to another.
type Cluster struct {
	Application string `json:"application"`
	Environment string `json:"environment"`
}

// String returns "<application>-<environment>", the name of the cluster's load balancer and the prefix of its server groups.
func (c Cluster) String() string { return c.Application + "-" + c.Environment }

// GroupName returns the name of the cluster's n-th server group, "<application>-<environment>-v042". Numbers only grow and are never used twice.
func (c Cluster) GroupName(n int) string { return fmt.Sprintf("%s-v%03d", c, n) }

var (
	nameForm  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	groupForm = regexp.MustCompile(`^[a-z][a-z0-9-]*-v(\d{3,9})$`)
)

// ValidateName returns an Invalid error unless name can name an application or environment: 1 to 32 lower-case letters,
// digits and dashes, a letter first, no dash last. Such a name is safe in file, host and network names.
func ValidateName(what, name string) error {
	if !nameForm.MatchString(name) {
		return Errorf(Invalid, "cannot use %q as name of the %s: want 1 to 32 lower-case letters, digits and dashes, starting with a letter", name, what)
	}
	return nil
}

// GroupNumber returns n of a server group's name, and whether name has the form of one.
func GroupNumber(name string) (n int, ok bool) {
	m := groupForm.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}
