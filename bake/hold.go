package bake

import (
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// lingers is how long what a bake relied on is held after the bake: until then it is written down who relies on it now.
const lingers = time.Minute

// holds are the blobs that bakes under way rely on.
type holds struct {
	lingers time.Duration

	mu    sync.Mutex
	count map[slipway.Digest]int
	until map[slipway.Digest]time.Time // of those that no bake relies on any more
}

// has reports whether a blob is held.
func (h *holds) has(d slipway.Digest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[d] > 0 || h.until[d].After(time.Now())
}

// hold is what one bake relies on.
type hold struct {
	all *holds

	mu      sync.Mutex
	digests []slipway.Digest
	ended   bool
}

// on holds blobs until the bake is over; for a while, if it is. Those that are "" are left out.
func (h *hold) on(digests ...slipway.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	if h.all.count == nil {
		h.all.count, h.all.until = map[slipway.Digest]int{}, map[slipway.Digest]time.Time{}
	}
	for _, d := range digests {
		switch {
		case d == "":
		case h.ended: // others wait for a layer that the bake began
			h.all.until[d] = time.Now().Add(h.all.lingers)
		default:
			h.all.count[d]++
			h.digests = append(h.digests, d)
		}
	}
}

// end lets go.
func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	now := time.Now()
	for _, d := range h.digests {
		h.all.until[d] = now.Add(h.all.lingers)
		if h.all.count[d]--; h.all.count[d] == 0 {
			delete(h.all.count, d)
		}
	}
	h.digests, h.ended = nil, true
	for d, until := range h.all.until {
		if until.Before(now) {
			delete(h.all.until, d)
		}
	}
}
