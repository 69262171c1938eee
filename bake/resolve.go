package bake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/slipway-sh/slipway"
)

// What apt is asked, by scripts that lie beside its configuration in one directory, wherever that is seen. Lists, archives and logs stay
// in there.
var (
	// resolveScript leaves what would be fetched to install its arguments in the file "uris".
	resolveScript = `
at=${0%/*}
apt-get -q -y -c "$at/apt.conf" update || exit ` + strconv.Itoa(archiveStatus) + `
apt-get -q -y -c "$at/apt.conf" --print-uris -o Acquire::ForceHash=SHA256 install --no-install-recommends -- "$@" >"$at/uris" && exit
status=$?
cat "$at/uris"
exit $status
`
	// fetchScript fetches files: its arguments are the URI, name and hash of one after the other.
	fetchScript = `
at=${0%/*}
cd "$at/debs" && exec /usr/lib/apt/apt-helper -q -c "$at/apt.conf" download-file "$@"
`
	// installScript installs its arguments.
	installScript = `
at=${0%/*}
apt-get -q -y -c "$at/apt.conf" update && exec apt-get -q -y -c "$at/apt.conf" install --no-install-recommends -- "$@"
`
)

// archiveStatus is how resolveScript exits when an archive cannot be reached: that may pass.
const archiveStatus = 71

// aptConf is apt's configuration for the scripts in the directory at, as apt sees it.
func aptConf(at string) string {
	return `
Dir::State::Lists "` + at + `/lists";
Dir::Cache "` + at + `/cache";
Dir::Log "` + at + `/log";
Dpkg::Options { "--force-unsafe-io"; "--force-confdef"; "--force-confold"; "--log=/dev/null"; };
Dpkg::Use-Pty "0";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Install-Suggests "0";
Acquire::Languages "none";
`
}

// layOutApt makes the directory dir one for apt: with its scripts, its configuration, and what else is named.
func layOutApt(dir, conf string, files map[string]string) error {
	for _, sub := range []string{"", "lists", "cache", "log", "debs"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	all := map[string]string{"apt.conf": conf, "resolve": resolveScript, "fetch": fetchScript, "install": installScript}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// resolver finds out what apt would install into a system, and has it fetched.
type resolver struct {
	dir string // one for apt, as this process sees it
	// run runs a script of the directory with arguments.
	run func(ctx context.Context, script string, args ...string) error
}

// resolve returns the lock of what apt would install if it were asked for names. All packages of it are stored then; only those that
// were not are fetched. Unavailable if an archive cannot be reached.
func (b *Baker) resolve(ctx context.Context, r resolver, names []string, out io.Writer) (slipway.Lock, error) {
	if err := r.run(ctx, "resolve", names...); err != nil {
		return slipway.Lock{}, unavailable(err, archiveStatus)
	}
	text, err := readRegular(r.dir, "uris", maxStatus)
	if err != nil {
		return slipway.Lock{}, fmt.Errorf("read what apt would install: %w", err)
	}
	debs, err := parseURIs(text)
	if err != nil {
		return slipway.Lock{}, err
	}
	lock := lockOf(debs)
	missing, err := b.missing(ctx, lock.Packages)
	if err != nil {
		return slipway.Lock{}, err
	}
	if len(missing) > 0 {
		fmt.Fprintf(out, "fetching %s of %d packages\n", megabytes(missing), len(missing))
		if err := r.run(ctx, "fetch", fetchArgs(debs, missing)...); err != nil {
			return slipway.Lock{}, unavailable(err, 0)
		}
		if err := b.keep(ctx, filepath.Join(r.dir, "debs"), missing); err != nil {
			return slipway.Lock{}, err
		}
	}
	return lock, nil
}

// fetchArgs returns the arguments of fetchScript that fetch what is missing of debs.
func fetchArgs(debs []deb, missing []slipway.LockedPackage) []string {
	wanted := map[slipway.Digest]bool{}
	for _, p := range missing {
		wanted[p.Digest] = true
	}
	var args []string
	for _, d := range debs {
		if wanted[d.Digest] {
			args = append(args, d.uri, debFile(d.LockedPackage), "SHA256:"+d.Digest.Hex())
		}
	}
	return args
}

func megabytes(packages []slipway.LockedPackage) string {
	var size int64
	for _, p := range packages {
		size += p.Size
	}
	return fmt.Sprintf("%.1f MB", float64(size)/1e6)
}

// unavailable makes an error of a script one that may pass, if it ended with the status, or in any way if that is 0.
func unavailable(err error, status int) error {
	var exit *exitError
	if errors.As(err, &exit) && exit.err.Code == slipway.Failed && (status == 0 || exit.status == status) {
		e := *exit.err
		e.Code = slipway.Unavailable
		return &e
	}
	return err
}
