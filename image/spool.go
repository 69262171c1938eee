package image

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/slipway-sh/slipway/image/erofs"
)

// spoolBuffer is how much goes to the spool in one write, and how often the free space is looked at.
const spoolBuffer = 1 << 20

// spool keeps contents that can be read only once, because a layer is written in another order than its archive. It is a file
// without a name, so that nothing of it outlives the process.
type spool struct {
	store *Store
	file  *os.File
	buf   *bufio.Writer
	size  int64
}

func (s *Store) newSpool() (*spool, error) {
	f, err := os.CreateTemp(s.ingest(), "spool-")
	if err != nil {
		return nil, s.writeError("the layer", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("make spool: %w", err)
	}
	sp := &spool{store: s, file: f}
	sp.buf = bufio.NewWriterSize(spoolWriter{sp}, spoolBuffer)
	return sp, nil
}

// take copies r to its end and returns how to read it again and its length.
func (s *spool) take(ctx context.Context, r io.Reader) (open opener, size int64, err error) {
	at := s.size
	size, err = io.Copy(s.buf, withContext{ctx, r})
	s.size += size
	return s.opener(at), size, err
}

// takeSparse copies the data of a file of size bytes, and leaves out its holes.
func (s *spool) takeSparse(ctx context.Context, r io.Reader, size int64) (open opener, data []erofs.Extent, err error) {
	at := s.size
	var m dataMap
	var buf [holeSize]byte
	for offset := int64(0); offset < size; offset += holeSize {
		b := buf[:min(holeSize, size-offset)]
		if _, err := io.ReadFull(withContext{ctx, r}, b); err == io.EOF {
			return nil, nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, nil, err
		}
		m.add(b, offset)
		if isZero(b) {
			continue
		}
		n, err := s.buf.Write(b)
		s.size += int64(n)
		if err != nil {
			return nil, nil, err
		}
	}
	return s.opener(at), m.of(size), nil
}

// opener returns what opens the content from at to the present end.
func (s *spool) opener(at int64) opener {
	size := s.size - at
	return func(context.Context) (io.ReadCloser, error) {
		if err := s.buf.Flush(); err != nil {
			return nil, err
		}
		return io.NopCloser(io.NewSectionReader(s.file, at, size)), nil
	}
}

// spoolWriter looks at the free space before each large write, so that an archive that unpacks to more than the disk holds is
// refused while others can still write.
type spoolWriter struct{ *spool }

func (w spoolWriter) Write(p []byte) (int, error) {
	if err := w.store.room("the unpacked archive", int64(len(p))+spoolBuffer); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	if err != nil {
		return n, w.store.writeError("the unpacked archive", err)
	}
	return n, nil
}

type withContext struct {
	ctx context.Context
	io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
