package gossfile

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/slipway-sh/slipway"
)

var action = regexp.MustCompile(`{{[^}]*}}`)

// Includes returns what a goss file includes: paths and patterns relative to its directory, sorted. Those that a template action makes
// are not among them.
func Includes(content []byte) []string {
	var file struct {
		Gossfile map[string]struct {
			File string `yaml:"file"`
		} `yaml:"gossfile"`
	}
	// A file that cannot be read without its actions includes nothing that can be known.
	_ = yaml.Unmarshal(action.ReplaceAll(content, []byte("x")), &file)
	var names []string
	for name, g := range file.Gossfile {
		if g.File != "" {
			name = g.File
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Family returns the files of a build context that belong to the goss file called name: itself, and every YAML and JSON file beside and
// below it, which it may include.
func Family(context []slipway.ContextEntry, name string) []slipway.ContextEntry {
	dir := path.Dir(path.Clean(name)) + "/"
	var family []slipway.ContextEntry
	for _, e := range context {
		if e.Digest == "" || dir != "./" && !strings.HasPrefix(e.Path, dir) {
			continue
		}
		switch path.Ext(e.Path) {
		case ".yaml", ".yml", ".json":
			family = append(family, e)
		}
	}
	return family
}
