package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/erofs/go-erofs"
	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
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

// tail is how many zero bytes follow the file system. Both fsck.erofs and go-erofs read a little more than the last inode, and
// call the layer damaged where there is nothing.
const tail = 4096

// writeErofs writes a tree as an EROFS file system in one pass over its data. The superblock comes first in the file but
// go-erofs knows it last, while a digest needs the bytes in order: so a first run, over sizes alone, finds the superblock out.
// The blob is the caller's to commit or discard.
func (s *Store) writeErofs(ctx context.Context, root *node) (_ *blob, err error) {
	plan := &planned{}
	if err := runErofs(ctx, plan, treeFS{ctx, root, true}); err != nil {
		return nil, fmt.Errorf("plan layer: %w", err)
	}
	if err := s.room("the layer", plan.size+tail); err != nil {
		return nil, err
	}
	b, err := s.newBlob(ctx, true)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.discard()
		}
	}()
	if err := runErofs(ctx, &inOrder{blob: b, head: plan.head}, treeFS{ctx, root, false}); err != nil {
		if slipway.CodeOf(err) != slipway.Internal {
			return nil, err
		}
		return nil, s.writeError("the layer", err)
	}
	if _, err := b.Write(make([]byte, tail)); err != nil {
		return nil, s.writeError("the layer", err)
	}
	return b, nil
}

func runErofs(ctx context.Context, out io.WriteSeeker, tree treeFS) error {
	w := erofs.Create(out, erofs.WithBuildTime(Epoch, 0))
	if err := w.CopyFrom(tree); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.Close()
}

var errSeek = errors.New("the EROFS writer moved to where it never did")

// planned takes a planning run: it counts, and keeps what is written at the start after going back to it.
type planned struct {
	size int64
	head []byte
	back bool
}

func (p *planned) Write(b []byte) (int, error) {
	if p.back {
		p.head = append(p.head, b...)
	} else {
		p.size += int64(len(b))
	}
	return len(b), nil
}

func (p *planned) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart || p.back {
		return 0, errSeek
	}
	p.back = true
	return 0, nil
}

// inOrder takes the real run: it puts the planned head in place of the first bytes, and compares what is written when the
// writer goes back to them.
type inOrder struct {
	blob *blob
	head []byte
	back bool
	at   int // in head, while back
}

func (o *inOrder) Write(b []byte) (int, error) {
	n := len(b)
	if o.back {
		if o.at+n > len(o.head) || !bytes.Equal(o.head[o.at:o.at+n], b) {
			return 0, errors.New("the EROFS writer changed its plan")
		}
		o.at += n
		return n, nil
	}
	if at := o.blob.size; at < int64(len(o.head)) {
		k := min(int64(n), int64(len(o.head))-at)
		if _, err := o.blob.Write(o.head[at : at+k]); err != nil {
			return 0, err
		}
		b = b[k:]
	}
	if len(b) > 0 {
		if _, err := o.blob.Write(b); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (o *inOrder) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart || o.back {
		return 0, errSeek
	}
	o.back = true
	return 0, nil
}
