package sim

import (
	"bytes"
	"context"
	"io"
)

// log is what a machine's service has printed. World.mu guards it.
type log struct {
	text  []byte
	ended bool          // nothing more comes
	grown chan struct{} // closed when something has; nil if nobody waits
}

func (w *World) logOf(id string) *log {
	l := &log{}
	w.logs[id] = l
	return l
}

func (l *log) print(line string) {
	if line != "" && !l.ended {
		l.text = append(append(l.text, line...), '\n')
		l.wake()
	}
}

func (l *log) end() {
	l.ended = true
	l.wake()
}

func (l *log) wake() {
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
}

// Print lets the service of a machine print a line; nothing happens if there is none of that ID.
func (w *World) Print(id, line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.machines[id]; m != nil {
		m.log.print(line)
	}
}

// Logs implements slipway.Provider. 0 lines are all.
func (w *World) Logs(ctx context.Context, id string, lines int, follow bool) (io.ReadCloser, error) {
	if err := w.look(ctx, "Logs "+id); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	l := w.logs[id]
	if l == nil {
		return nil, noMachine(id)
	}
	start := len(l.text) - len(lastLines(l.text, lines))
	if !follow {
		return io.NopCloser(bytes.NewReader(bytes.Clone(l.text[start:]))), nil
	}
	reading, stop := context.WithCancel(ctx)
	return &follower{w: w, log: l, at: start, ctx: reading, stop: stop}, nil
}

// follower reads a log to its end.
type follower struct {
	w    *World
	log  *log
	at   int
	ctx  context.Context
	stop context.CancelFunc
}

func (f *follower) Read(b []byte) (int, error) {
	for {
		f.w.mu.Lock()
		n := copy(b, f.log.text[f.at:])
		f.at += n
		if n > 0 || len(b) == 0 || f.log.ended {
			f.w.mu.Unlock()
			if n == 0 && len(b) > 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		if f.log.grown == nil {
			f.log.grown = make(chan struct{})
		}
		grown := f.log.grown
		f.w.mu.Unlock()
		select {
		case <-grown:
		case <-f.ctx.Done():
			return 0, io.EOF
		}
	}
}

func (f *follower) Close() error {
	f.stop()
	return nil
}

// lastLines returns the last n lines of text, all of it for 0.
func lastLines(text []byte, n int) []byte {
	if n <= 0 {
		return text
	}
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for range n {
		if at = bytes.LastIndexByte(text[:at], '\n'); at < 0 {
			return text
		}
	}
	return text[at+1:]
}

var _ io.ReadCloser = (*follower)(nil)
