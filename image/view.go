package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/erofs/go-erofs"

	"github.com/slipway-sh/slipway"
)

// view shows layers as overlayfs stacks them: a whiteout hides what is below it, a directory merges with those of its name
// below down to an opaque one, anything else hides what is below it. It follows no symbolic links.
type view struct {
	layers []lowerLayer // topmost first
	known  map[string]merged
	deeply bool // more was asked than what is at a path: the names in a directory, the content of a file
}

// lowerLayer is one layer: a stored one, or one that is being built.
type lowerLayer interface {
	// lstat returns what is at p, whose parents are known to be directories in this layer; nil if nothing.
	lstat(p string) (*node, error)
}

// storedLayer is the blob of a layer.
type storedLayer struct{ linkReader }

// linkReader is go-erofs's reader.
type linkReader interface {
	Lstat(name string) (fs.FileInfo, error)
	ReadLink(name string) (string, error)
	fs.ReadDirFS
}

// merged is what is at a path: the attributes of the topmost entry and, for a directory, the layers that are part of it.
type merged struct {
	node   *node // nil: nothing
	layers []lowerLayer
}

// openView opens the layers, lowest first.
func (s *Store) openView(ctx context.Context, digests []slipway.Digest) (v *view, closeAll func(), err error) {
	v = &view{known: map[string]merged{}}
	var files []*os.File
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, d := range slices.Backward(digests) {
		f, err := s.openVerified(ctx, d)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, f)
		img, err := erofs.Open(f)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("read layer %s: %w", d.Short(), err)
		}
		v.layers = append(v.layers, storedLayer{img.(linkReader)})
	}
	return v, closeAll, nil
}

// lookup returns what is at the clean absolute path p, nil if nothing.
func (v *view) lookup(p string) (*node, error) {
	m, err := v.at(p)
	return m.node, err
}

func (v *view) at(p string) (merged, error) {
	if m, ok := v.known[p]; ok {
		return m, nil
	}
	layers := v.layers
	if p != "/" {
		parent, err := v.at(path.Dir(p))
		if err != nil {
			return merged{}, err
		}
		layers = parent.layers
	}
	var m merged
	for _, l := range layers {
		n, err := l.lstat(p)
		if err != nil {
			return merged{}, err
		}
		if n == nil {
			continue
		}
		if n.isWhiteout() || m.node != nil && !n.isDir() {
			break
		}
		if m.node == nil {
			m.node = n
		}
		if !n.isDir() {
			break
		}
		m.layers = append(m.layers, l)
		if n.isOpaque() {
			break
		}
	}
	v.known[p] = m
	return m, nil
}

// names returns the names in the directory p, which may be hidden by whiteouts, unsorted and some of them repeatedly.
func (v *view) names(p string) ([]string, error) {
	v.deeply = true
	m, err := v.at(p)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range m.layers {
		stored, ok := l.(storedLayer)
		if !ok {
			continue
		}
		list, err := stored.ReadDir(p)
		if err != nil {
			return nil, fmt.Errorf("read layer: %w", err)
		}
		for _, e := range list {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// open opens the content of the file at p.
func (v *view) open(p string) (io.ReadCloser, error) {
	v.deeply = true
	parent, err := v.at(path.Dir(p))
	if err != nil {
		return nil, err
	}
	for _, l := range parent.layers {
		n, err := l.lstat(p)
		if err != nil {
			return nil, err
		}
		if stored, ok := l.(storedLayer); ok && n != nil {
			return stored.Open(p)
		}
	}
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

func (l storedLayer) lstat(p string) (*node, error) {
	fi, err := l.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	st := fi.Sys().(*erofs.Stat)
	n := &node{mode: unixMode(st.Mode), uid: st.UID, gid: st.GID, rdev: st.Rdev, size: st.Size}
	for name, value := range st.Xattrs {
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		if bare := name[:max(0, len(name)-1)]; isACL(bare) {
			name = bare
		}
		n.xattrs[name] = value
	}
	if n.isLink() {
		if n.target, err = l.ReadLink(p); err != nil {
			return nil, fmt.Errorf("read layer: %w", err)
		}
	}
	return n, nil
}
