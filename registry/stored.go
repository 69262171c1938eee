package registry

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// maxManifest bounds what is taken for a manifest, bytes.
const maxManifest = 4 << 20

// stored returns a manifest of the image store, whole.
func (e *Exchange) stored(ctx context.Context, d slipway.Digest) (storedManifest, error) {
	if err := e.images.Check(ctx, d); err != nil {
		return storedManifest{}, err
	}
	text, err := os.ReadFile(e.images.BlobPath(d))
	if err != nil {
		return storedManifest{}, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(text))
	if err != nil {
		return storedManifest{}, slipway.Errorf(slipway.Invalid, "cannot use %s: it is no manifest: %w", d, err)
	}
	return storedManifest{text, *m}, nil
}

// storedBlob is a blob of the image store, as the library for registries wants it.
type storedBlob struct {
	part
	ctx    context.Context
	images *image.Store
	sent   func(n int64)
	read   atomic.Int64 // since it was last opened
}

var _ v1.Layer = (*storedBlob)(nil)

// Digest implements v1.Layer.
func (b *storedBlob) Digest() (v1.Hash, error) { return v1.NewHash(string(b.digest)) }

// DiffID implements v1.Layer. Nobody asks: there is no other form of the blob.
func (b *storedBlob) DiffID() (v1.Hash, error) { return b.Digest() }

// Size implements v1.Layer.
func (b *storedBlob) Size() (int64, error) { return b.size, nil }

// MediaType implements v1.Layer.
func (b *storedBlob) MediaType() (types.MediaType, error) { return types.MediaType(b.media), nil }

// Uncompressed implements v1.Layer.
func (b *storedBlob) Uncompressed() (io.ReadCloser, error) { return b.Compressed() }

// Compressed implements v1.Layer. A blob that is damaged is not sent.
func (b *storedBlob) Compressed() (io.ReadCloser, error) {
	if err := b.images.Check(b.ctx, b.digest); err != nil {
		return nil, err
	}
	f, err := b.images.OpenBlob(b.ctx, b.digest)
	if err != nil {
		return nil, err
	}
	if again := b.read.Swap(0); again > 0 {
		b.sent(-again)
	}
	return sentReader{f, b}, nil
}

// sentReader counts what is read to be sent.
type sentReader struct {
	io.ReadCloser
	blob *storedBlob
}

func (r sentReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.blob.read.Add(int64(n))
	r.blob.sent(int64(n))
	return n, err
}
