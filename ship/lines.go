package ship

import (
	"bytes"
	"sync"
	"time"
)

// How much output is gathered, and for how long, before it is told of in one event.
const (
	gatherFor   = 200 * time.Millisecond
	gatherBytes = 8 << 10
)

// lines hands on what is written to it in batches of whole lines, so that a talkative script makes few events. Safe for
// concurrent use.
type lines struct {
	mu     sync.Mutex
	buffer []byte
	timer  *time.Timer
	emit   func(text string)
}

func newLines(emit func(text string)) *lines { return &lines{emit: emit} }

// Write implements io.Writer; it never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = append(l.buffer, p...)
	switch {
	case len(l.buffer) >= gatherBytes:
		l.flush(false)
	case l.timer == nil:
		l.timer = time.AfterFunc(gatherFor, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.timer = nil
			l.flush(false)
		})
	}
	return len(p), nil
}

// Close hands on what is left; it never fails. Nothing is emitted after it.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.flush(true)
	return nil
}

// flush emits the whole lines, or all if there is no more to come or no end of a line in sight.
func (l *lines) flush(all bool) {
	end := bytes.LastIndexByte(l.buffer, '\n') + 1
	if all || end == 0 && len(l.buffer) >= gatherBytes {
		end = len(l.buffer)
	}
	if text := bytes.TrimRight(l.buffer[:end], "\n"); len(text) > 0 {
		l.emit(string(text))
	}
	l.buffer = append(l.buffer[:0], l.buffer[end:]...)
}
