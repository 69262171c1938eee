package feed

import (
	"sync"
	"time"
)

// Every is something that is done now and then. It is safe for concurrent use.
type Every struct {
	Pause time.Duration

	mu   sync.Mutex
	last time.Time
}

// Due reports whether it is time, and takes it that it is done then.
func (e *Every) Due(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.last) <= e.Pause {
		return false
	}
	e.last = now
	return true
}
