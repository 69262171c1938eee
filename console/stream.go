// Package console carries the streams of a program, to somebody who is elsewhere, over one connection: what is typed and printed, the
// terminal's size, and how the program ended.
package console

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Protocol is the name of what follows an HTTP/1.1 upgrade.
const Protocol = "slipway-console"

// kind says what a frame carries. A frame is its kind, the length of its content in four bytes, most significant first, and the content.
type kind byte

const (
	input      kind = 1 // typed
	inputEnd   kind = 2 // nothing more will be typed
	resized    kind = 3 // a slipway.Window in JSON
	output     kind = 4 // to standard output, or shown by the terminal
	problems   kind = 5 // to standard error
	exitStatus kind = 6 // an exit in JSON; the last frame
)

// maxFrame is the largest content of a frame, bytes.
const maxFrame = 64 << 10

// stream is one end of a connection. One goroutine may receive, any number may send.
type stream struct {
	conn io.ReadWriteCloser
	in   *bufio.Reader

	mu sync.Mutex // held to send
}

func newStream(conn io.ReadWriteCloser) *stream {
	return &stream{conn: conn, in: bufio.NewReaderSize(conn, maxFrame)}
}

func (s *stream) send(k kind, content []byte) error {
	for {
		part := content[:min(len(content), maxFrame)]
		frame := make([]byte, 5, 5+len(part))
		frame[0] = byte(k)
		binary.BigEndian.PutUint32(frame[1:], uint32(len(part)))
		s.mu.Lock()
		_, err := s.conn.Write(append(frame, part...))
		s.mu.Unlock()
		content = content[len(part):]
		if err != nil || len(content) == 0 {
			return err
		}
	}
}

func (s *stream) receive() (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes: want at most %d", n, maxFrame)
	}
	content := make([]byte, n)
	_, err := io.ReadFull(s.in, content)
	return kind(head[0]), content, err
}

// writer sends what is written to it in frames of one kind.
type writer struct {
	*stream
	kind kind
}

func (w writer) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := w.send(w.kind, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// exit says how the program ended: by itself, or not properly.
type exit struct {
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`  // of Error
	Error  string `json:"error,omitempty"` // why there is no status
}
