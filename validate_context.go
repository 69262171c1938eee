package slipway

import (
	"io/fs"
	"path"
	"strings"
)

// maxLinks is how many symbolic links may be followed one after the other, as in Linux.
const maxLinks = 40

func (p *problems) context(entries []ContextEntry) {
	byPath := make(map[string]ContextEntry, len(entries))
	for i, e := range entries {
		place := index("context", i)
		if !fs.ValidPath(e.Path) || e.Path == "." || strings.ContainsRune(e.Path, 0) {
			p.add(place, "cannot use %q as a path of the build context: want it relative, clean and inside", e.Path)
			continue
		}
		if _, twice := byPath[e.Path]; twice {
			p.add(place, "cannot have %q twice in the build context", e.Path)
		}
		byPath[e.Path] = e
		p.entry(place, e)
	}
	for i, e := range entries {
		for dir := path.Dir(e.Path); fs.ValidPath(e.Path) && dir != "."; dir = path.Dir(dir) {
			if parent, ok := byPath[dir]; ok && !parent.Dir {
				p.add(index("context", i), "cannot have %q in the build context: %q is not a directory", e.Path, dir)
			}
		}
		if e.Link != "" && fs.ValidPath(e.Path) && !linkStays(byPath, e.Path) {
			p.add(index("context", i), "cannot use the link %q to %q: it leaves the build context", e.Path, e.Link)
		}
	}
}

func (p *problems) entry(place string, e ContextEntry) {
	kinds := 0
	for _, is := range []bool{e.Dir, e.Link != "", e.Digest != ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		p.add(place, "cannot tell what %q is: want exactly one of dir, link and digest", e.Path)
	case e.Digest != "":
		p.check(place, e.Digest.Validate())
	case e.Size != 0:
		p.add(place, "cannot use size %d of %q: only files have one", e.Size, e.Path)
	}
	if e.Size < 0 {
		p.add(place, "cannot use size %d of %q: want 0 or more", e.Size, e.Path)
	}
	if e.Mode&^0o7777 != 0 {
		p.add(place, "cannot use mode %#o of %q: want permission bits only", e.Mode, e.Path)
	}
}

// linkStays reports whether the link at name leads to a place inside the context however the links among entries are
// followed. What a link leads to need not exist.
func linkStays(entries map[string]ContextEntry, name string) bool {
	at, todo := ".", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return false
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		link := entries[next].Link
		if link == "" {
			at = next
			continue
		}
		if links++; links > maxLinks || path.IsAbs(link) {
			return false
		}
		todo = append(strings.Split(link, "/"), todo...)
	}
	return true
}
