package bake

import (
	"regexp"
	"strings"
)

// The programs that install Debian tell of every step they take. What a person, or the log of a CI job, is shown of that is what
// may matter later: which package came in which version, warnings, errors, and what a package's own scripts say. With a failure the
// last lines are shown as they were.

// aptNoise matches the lines of apt-get and dpkg that only tell of progress.
var aptNoise = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`(?:Get|Hit|Ign):\d+ `, `Fetched `, `Reading `, `\(Reading `, `Building dependency tree`,
	`The following .*:$`, `(?:Suggested|Recommended) packages:$`, `  [a-z0-9]`, `\d+ upgraded, `, `Need to get `, `After this operation, `,
	`Selecting previously unselected `, `Preparing to unpack `, `Unpacking `, `Processing triggers for `,
	`debconf: delaying package configuration`,
	`invoke-rc\.d: (?:could not determine current runlevel|policy-rc\.d denied)`, // an image has no runlevel, and policyScript says no
}, `|`) + `)`)

// aptShows selects what is shown of an apt-get's output.
func aptShows(line string) bool { return strings.TrimSpace(line) != "" && !aptNoise.MatchString(line) }

// debootstrapNoise matches the lines of mmdebstrap that are neither a phase, a warning nor an error. What it fetches is at hand.
var debootstrapNoise = regexp.MustCompile(`^I: (?:chroot architecture|finding correct|reading sources|automatically chosen|running apt-get update|downloading packages|success in)|^done$|Download is performed unsandboxed as root`)

// debootstrapShows selects what is shown of mmdebstrap's output.
func debootstrapShows(line string) bool {
	return strings.TrimSpace(line) != "" && !debootstrapNoise.MatchString(line)
}
