package image

import (
	"context"
	"maps"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// How the layers of OCI images say that something of the layers below is gone:
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteoutPrefix = ".wh."         // a file .wh.name: name is gone
	opaqueMarker   = ".wh..wh..opq" // all is gone that the directory had
	aufsPrefix     = ".wh..wh."     // else, a note that AUFS made for itself
)

// whiteout takes an entry of an OCI layer that says what is gone. It reports whether name is one.
func (a *archive) whiteout(name string) (bool, error) {
	dir, base := path.Split(path.Clean("/" + name))
	hidden, is := strings.CutPrefix(base, whiteoutPrefix)
	if !a.o.OCIWhiteouts || !is {
		return false, nil
	}
	var err error
	switch {
	case base == opaqueMarker:
		if !a.skipped(dir) {
			err = a.layer.hideAll(a.path(dir), a.o.made)
		}
	case strings.HasPrefix(base, aufsPrefix):
	case hidden == "" || hidden == "." || hidden == "..":
		err = a.refuse(name, "it removes a file without a name")
	case !a.skipped(dir + hidden):
		err = a.layer.hide(path.Join(a.path(dir), hidden), a.o.made)
	}
	return true, a.place(name, err)
}

// hide makes what the layers below have at p invisible. What this layer has there, whether added before or after, stays.
func (l *Layer) hide(p string, made func(string) Attr) error {
	dir, err := l.resolve(path.Dir(p), 0)
	if err != nil {
		return err
	}
	p = path.Join(dir, path.Base(p))
	have, err := l.lookupBelow(p)
	if err != nil || have == nil {
		return err // nothing to hide: a whiteout that hides nothing can be seen
	}
	parent, err := l.makeDirs(dir, made)
	if err != nil {
		return err
	}
	switch own := parent.children[path.Base(p)]; {
	case own == nil:
		return l.put(parent, path.Base(p), &node{mode: unix.S_IFCHR})
	case own.isDir():
		own.hideBelow()
	}
	return nil
}

// lookupBelow returns what the layers below show at p through this layer's directories, nil if nothing.
func (l *Layer) lookupBelow(p string) (*node, error) {
	for dir := p; dir != "/"; {
		dir = path.Dir(dir)
		if own := l.root.find(dir); own != nil && (!own.isDir() || own.isOpaque()) {
			return nil, nil
		}
	}
	return l.below.lookup(p)
}

// hideAll makes what the layers below have in the directory p invisible.
func (l *Layer) hideAll(p string, made func(string) Attr) error {
	p, err := l.resolve(p, 0)
	if err != nil {
		return err
	}
	if p != "/" {
		dir, err := l.makeDirs(p, made)
		if err == nil {
			dir.hideBelow()
		}
		return err
	}
	// The kernel does not look whether a root directory is opaque.
	names, err := l.below.names(p)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.hide("/"+name, made); err != nil {
			return err
		}
	}
	return nil
}

// hideBelow makes a directory opaque. Whiteouts in it have nothing to hide any more.
func (n *node) hideBelow() {
	for name, child := range n.children {
		if child.isWhiteout() {
			delete(n.children, name)
		}
	}
	if n.xattrs == nil {
		n.xattrs = map[string]string{}
	}
	n.xattrs[opaqueXattr] = "y"
}

// replace puts n at p, as unpacking an OCI layer would: whatever is there gives way, but a directory keeps its content when it gets new
// attributes. The parents of p must be no links.
func (l *Layer) replace(p string, n *node, made func(string) Attr) error {
	if p == "/" {
		if !n.isDir() {
			return entryError(p, "%s is a directory", p)
		}
		l.root.mode, l.root.uid, l.root.gid, l.root.xattrs, l.root.origin = n.mode, n.uid, n.gid, n.xattrs, named
		return nil
	}
	parent, err := l.makeDirs(path.Dir(p), made)
	if err != nil {
		return err
	}
	own := parent.children[path.Base(p)]
	if own != nil && n.isDir() {
		n.children = own.children
		if !own.isDir() || own.isOpaque() {
			n.hideBelow()
		}
	}
	return l.put(parent, path.Base(p), n)
}

// copyBelow returns a copy of the file at p in the layers below, which is all that can be had of a hard link to it: what is written once
// is not written to again. nil if there is none.
func (l *Layer) copyBelow(ctx context.Context, p string) (*node, error) {
	have, err := l.lookup(p)
	if err != nil || have == nil || !have.isFile() {
		return nil, err
	}
	r, err := l.below.open(p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	n := *have
	n.xattrs = maps.Clone(n.xattrs)
	n.open, n.data, err = l.takeSparse(ctx, r, n.size)
	return &n, err
}
