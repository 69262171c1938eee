package diff

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/erofs/go-erofs"

	"github.com/slipway-sh/slipway"
)

// chunk is how many bytes of each file are in memory at once.
const chunk = 256 << 10

var chunks = sync.Pool{New: func() any { b := make([]byte, 2*chunk); return &b }}

// sameContent reports whether two files of the same size hold the same.
func sameContent(ctx context.Context, a, b *entry) (bool, error) {
	x, err := a.content()
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := b.content()
	if err != nil {
		return false, err
	}
	defer y.Close()
	buffer := chunks.Get().(*[]byte)
	defer chunks.Put(buffer)
	for left := a.read.stat.Size; left > 0; {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		n := min(left, chunk)
		p, q := (*buffer)[:n], (*buffer)[chunk:chunk+n]
		if _, err := io.ReadFull(x, p); err != nil {
			return false, a.layer.corrupt(err)
		}
		if _, err := io.ReadFull(y, q); err != nil {
			return false, b.layer.corrupt(err)
		}
		if !bytes.Equal(p, q) {
			return false, nil
		}
		left -= n
	}
	return true, nil
}

// content reads a file whose inode is known, from its beginning.
func (e *entry) content() (io.ReadCloser, error) {
	if e.read.ranges != nil {
		return &ranges{blob: e.layer.blob, left: e.read.ranges}, nil
	}
	f, err := e.layer.root.Open(e.path)
	if err != nil {
		return nil, e.layer.corrupt(err)
	}
	return f, nil
}

// ranges reads a file straight from where it is in the blob.
type ranges struct {
	blob io.ReaderAt
	left []erofs.DataRange
	done int64 // of the first range that is left
}

func (r *ranges) Close() error { return nil }

func (r *ranges) Read(p []byte) (int, error) {
	for len(r.left) > 0 && r.done == r.left[0].Size {
		r.left, r.done = r.left[1:], 0
	}
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.left[0].Size-r.done)]
	n := len(p)
	if r.left[0].Offset < 0 { // a hole
		clear(p)
	} else {
		var err error
		if n, err = r.blob.ReadAt(p, r.left[0].Offset+r.done); n < len(p) {
			return n, err
		}
	}
	r.done += int64(n)
	return n, nil
}

// text returns the whole content of a file, Corrupt if it is longer than limit: whoever asks has looked at its size.
func (e *entry) text(ctx context.Context, limit int64) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if e.read.stat.Size > limit {
		return "", slipway.Errorf(slipway.Invalid, "cannot compare %s: it has %d bytes, more than %d", e.path, e.read.stat.Size, limit)
	}
	if e.read.stat.Size == 0 {
		return "", nil
	}
	f, err := e.content()
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, e.read.stat.Size)
	if _, err := io.ReadFull(f, b); err != nil {
		return "", e.layer.corrupt(fmt.Errorf("%s: %w", e.path, err))
	}
	return string(b), nil
}
