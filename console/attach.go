package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/slipway-sh/slipway"
)

// Streams are those of who sits in front of a program that runs elsewhere.
type Streams struct {
	In       io.Reader // read until it ends; a read that is under way when the program has ended is not waited for
	Out, Err io.Writer
	Windows  <-chan slipway.Window // the terminal's size whenever it changes; may be nil
}

// Attach connects streams with the program at the other end of conn and returns its exit status once it has ended. conn is closed then,
// or when ctx ends. Unavailable if the connection breaks.
func Attach(ctx context.Context, conn io.ReadWriteCloser, streams Streams) (int, error) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s := newStream(conn)
	done := make(chan struct{})
	defer close(done)
	go func() {
		if _, err := io.Copy(writer{s, input}, streams.In); err == nil {
			_ = s.send(inputEnd, nil)
		}
	}()
	go func() {
		for {
			select {
			case w, ok := <-streams.Windows:
				if !ok {
					return
				}
				content, _ := json.Marshal(w) // two numbers
				_ = s.send(resized, content)
			case <-done:
				return
			}
		}
	}()
	for {
		k, content, err := s.receive()
		switch {
		case ctx.Err() != nil:
			return -1, context.Cause(ctx)
		case err != nil:
			return -1, slipway.Errorf(slipway.Unavailable, "cannot go on: the connection to slipwayd broke")
		}
		switch k {
		case output:
			_, err = streams.Out.Write(content)
		case problems:
			_, err = streams.Err.Write(content)
		case exitStatus:
			return ended(content)
		default:
			err = fmt.Errorf("cannot understand slipwayd: a frame of unknown kind %d", k)
		}
		if err != nil {
			return -1, err
		}
	}
}

func ended(content []byte) (int, error) {
	var e exit
	if err := json.Unmarshal(content, &e); err != nil {
		return -1, fmt.Errorf("cannot understand slipwayd: %w", err)
	}
	if e.Error != "" {
		return -1, &slipway.Error{Code: slipway.Code(e.Code), Message: e.Error}
	}
	return e.Status, nil
}
