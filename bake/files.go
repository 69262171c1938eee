package bake

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-sh/slipway"
)

// files is a build context, by path. Directories that are only implied by what lies in them have an entry too.
type files map[string]slipway.ContextEntry

const maxLinks = 40 // followed on the way to one file, as Linux does

func newFiles(entries []slipway.ContextEntry) files {
	f := make(files, len(entries)+1)
	f["."] = slipway.ContextEntry{Path: ".", Mode: 0o755, Dir: true}
	for _, e := range entries {
		f[e.Path] = e
	}
	for _, e := range entries {
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			if _, ok := f[dir]; ok {
				break
			}
			f[dir] = slipway.ContextEntry{Path: dir, Mode: 0o755, Dir: true}
		}
	}
	return f
}

// find returns what name leads to, symbolic links followed. Invalid, naming place and what may have been meant, if it leads to nothing.
func (f files) find(name, place string) (slipway.ContextEntry, error) {
	at, rest := ".", strings.Split(path.Clean(name), "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == ".." && at == "." {
			return slipway.ContextEntry{}, slipway.Errorf(slipway.Invalid, "cannot use %s: it leaves the build context", name).At(place)
		}
		next := path.Join(at, part)
		e, ok := f[next]
		switch {
		case !ok:
			return slipway.ContextEntry{}, f.missing(name, place)
		case e.Link == "":
			at = next
			continue
		}
		if links++; links > maxLinks || path.IsAbs(e.Link) {
			return slipway.ContextEntry{}, slipway.Errorf(slipway.Invalid, "cannot follow the link %s to %s: it leaves the build context or leads to itself", next, e.Link).At(place)
		}
		rest = append(strings.Split(path.Clean(e.Link), "/"), rest...)
	}
	return f[at], nil
}

// file is find for what has to be a regular file.
func (f files) file(name, place string) (slipway.ContextEntry, error) {
	e, err := f.find(name, place)
	if err == nil && e.Dir {
		return e, slipway.Errorf(slipway.Invalid, "cannot use %s: it is a directory, want a file", name).At(place)
	}
	return e, err
}

// tree returns what name leads to and, if that is a directory, everything below it, by path.
func (f files) tree(name, place string) ([]slipway.ContextEntry, error) {
	top, err := f.find(name, place)
	if err != nil {
		return nil, err
	}
	list := []slipway.ContextEntry{top}
	if top.Dir {
		for p, e := range f {
			if p != "." && (top.Path == "." || strings.HasPrefix(p, top.Path+"/")) {
				list = append(list, e)
			}
		}
		slices.SortFunc(list, byPath)
	}
	return list, nil
}

// glob returns the entries that patterns match, what lies below matched directories, and the directories all that lies in, by
// path. Invalid if a pattern is malformed or matches nothing.
func (f files) glob(patterns []string, place string) ([]slipway.ContextEntry, error) {
	found := map[string]slipway.ContextEntry{}
	for i, pattern := range patterns {
		at := slipway.Errorf(slipway.Invalid, "").At(indexed(place, i))
		pattern = path.Clean(pattern)
		if !doublestar.ValidatePattern(pattern) {
			at.Message = "cannot use " + pattern + " as a pattern: its brackets or braces are not closed"
			return nil, at
		}
		matched := false
		for p := range f {
			if !f.matches(pattern, p) || p == "." && pattern != "." {
				continue
			}
			matched = true
			for ; p != "."; p = path.Dir(p) {
				found[p] = f[p]
			}
		}
		if !matched {
			at.Message = "cannot find " + pattern + " in the build context" + f.near(pattern)
			return nil, at
		}
	}
	return sorted(found), nil
}

// matches reports whether pattern matches p or a directory that p is in.
func (f files) matches(pattern, p string) bool {
	for {
		if doublestar.MatchUnvalidated(pattern, p) {
			return true
		}
		if p == "." {
			return pattern == "."
		}
		p = path.Dir(p)
	}
}

func (f files) missing(name, place string) error {
	return slipway.Errorf(slipway.Invalid, "cannot find %s in the build context%s", name, f.near(name)).At(place)
}

// near suggests up to three paths like name.
func (f files) near(name string) string {
	type guess struct {
		path     string
		distance int
	}
	var guesses []guess
	for p := range f {
		d := distance(name, p)
		if path.Base(p) == path.Base(name) {
			d = 0 // the right file in another directory
		}
		if p != "." && d <= max(2, len(name)/4) {
			guesses = append(guesses, guess{p, d})
		}
	}
	if len(guesses) == 0 {
		return ""
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.path, b.path))
	})
	var names []string
	for _, g := range guesses[:min(3, len(guesses))] {
		names = append(names, g.path)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// distance counts the letters to insert, remove or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

func byPath(a, b slipway.ContextEntry) int { return strings.Compare(a.Path, b.Path) }
