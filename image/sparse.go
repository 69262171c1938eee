package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway/image/erofs"
)

// holeSize is what holes are multiples of, and where they begin. A file that has any is looked through for zeros of that size and place,
// so that it comes out the same from every file system and archive.
const holeSize = 4096

// dataMap gathers where the data of a file with holes is.
type dataMap []erofs.Extent

// add adds the blocks of b that are not all zeros. b is what the file has at offset, a multiple of holeSize; calls are in order.
func (m *dataMap) add(b []byte, offset int64) {
	for len(b) > 0 {
		block := b[:min(len(b), holeSize)]
		b = b[len(block):]
		if !isZero(block) {
			if last := len(*m) - 1; last >= 0 && (*m)[last].Offset+(*m)[last].Length == offset {
				(*m)[last].Length += int64(len(block))
			} else {
				*m = append(*m, erofs.Extent{Offset: offset, Length: int64(len(block))})
			}
		}
		offset += int64(len(block))
	}
}

// of returns where the data is of a file that has size bytes: nil if it has no holes after all, and not nil if it has nothing else.
func (m dataMap) of(size int64) []erofs.Extent {
	if size == 0 || len(m) == 1 && m[0].Length == size {
		return nil
	}
	return append([]erofs.Extent{}, m...)
}

var zeroBlock [holeSize]byte

// isZero reports whether a block is all zeros.
func isZero(block []byte) bool { return bytes.Equal(block, zeroBlock[:len(block)]) }

// hostData finds out where the data of a file of the host is; nil if it has no holes.
func hostData(ctx context.Context, p string, size int64) ([]erofs.Extent, error) {
	f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if hole, err := f.Seek(0, unix.SEEK_HOLE); errors.Is(err, unix.EINVAL) || hole >= size {
		return nil, nil // the file system knows of no holes, or the file has none
	} else if err != nil {
		return nil, err
	}
	var m dataMap
	buf := make([]byte, copyBuffer) // a multiple of holeSize
	for at := int64(0); at < size; {
		data, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // it ends with a hole
		}
		if err != nil {
			return nil, err
		}
		hole, err := f.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		for at = max(at, data/holeSize*holeSize); at < min(hole, size); {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
			if err != nil {
				return nil, fmt.Errorf("%s: it changed while it was read: %w", p, err)
			}
			m.add(buf[:n], at)
			at += int64(n)
		}
	}
	return m.of(size), nil
}

// openHost returns what opens the data of a file of the host; nil means all of it. It reads on to where the file ended when it was added,
// where it should still end.
func openHost(p string, size int64, data []erofs.Extent) opener {
	return func(context.Context) (io.ReadCloser, error) {
		f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if err != nil || data == nil {
			return f, err
		}
		parts := make([]io.Reader, 0, len(data)+1)
		for _, e := range data {
			parts = append(parts, io.NewSectionReader(f, e.Offset, e.Length))
		}
		parts = append(parts, io.NewSectionReader(f, size, 1))
		return readCloser{io.MultiReader(parts...), f}, nil
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}
