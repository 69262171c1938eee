package image

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image/erofs"
)

// WriteLayer builds a layer on top of those below (lowest first; none for the first layer of an image) and stores it. build
// adds the entries. It returns the blob's digest and its size in bytes. When build fails, its error is returned as it is; after any
// error, or when ctx ends, nothing is kept.
func (s *Store) WriteLayer(ctx context.Context, below []slipway.Digest, build func(*Layer) error) (slipway.Digest, int64, error) {
	v, closeView, err := s.openView(ctx, below)
	if err != nil {
		return "", 0, err
	}
	defer closeView()
	l, err := s.newLayer(v)
	if err != nil {
		return "", 0, err
	}
	defer l.release()
	if err := build(l); err != nil {
		return "", 0, err
	}
	b, err := s.writeErofs(ctx, l.root)
	if err != nil {
		return "", 0, err
	}
	defer b.discard()
	if err := b.commit(); err != nil {
		return "", 0, err
	}
	return b.digest(), b.size, nil
}

// newLayer returns an empty layer on top of what v shows.
func (s *Store) newLayer(v *view) (*Layer, error) {
	l := &Layer{store: s, below: v, root: &node{mode: unix.S_IFDIR | 0o755, origin: implied, children: map[string]*node{}}}
	root, err := v.lookup("/")
	if err != nil {
		return nil, err
	}
	if root != nil {
		l.root.mode, l.root.uid, l.root.gid, l.root.xattrs, l.root.origin = root.mode, root.uid, root.gid, root.xattrs, lower
	}
	return l, nil
}

// writeErofs writes a tree as an EROFS file system. The blob is the caller's to commit or discard.
func (s *Store) writeErofs(ctx context.Context, root *node) (*blob, error) {
	image, err := erofs.Plan(root.inode(map[*node]*erofs.Inode{}), Epoch)
	if err != nil {
		return nil, fmt.Errorf("plan layer: %w", err)
	}
	if err := s.room("the layer", image.Size()); err != nil {
		return nil, err
	}
	b, err := s.newBlob(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := image.WriteTo(ctx, b); err != nil {
		b.discard()
		if known := (*slipway.Error)(nil); errors.As(err, &known) {
			return nil, known
		}
		return nil, s.writeError("the layer", err)
	}
	return b, nil
}
