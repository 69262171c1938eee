package diff

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/erofs/go-erofs"

	"github.com/slipway-sh/slipway"
)

// layer is the blob of a layer that is being read. It is safe for concurrent use.
type layer struct {
	digest slipway.Digest
	blob   io.ReaderAt
	root   erofsReader
}

// erofsReader is go-erofs's reader.
type erofsReader interface {
	fs.ReadDirFS
	Lstat(name string) (fs.FileInfo, error)
	ReadLink(name string) (string, error)
}

// stacks opens layers, each once however many images have it.
type stacks struct {
	blobs slipway.Blobs
	known map[slipway.Digest]*layer
	files []io.Closer
}

func newStacks(blobs slipway.Blobs) *stacks {
	return &stacks{blobs: blobs, known: map[slipway.Digest]*layer{}}
}

func (s *stacks) close() {
	for _, f := range s.files {
		f.Close()
	}
}

// stack returns the layers of an image, topmost first. digests are lowest first.
func (s *stacks) stack(ctx context.Context, digests []slipway.Digest) ([]*layer, error) {
	var all []*layer
	for _, d := range slices.Backward(digests) {
		l, err := s.open(ctx, d)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func (s *stacks) open(ctx context.Context, d slipway.Digest) (*layer, error) {
	if l := s.known[d]; l != nil {
		return l, nil
	}
	f, err := s.blobs.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	s.files = append(s.files, f)
	blob, ok := f.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("compare layer %s: its store gives no random access", d.Short())
	}
	l := &layer{digest: d, blob: blob}
	root, err := erofs.Open(blob)
	if err != nil {
		return nil, l.corrupt(err)
	}
	l.root = root.(erofsReader)
	s.known[d] = l
	return l, nil
}

// corrupt says of an error of reading that the layer is not what its digest names.
func (l *layer) corrupt(err error) error {
	return slipway.Errorf(slipway.Corrupt, "cannot read layer %s, it is damaged: %w", l.digest, err)
}
