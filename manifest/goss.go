package manifest

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/gossfile"
)

// goss looks for mistakes in a goss file and in all that it includes, and adds those. A file that cannot be read is left to need.
func (c *collector) goss(name string, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	seen[name] = true
	content, err := c.root.ReadFile(name)
	if err != nil {
		return nil //nolint:nilerr // need says it
	}
	problems := []error{gossfile.Check(name, content)}
	dir := path.Dir(name)
	for _, pattern := range gossfile.Includes(content) {
		included, err := c.included(dir, pattern)
		if err != nil {
			var e *slipway.Error
			if errors.As(err, &e) {
				err = e.At(name)
			}
			problems = append(problems, err)
		}
		for _, file := range included {
			problems = append(problems, c.goss(file, seen))
		}
	}
	return errors.Join(problems...)
}

// included adds the files that an entry below gossfile: means to the context, and returns them.
func (c *collector) included(dir, pattern string) ([]string, error) {
	full := path.Join(dir, pattern)
	if path.IsAbs(pattern) || !fs.ValidPath(full) || dir != "." && !strings.HasPrefix(full, dir+"/") {
		return nil, slipway.Errorf(slipway.Invalid, "cannot include %s: want goss files beside or below this one", pattern)
	}
	matches, err := doublestar.Glob(c.root.FS(), full, doublestar.WithFilesOnly())
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot include %s: %w", pattern, err)
	}
	if len(matches) == 0 {
		return nil, slipway.Errorf(slipway.Invalid, "cannot include %s: there is no such file", pattern)
	}
	slices.Sort(matches)
	for _, name := range matches {
		if err := c.need(need{path: name, file: true}); err != nil {
			return nil, err
		}
	}
	return matches, nil
}
