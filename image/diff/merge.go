package diff

import (
	"io/fs"
	"slices"
)

// view says how layers are looked at.
type view int

const (
	machine view = iota // as overlayfs stacks them
	bare                // as they are: of one layer alone
)

// spot is what is at a path of one image: the topmost entry, nil if there is nothing, and, for a directory, the layers that are part of
// it, topmost first.
type spot struct {
	*entry
	layers []*layer
}

// top returns the spot of the root. The root of every layer is a directory.
func top(layers []*layer, v view) (spot, error) {
	s := spot{layers: []*layer{}}
	for _, l := range layers {
		info, err := l.root.Lstat("/")
		if err != nil {
			return spot{}, l.corrupt(err)
		}
		e := &entry{layer: l, path: "/", dir: fs.FileInfoToDirEntry(info)}
		n, err := e.inode()
		if err != nil {
			return spot{}, err
		}
		if s.entry == nil {
			s.entry = e
		}
		s.layers = append(s.layers, l)
		if v == machine && n.isOpaque() {
			break
		}
	}
	return s, nil
}

// isDir reports whether there is a directory.
func (s spot) isDir() bool { return s.layers != nil }

// same reports whether both are made of the same layers, and so are the same with all below them.
func (s spot) same(o spot) bool {
	if s.entry == nil || o.entry == nil {
		return s.entry == o.entry
	}
	return s.entry.layer == o.entry.layer && slices.Equal(s.layers, o.layers)
}

// listings are the entries of one directory, by layer.
type listings map[*layer][]*entry

// add reads the directory p of those of the layers that are not read yet.
func (l listings) add(p string, layers []*layer) error {
	for _, layer := range layers {
		if _, ok := l[layer]; ok {
			continue
		}
		list, err := layer.root.ReadDir(p)
		if err != nil {
			return layer.corrupt(err)
		}
		entries := make([]*entry, len(list))
		prefix := p
		if p != "/" {
			prefix += "/"
		}
		for i, d := range list {
			entries[i] = &entry{layer: layer, path: prefix + d.Name(), dir: d}
		}
		l[layer] = entries
	}
	return nil
}

// merge returns what a directory made of the layers has, by name: a whiteout hides what is below it, a directory merges with those of its
// name below down to an opaque one, anything else hides what is below it.
func (l listings) merge(layers []*layer, v view) (map[string]spot, error) {
	merged := map[string]spot{}
	settled := map[string]bool{} // nothing below counts any more
	for i, layer := range layers {
		last := i == len(layers)-1
		for _, e := range l[layer] {
			name := e.dir.Name()
			if settled[name] {
				continue
			}
			s, ok := merged[name]
			kind := e.dir.Type()
			if !kind.IsDir() {
				hidden := ok // what a directory hides: nothing merges with it, and nothing shines through
				if !ok && v == machine && kind&fs.ModeCharDevice != 0 {
					n, err := e.inode()
					if err != nil {
						return nil, err
					}
					hidden = n.isWhiteout()
				}
				if !hidden {
					merged[name] = spot{entry: e}
				}
				if !last {
					settled[name] = true
				}
				continue
			}
			if !ok {
				s.entry = e
			}
			s.layers = append(s.layers, layer)
			merged[name] = s
			if last || v == bare {
				continue
			}
			n, err := e.inode()
			if err != nil {
				return nil, err
			}
			if n.isOpaque() {
				settled[name] = true
			}
		}
	}
	return merged, nil
}
