package bake

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/container"
	"github.com/slipway-sh/slipway/image"
)

const packagesTimeout = 30 * time.Minute

// planPackages plans a layer of Debian packages with what they depend on. Their order and repetition mean nothing.
func (b *Baker) planPackages(s site, names []string) (plan, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	p := packages{Baker: b, place: s.place + ".packages", names: names, what: "install " + strings.Join(names, " ")}
	if suite, ok := strings.CutPrefix(s.job.Request.Spec.Image.From, "debian:"); ok {
		p.sources, _ = sourcesFor(b.aptDir, suite) // what cannot be read is told of the base; here it only spares time
	}
	lock, locked := s.job.Locks[s.step.Index]
	made := plan{place: p.place, key: stepKey{Layer: &slipway.Layer{Packages: names}}, fresh: true}
	made.build = func(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
		if locked {
			return p.install(ctx, below, lock, out)
		}
		lock, err := p.resolve(ctx, below, out)
		if err != nil {
			return slipway.LayerInfo{}, err
		}
		return p.install(ctx, below, lock, out)
	}
	if !locked {
		made.prefetch = func(ctx context.Context, below []slipway.Digest) error {
			_, err := p.resolve(ctx, below, io.Discard)
			return err
		}
	}
	return made, nil
}

// packages is a layer of packages to be made.
type packages struct {
	*Baker
	what, place string
	names       []string // as apt takes them: nginx, nginx=1.22.1-9, nginx:arm64
	sources     string   // of the Debian below, if it is known
}

// resolve finds out what has to be installed on top of the layers below, with their own apt and by their sources, and has it fetched.
func (p packages) resolve(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.Lock, error) {
	dir, err := p.newWork()
	if err != nil {
		return slipway.Lock{}, err
	}
	defer p.removeWork(dir)
	apt := filepath.Join(dir, "apt")
	if err := p.layOut(ctx, apt); err != nil {
		return slipway.Lock{}, err
	}
	if err := p.lists.copyTo(filepath.Join(apt, "lists"), p.sources); err != nil {
		return slipway.Lock{}, err
	}
	s := p.sandbox(below, apt)
	s.useHostNetwork()
	g, err := p.raise(ctx, dir, s)
	if err != nil {
		return slipway.Lock{}, err
	}
	defer func() { _ = g.end() }() // it has been, and told of, unless there is another error
	return p.Baker.resolve(ctx, resolver{apt, func(ctx context.Context, script string, args ...string) error {
		s.args = append([]string{shell, tools + "/" + script}, args...)
		return p.execute(ctx, g, s, out)
	}}, p.names, out)
}

// layOut makes apt's directory for finding out: with the host's ways to reach archives.
func (p packages) layOut(ctx context.Context, dir string) error {
	files := map[string]string{}
	conf := aptConf(tools) + strings.Join(aptOptions(ctx), "\n")
	if certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		// A minimal system knows no authorities, and its mirror may be behind TLS.
		conf = "Acquire::https::CAInfo \"" + tools + "/ca.crt\";\n" + conf
		files["ca.crt"] = string(certificates)
	}
	return layOutApt(dir, conf, files)
}

const (
	policy       = "/usr/sbin/policy-rc.d"
	policyScript = "#!/bin/sh\n# An image is no running machine: no service is started while packages are installed.\nexit 101\n"
)

// lockedConf has apt see no packages but those of a lock, whatever the system prefers.
const lockedConf = `
Dir::Etc::sourcelist "` + tools + `/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Default-Release "";
`

// install makes the layer of the packages of a lock, which must be stored, on top of those below. It uses no network.
func (p packages) install(ctx context.Context, below []slipway.Digest, lock slipway.Lock, out io.Writer) (slipway.LayerInfo, error) {
	var none slipway.LayerInfo
	if err := p.checkKept(ctx, p.what, p.place, lock); err != nil {
		return none, err
	}
	dir, err := p.newWork()
	if err != nil {
		return none, err
	}
	defer p.removeWork(dir)
	apt, repository := filepath.Join(dir, "apt"), filepath.Join(dir, "repository")
	err = layOutApt(apt, aptConf(tools)+lockedConf, map[string]string{
		"policy-rc.d":  policyScript,
		"sources.list": "deb [trusted=yes] file:" + tools + "/repository ./\n",
	})
	if err == nil {
		err = os.Mkdir(filepath.Join(apt, "repository"), 0o755)
	}
	if err == nil {
		err = p.repository(ctx, repository, lock)
	}
	if err != nil {
		return none, fmt.Errorf("prepare packages: %w", err)
	}
	s := p.sandbox(below, apt)
	s.args = append([]string{shell, tools + "/install"}, p.names...)
	s.files = append(s.files, policy)
	s.mounts = append(s.mounts,
		container.Bind(filepath.Join(apt, "policy-rc.d"), policy, true),
		container.Bind(repository, tools+"/repository", true)) // read-only: its files are those of the image store
	g, err := p.raise(ctx, dir, s)
	if err != nil {
		return none, err
	}
	defer func() { _ = g.end() }() // it has been, and told of, unless there is another error
	if err := p.execute(ctx, g, s, out); err != nil {
		return none, err
	}
	if err := g.end(); err != nil {
		return none, err
	}
	if err := checkInstalled(p.what, g.upper, lock); err != nil {
		return none, err
	}
	return p.locked(ctx, lock, func(l *image.Layer) error {
		return l.AddOverlay(ctx, g.upper, g.isTrace)
	})
}

// sandbox returns the sandbox for apt on top of the layers below, with its directory as tools.
func (p packages) sandbox(below []slipway.Digest, apt string) sandbox {
	return sandbox{
		what: p.what, place: p.place, below: below, timeout: packagesTimeout, shows: aptShows,
		needs: []string{shell, "/usr/bin/apt-get"},
		env: map[string]string{
			"PATH": searchPath, "HOME": "/root", "LC_ALL": "C.UTF-8", sourceDateEpochName: sourceDateEpoch,
			"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true",
		},
		mounts: []specs.Mount{container.Bind(apt, tools, false)},
	}
}

// locked writes a layer, and the lock of its packages.
func (b *Baker) locked(ctx context.Context, lock slipway.Lock, add func(*image.Layer) error) (info slipway.LayerInfo, err error) {
	if info.Digest, info.Size, err = b.images.WriteLayer(ctx, nil, add); err != nil {
		return slipway.LayerInfo{}, err
	}
	info.Lock, err = b.images.WriteLock(ctx, lock)
	return info, err
}
