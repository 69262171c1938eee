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

// holeSize is what holes are multiples of, and where they begin. A file that has any is looked through for all zeros of that size, so that
// it comes out the same from every file system and archive.
const holeSize = 4096

var zeroBlock [holeSize]byte

// dataList gathers where the data of a file is.
type dataList struct {
	list []erofs.Extent
}

// add says that a block of holeSize bytes, or the last of a file, has data. Blocks come in order.
func (d *dataList) add(offset, length int64) {
	if last := len(d.list) - 1; last >= 0 && d.list[last].Offset+d.list[last].Length == offset {
		d.list[last].Length += length
		return
	}
	d.list = append(d.list, erofs.Extent{Offset: offset, Length: length})
}

// of returns the data of a file that has size bytes; nil if there are no holes.
func (d *dataList) of(size int64) []erofs.Extent {
	if size == 0 || len(d.list) == 1 && d.list[0].Length == size {
		return nil
	}
	return append([]erofs.Extent{}, d.list...)
}

// hostData finds the data of a file of the host that seems to have holes.
func hostData(ctx context.Context, p string, size int64) ([]erofs.Extent, error) {
	f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if hole, err := f.Seek(0, unix.SEEK_HOLE); err != nil || hole >= size {
		return nil, ignore(err, unix.EINVAL) // the file system knows of no holes
	}
	var d dataList
	buf := make([]byte, copyBuffer)
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
			if n == 0 {
				return nil, fmt.Errorf("%s: it changed while it was read: %w", p, err)
			}
			d.addNonZero(buf[:n], at)
			at += int64(n)
		}
	}
	return d.of(size), nil
}

// addNonZero adds the blocks of b that are not all zeros. b is at offset, where a block begins.
func (d *dataList) addNonZero(b []byte, offset int64) {
	for len(b) > 0 {
		n := min(len(b), holeSize)
		if !isZero(b[:n]) {
			d.add(offset, int64(n))
		}
		b, offset = b[n:], offset+int64(n)
	}
}

// isZero reports whether a block is all zeros.
func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }

// openHost returns what opens the data of a file of the host; nil means all of it.
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
		beyond := io.NewSectionReader(f, size, 1) // nothing, unless the file has grown
		return readCloser{io.MultiReader(append(parts, beyond)...), f}, nil
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// ignore returns err unless it is another.
func ignore(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}
