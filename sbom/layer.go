package sbom

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/erofs/go-erofs"

	"github.com/slipway-sh/slipway"
)

// layer is the blob of a layer that is being read.
type layer struct {
	io.Closer
	digest slipway.Digest
	blob   io.ReaderAt
	root   erofsReader
}

// erofsReader is go-erofs's reader.
type erofsReader interface {
	fs.ReadDirFS
	Lstat(name string) (fs.FileInfo, error)
}

func openLayer(ctx context.Context, images Images, d slipway.Digest) (*layer, error) {
	f, err := images.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	blob, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, fmt.Errorf("look into layer %s: its store gives no random access", d.Short())
	}
	l := &layer{Closer: f, digest: d, blob: blob}
	root, err := erofs.Open(blob)
	if err != nil {
		f.Close()
		return nil, l.corrupt(err)
	}
	l.root = root.(erofsReader)
	return l, nil
}

func (l *layer) corrupt(err error) error {
	return slipway.Errorf(slipway.Corrupt, "cannot read layer %s, it is damaged: %w", l.digest, err)
}

// walk calls visit for every regular file, in the order of their paths within each directory.
func (l *layer) walk(ctx context.Context, dir string, visit func(*file) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	list, err := l.root.ReadDir(dir)
	if err != nil {
		return l.corrupt(err)
	}
	for _, e := range list {
		p := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = l.walk(ctx, p, visit)
		case e.Type().IsRegular():
			err = visit(&file{layer: l, path: strings.TrimPrefix(p, "/"), entry: e})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file is a regular file of a layer. Its inode is read when it is needed.
type file struct {
	layer *layer
	path  string // without a slash before it
	entry fs.DirEntry
	info  fs.FileInfo
}

func (f *file) stat() (fs.FileInfo, error) {
	if f.info == nil {
		info, err := f.entry.Info()
		if err != nil {
			return nil, f.layer.corrupt(err)
		}
		f.info = info
	}
	return f.info, nil
}

// bytes returns the file's content, an error if it has more than limit bytes.
func (f *file) bytes(limit int64) ([]byte, error) {
	info, err := f.stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("it has %d bytes, more than is looked at", info.Size())
	}
	r, err := f.layer.root.Open("/" + f.path)
	if err != nil {
		return nil, f.layer.corrupt(err)
	}
	defer r.Close()
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, f.layer.corrupt(err)
	}
	return text, nil
}

// at returns random access to the content, straight where it is in the blob; nil if the layer does not say where that is.
func (f *file) at() (io.ReaderAt, error) {
	info, err := f.stat()
	if err != nil {
		return nil, err
	}
	where, ok := info.(interface{ DataRange() []erofs.DataRange })
	if !ok {
		return nil, nil
	}
	ranges := where.DataRange()
	if ranges == nil {
		return nil, nil
	}
	return &rangesAt{f.layer.blob, ranges}, nil
}

// rangesAt reads a file whose content is in pieces of a blob, negative offsets being holes.
type rangesAt struct {
	blob   io.ReaderAt
	ranges []erofs.DataRange
}

// ReadAt implements [io.ReaderAt].
func (r *rangesAt) ReadAt(p []byte, off int64) (n int, err error) {
	for _, piece := range r.ranges {
		if len(p) == 0 {
			return n, nil
		}
		if off >= piece.Size {
			off -= piece.Size
			continue
		}
		part := p[:min(int64(len(p)), piece.Size-off)]
		if piece.Offset < 0 {
			clear(part)
		} else if k, err := r.blob.ReadAt(part, piece.Offset+off); k < len(part) {
			return n + k, err
		}
		n, p, off = n+len(part), p[len(part):], 0
	}
	if len(p) > 0 {
		return n, io.EOF
	}
	return n, nil
}
