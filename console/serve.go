package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// errHungUp says that who sat at the other end has gone.
var errHungUp = errors.New("the connection was closed")

// pending is how many pieces of input wait for a program that does not read. When there are more, the connection is not read either,
// and it is not noticed if it breaks.
const pending = 1024

// farewell is how long the other end gets to read how the program ended, and to hang up.
const farewell = 2 * time.Second

// Serve runs a program, whose streams go over conn, and tells the other end how it ended. The context that run gets ends when the
// connection breaks. The exec that run gets has the streams, and the changes of the size of terminal, which is nil for none. conn is
// closed when Serve returns, which is when run has returned.
func Serve(ctx context.Context, conn io.ReadWriteCloser, terminal *slipway.Terminal, run func(context.Context, slipway.Exec) (status int, err error)) {
	ctx, hangUp := context.WithCancelCause(ctx)
	s := newStream(conn)
	typed, typing := io.Pipe()
	e := slipway.Exec{Stdin: typed, Stdout: writer{s, output}, Stderr: writer{s, problems}}
	windows := make(chan slipway.Window, 1)
	if terminal != nil {
		at := *terminal
		at.Windows = windows
		e.Terminal = &at
	}
	queue := make(chan []byte, pending)
	var work sync.WaitGroup
	work.Go(func() {
		for content := range queue {
			if content == nil {
				typing.Close() // nothing more will be typed
			} else if _, err := typing.Write(content); err != nil {
				continue // the program is gone
			}
		}
	})
	over, hungUp := make(chan struct{}), make(chan struct{})
	work.Go(func() {
		defer close(queue)
		defer close(hungUp)
		hangUp(receive(s, queue, windows, over))
	})
	status, err := run(ctx, e)
	end := exit{Status: status}
	if err != nil {
		end = exit{Status: -1, Code: string(slipway.CodeOf(err)), Error: slipway.MessageOf(err)}
	}
	content, _ := json.Marshal(end) // numbers and strings always can be
	_ = s.send(exitStatus, content) // nobody may be there any more
	close(over)
	typed.CloseWithError(errHungUp)
	// A connection that is closed while something of it is unread may take along what was sent last.
	select {
	case <-hungUp:
	case <-time.After(farewell):
	}
	conn.Close()
	work.Wait()
}

// receive takes what the other end sends until the connection breaks. What comes once the program is over is dropped.
func receive(s *stream, typed chan<- []byte, windows chan slipway.Window, over <-chan struct{}) error {
	for {
		k, content, err := s.receive()
		if err != nil {
			return errHungUp
		}
		switch k {
		case input, inputEnd:
			if k == inputEnd {
				content = nil
			}
			select {
			case typed <- content:
			case <-over:
			}
		case resized:
			var w slipway.Window
			if err := json.Unmarshal(content, &w); err != nil {
				return fmt.Errorf("a window's size: %w", err)
			}
			select { // only the newest counts
			case <-windows:
			default:
			}
			windows <- w
		default:
			return fmt.Errorf("a frame of unknown kind %d", k)
		}
	}
}
