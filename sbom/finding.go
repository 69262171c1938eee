package sbom

import (
	"context"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// findings are what is in one layer, by the absolute path of the file that tells.
type findings map[string]finding

// finding is what one file tells.
type finding struct {
	Components []component `json:"components,omitempty"`
	System     *system     `json:"system,omitempty"`
	Note       string      `json:"note,omitempty"` // why it could not be read
}

// component is a package, a module or a program.
type component struct {
	Type         string `json:"type"` // of the package URL: deb, golang, npm, pypi
	Name         string `json:"name"` // with its namespace, as its ecosystem writes it
	Version      string `json:"version"`
	Architecture string `json:"architecture,omitempty"` // deb
	Source       string `json:"source,omitempty"`       // deb: the source package, where it is called otherwise
	Main         bool   `json:"main,omitempty"`         // golang: the program's own module
}

// system is what os-release says.
type system struct {
	ID      string `json:"id"`      // debian
	Version string `json:"version"` // 12
	Name    string `json:"name"`    // Debian GNU/Linux 12 (bookworm)
}

// reader reads what a file tells. Its error says what is wrong with the file, and is noted.
type reader func(file) (finding, error)

// requirements fits the names that pip's files have by custom.
var requirements = regexp.MustCompile(`^requirements([-_.][A-Za-z0-9_-]+)?\.txt$`)

// readerOf returns who reads the file with the name, nil for nobody.
func readerOf(name string) reader {
	dir, base := path.Split(name)
	switch {
	case name == "var/lib/dpkg/status":
		return readDpkgStatus
	case dir == "var/lib/dpkg/status.d/" && !strings.Contains(base, "."):
		return readDpkgStatus
	case name == "etc/os-release" || name == "usr/lib/os-release":
		return readSystem
	case base == "package-lock.json" || base == "npm-shrinkwrap.json" || base == ".package-lock.json":
		return readNpmLock
	case base == "package.json" && strings.Contains(dir, "node_modules/"):
		return readNpmPackage
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info/"):
		return readWheel
	case requirements.MatchString(base):
		return readRequirements
	case base == "poetry.lock":
		return readPoetry
	case base == "Pipfile.lock":
		return readPipfile
	}
	return nil
}

// placed is a component and the files that tell of it.
type placed struct {
	component
	paths []string
}

// contents are what is in an image.
type contents struct {
	components []placed // by type, name, version
	system     *system
	notes      map[string]string // by path
}

// merge returns what is in the image that layers, lowest first, make: what upper layers hide or replace is not.
func merge(ctx context.Context, layers []*layer) (contents, error) {
	all := contents{notes: map[string]string{}}
	by := map[component]*placed{}
	for i, l := range layers {
		for _, p := range slices.Sorted(maps.Keys(l.found)) {
			hidden, err := hiddenBy(ctx, layers[i+1:], p)
			if err != nil {
				return contents{}, err
			}
			if hidden {
				continue
			}
			f := l.found[p]
			for _, c := range f.Components {
				if by[c] == nil {
					by[c] = &placed{component: c}
				}
				by[c].paths = append(by[c].paths, p)
			}
			if f.System != nil {
				all.system = f.System
			}
			if f.Note != "" {
				all.notes[p] = f.Note
			}
		}
	}
	for _, c := range by {
		slices.Sort(c.paths)
		all.components = append(all.components, *c)
	}
	slices.SortFunc(all.components, func(a, b placed) int { return strings.Compare(a.order(), b.order()) })
	return all, nil
}

func hiddenBy(ctx context.Context, upper []*layer, p string) (bool, error) {
	for _, l := range upper {
		if hides, err := l.hides(ctx, p); hides || err != nil {
			return hides, err
		}
	}
	return false, nil
}

func (c component) order() string {
	main := "1"
	if c.Main {
		main = "0"
	}
	return strings.Join([]string{c.Type, c.Name, c.Version, c.Architecture, c.Source, main}, "\x00")
}
