package bake

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
)

const packagesTimeout = 30 * time.Minute

// planPackages plans a layer of Debian packages with what they depend on. Their order and repetition mean nothing.
func (b *Baker) planPackages(s site, names []string) (plan, error) {
	place := s.place + ".packages"
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	key := stepKey{Layer: &slipway.Layer{Packages: names}}
	return plan{place: place, key: key, build: func(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
		dir, err := b.newWork()
		if err != nil {
			return slipway.LayerInfo{}, err
		}
		defer b.removeWork(dir)
		s := sandbox{
			what: "install " + strings.Join(names, " "), place: place, below: below, timeout: packagesTimeout, shows: aptShows,
			args:  append([]string{shell, tools + "/install"}, names...),
			needs: []string{shell, "/usr/bin/apt-get"},
			env: map[string]string{
				"PATH": searchPath, "HOME": "/root", "LC_ALL": "C.UTF-8", sourceDateEpochName: sourceDateEpoch,
				"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true",
			},
		}
		if err := prepareInstall(ctx, filepath.Join(dir, "tools"), &s); err != nil {
			return slipway.LayerInfo{}, err
		}
		digest, size, err := b.run(ctx, dir, s, out)
		return slipway.LayerInfo{Digest: digest, Size: size}, installError(err)
	}}, nil
}

// installScript is what runs in the sandbox. Lists, archives and logs go to the tools directory, outside of the layer.
var installScript = `
apt="apt-get -q -y -c ` + tools + `/apt.conf"
$apt update || exit ` + strconv.Itoa(archiveStatus) + `
exec $apt install --no-install-recommends -- "$@"
`

const aptConf = `
Dir::State::Lists "` + tools + `/lists";
Dir::Cache "` + tools + `/cache";
Dir::Log "` + tools + `/log";
Dpkg::Options { "--force-unsafe-io"; "--force-confdef"; "--force-confold"; "--log=/dev/null"; };
Dpkg::Use-Pty "0";
APT::Update::Error-Mode "any";
APT::Install-Suggests "0";
Acquire::Languages "none";
`

const policyScript = "#!/bin/sh\n# An image is no running machine: no service is started while packages are installed.\nexit 101\n"

// prepareInstall lays out in dir what apt needs and the image does not have.
func prepareInstall(ctx context.Context, dir string, s *sandbox) error {
	const policy = "/usr/sbin/policy-rc.d"
	conf := aptConf
	for _, option := range aptOptions(ctx) {
		conf += option + "\n"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, sub := range []string{"lists", "cache", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	if certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		// A minimal system knows no authorities, and its mirror may be behind TLS.
		conf = "Acquire::https::CAInfo \"" + tools + "/ca.crt\";\n" + conf
		if err := os.WriteFile(filepath.Join(dir, "ca.crt"), certificates, 0o644); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"install": installScript, "apt.conf": conf, "policy-rc.d": policyScript} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	s.useHostNetwork()
	s.files = append(s.files, policy)
	s.mounts = append(s.mounts, container.Bind(dir, tools, false), container.Bind(filepath.Join(dir, "policy-rc.d"), policy, true))
	return nil
}

// archiveStatus is how installScript exits when an archive cannot be reached: that may pass.
const archiveStatus = 71

// installError tells what the exit status of installScript means.
func installError(err error) error {
	var exit *exitError
	if errors.As(err, &exit) && exit.status == archiveStatus {
		e := *exit.err
		e.Code = slipway.Unavailable
		return &e
	}
	return err
}
