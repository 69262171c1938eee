package bake

import (
	"cmp"
	"context"
	"strings"

	"github.com/slipway-sh/slipway"
)

// A layer of Debian packages is made in two phases. The first, which needs an archive, asks apt what it would install, fetches what is not
// stored yet, and writes that down: the lock. The second installs what the lock says from stored packages alone, without a network. A
// rebuild begins with the second.

// maxStatus bounds what is read of dpkg's records and of what apt prints, bytes.
const maxStatus = 64 << 20

// lockOf returns the lock of packages that apt has resolved.
func lockOf(debs []deb) slipway.Lock {
	lock := slipway.Lock{Packages: []slipway.LockedPackage{}}
	for _, d := range debs {
		lock.Packages = append(lock.Packages, d.LockedPackage)
	}
	return lock
}

func byName(a, b slipway.LockedPackage) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Architecture, b.Architecture))
}

// checkKept refuses, as NotFound, a lock that cannot be installed because packages of it are not stored any more.
func (b *Baker) checkKept(ctx context.Context, what, place string, lock slipway.Lock) error {
	missing, err := b.missing(ctx, lock.Packages)
	if err != nil || len(missing) == 0 {
		return err
	}
	names := make([]string, len(missing))
	for i, p := range missing {
		names[i] = p.Name + " " + p.Version
	}
	const shown = 5
	more := ""
	if len(names) > shown {
		names, more = names[:shown], " …"
	}
	return slipway.Errorf(slipway.NotFound, "cannot %s: %d of the %d packages it is locked to are not kept any more: %s%s",
		what, len(missing), len(lock.Packages), strings.Join(names, ", "), more).At(place)
}

// checkInstalled refuses, as Failed, a system in the directory root where dpkg has not installed every package of a lock: apt chose
// otherwise the second time. That no other package is installed follows from there having been none.
func checkInstalled(what, root string, lock slipway.Lock) error {
	if len(lock.Packages) == 0 {
		return nil
	}
	text, err := readRegular(root, "var/lib/dpkg/status", maxStatus)
	if err != nil {
		return err
	}
	installed := map[slipway.LockedPackage]bool{}
	for stanza := range strings.SplitSeq(text, "\n\n") {
		var p slipway.LockedPackage
		ok := false
		for line := range strings.Lines(stanza) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch name {
			case "Package":
				p.Name = value
			case "Version":
				p.Version = value
			case "Architecture":
				p.Architecture = value
			case "Status":
				ok = strings.HasSuffix(value, " installed")
			}
		}
		installed[p] = ok
	}
	for _, p := range lock.Packages {
		if !installed[slipway.LockedPackage{Name: p.Name, Version: p.Version, Architecture: p.Architecture}] {
			return slipway.Errorf(slipway.Failed, "cannot %s: apt had chosen %s %s, and did not install it", what, p.Name, p.Version)
		}
	}
	return nil
}
