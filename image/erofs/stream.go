package erofs

import (
	"context"
	"fmt"
	"io"
)

// bufferSize is how much is handed on at once, and buffers how many are on the way: one is filled while another is taken.
const (
	bufferSize = 1 << 20
	buffers    = 3
)

// stream gathers what is written into large buffers. After an error it takes all and does nothing.
type stream struct {
	ctx  context.Context
	pos  int64
	buf  []byte // length: what is filled of it
	full chan<- []byte
	free <-chan []byte
	err  error
}

// pump runs fill, and has w take what it writes, at the same time. It returns after both have.
func pump(ctx context.Context, w io.Writer, fill func(*stream) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	full, free := make(chan []byte, buffers), make(chan []byte, buffers)
	for range buffers {
		free <- make([]byte, 0, bufferSize)
	}
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for b := range full {
			if ctx.Err() == nil {
				if _, err := w.Write(b); err != nil {
					stop(err)
				}
			}
			free <- b[:0]
		}
	}()
	s := &stream{ctx: ctx, full: full, free: free, buf: <-free}
	err := fill(s)
	if err == nil {
		s.flush()
		err = s.err
	}
	close(full)
	<-taken
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *stream) flush() {
	if s.err != nil || len(s.buf) == 0 {
		return
	}
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return
	}
	s.full <- s.buf
	s.buf = <-s.free
}

// space returns up to n bytes of the buffer, to be filled now.
func (s *stream) space(n int64) []byte {
	if len(s.buf) == cap(s.buf) {
		s.flush()
	}
	if s.err != nil {
		s.buf = s.buf[:0]
	}
	from := len(s.buf)
	s.buf = s.buf[:from+int(min(n, int64(cap(s.buf)-from)))]
	s.pos += int64(len(s.buf) - from)
	return s.buf[from:]
}

func (s *stream) write(p []byte) {
	for len(p) > 0 {
		p = p[copy(s.space(int64(len(p))), p):]
	}
}

func (s *stream) zeros(n int64) {
	for n > 0 && s.err == nil {
		b := s.space(n)
		clear(b)
		n -= int64(len(b))
	}
}

// copyN reads exactly n bytes.
func (s *stream) copyN(r io.Reader, n int64) error {
	for n > 0 && s.err == nil {
		b := s.space(n)
		if _, err := io.ReadFull(r, b); err == io.EOF {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
		n -= int64(len(b))
	}
	return s.err
}

// end wants r to be at its end: contents that carry a checksum find out there whether it fits.
func (s *stream) end(r io.Reader) error {
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return fmt.Errorf("read content: %w", ErrLonger)
	case err != io.EOF:
		return err
	}
	return s.err
}
