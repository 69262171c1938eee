package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

const (
	// lookEvery is how often machines' roots are looked at.
	lookEvery = 2 * time.Second
	// lookAt bounds how many files of a machine are looked at: what a service writes below its state directories may be a lot.
	lookAt = 10_000
)

// scratch are the places that hold nothing of what was baked, and are expected to be written to; "/run" is where the host mounts what is its
// own, too. mounted are files that the host mounts over, for which an empty file is made.
var (
	scratch = []string{"dev", "proc", "run", "sys", "tmp", "var/run", "var/tmp"}
	mounted = []string{"etc/hostname", "etc/hosts", "etc/resolv.conf"}
)

// inspect looks at the roots of all machines again and again.
func (p *Provider) inspect() {
	for p.wait(lookEvery, nil) {
		p.mu.Lock()
		var clean []*machine
		for _, m := range p.machines {
			if m.Taint == nil && !m.Retired && m.process != nil {
				clean = append(clean, m)
			}
		}
		p.mu.Unlock()
		for _, m := range clean {
			written, err := written(filepath.Join(p.records.machineDir(m.ID), "upper"), m.Service.State)
			if err != nil {
				p.Log.Warn("cannot tell whether a machine is tainted", "machine", m.ID, "error", err)
			}
			if written != "" {
				p.taint(m, written)
			}
		}
	}
}

// taint notes that a machine is not what was baked any more.
func (p *Provider) taint(m *machine, written string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Retired {
		return
	}
	m.Taint = &slipway.Taint{Since: time.Now().UTC(), Path: written}
	if err := p.records.putMachine(m.machineRecord); err != nil {
		p.Log.Warn("cannot record that a machine is tainted", "machine", m.ID, "error", err)
	}
	p.Log.Warn("a machine is tainted", "machine", m.ID, "group", m.Group, "path", written)
	p.watchers.notify(m.Group)
}

// written returns the first path below the upper directory of a machine's root that a write outside of its state directories has left,
// "" if there is none. The machine can change what is there meanwhile, into links as well: none is followed out of the directory.
func written(upper string, state []string) (string, error) {
	root, err := os.OpenRoot(upper)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer root.Close()
	excused := slices.Clone(scratch)
	for _, dir := range state {
		excused = append(excused, strings.Trim(path.Clean(dir), "/"))
	}
	found, left := "", lookAt
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if left--; left < 0 {
			return fs.SkipAll
		}
		switch {
		case err != nil && name == ".":
			return err
		case err != nil: // it went meanwhile
			return nil
		case name == ".":
			return nil
		case slices.Contains(excused, name) && e.IsDir():
			return fs.SkipDir
		case slices.Contains(excused, name) || slices.Contains(mounted, name):
			return nil
		case e.IsDir():
			within, err := fs.ReadDir(root.FS(), name)
			if err != nil || len(within) > 0 || leadsTo(name, excused) {
				return nil // what is in it decides
			}
		}
		found = "/" + name
		return fs.SkipAll
	})
	return found, err
}

// leadsTo reports whether one of the places is below the directory.
func leadsTo(dir string, places []string) bool {
	return slices.ContainsFunc(places, func(place string) bool { return strings.HasPrefix(place, dir+"/") }) ||
		slices.ContainsFunc(mounted, func(place string) bool { return strings.HasPrefix(place, dir+"/") })
}
