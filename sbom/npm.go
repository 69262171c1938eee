package sbom

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// npmLock is package-lock.json of versions 1 (dependencies, nested) and 2 and 3 (packages, by path).
type npmLock struct {
	Packages     map[string]npmPackage    `json:"packages"`
	Dependencies map[string]npmDependency `json:"dependencies"`
}

type npmPackage struct {
	Name    string `json:"name"` // where it is not what the path says
	Version string `json:"version"`
	Link    bool   `json:"link"` // to a directory of the project itself
	Dev     bool   `json:"dev"`
}

type npmDependency struct {
	Version      string                   `json:"version"`
	Dev          bool                     `json:"dev"`
	Dependencies map[string]npmDependency `json:"dependencies"`
}

// readNpmLock reads what a project is locked to. What is for its development alone is left out: it is not installed in production.
func readNpmLock(f file) (finding, error) {
	var lock npmLock
	if err := f.json(&lock); err != nil {
		return finding{}, err
	}
	found := map[component]bool{}
	for p, pkg := range lock.Packages {
		_, name, installed := cutLast(p, "node_modules/")
		if pkg.Name != "" {
			name = pkg.Name
		}
		if installed && !pkg.Link && !pkg.Dev && pkg.Version != "" {
			found[component{Type: "npm", Name: name, Version: pkg.Version}] = true
		}
	}
	if lock.Packages == nil {
		addNpm(found, lock.Dependencies)
	}
	return listed(found), nil
}

func addNpm(found map[component]bool, dependencies map[string]npmDependency) {
	for name, d := range dependencies {
		if !d.Dev && d.Version != "" {
			found[component{Type: "npm", Name: name, Version: d.Version}] = true
		}
		addNpm(found, d.Dependencies)
	}
}

// readNpmPackage reads an installed package's own description. Those of its examples and parts have no version.
func readNpmPackage(f file) (finding, error) {
	var pkg struct {
		Name    string `json:"name"`
		Version any    `json:"version"` // in the tests of some packages it is no text
	}
	if err := f.json(&pkg); err != nil {
		return finding{}, err
	}
	version, ok := pkg.Version.(string)
	if !ok || version == "" || pkg.Name == "" {
		return finding{}, nil
	}
	return finding{Components: []component{{Type: "npm", Name: pkg.Name, Version: version}}}, nil
}

func (f file) json(v any) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("it is no such JSON: %w", err)
	}
	return nil
}

// listed returns the components in order.
func listed(found map[component]bool) finding {
	return finding{Components: slices.SortedFunc(maps.Keys(found), func(a, b component) int { return strings.Compare(a.order(), b.order()) })}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}
