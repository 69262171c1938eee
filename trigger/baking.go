package trigger

import (
	"context"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// baking knows which firings wait for which bake, as far as they were tried here, so that each goes on the moment its bake is over. What it
// does not know, as after a restart, goes on when it is due. It is safe for concurrent use.
type baking struct {
	mu      sync.Mutex
	waiting map[string]waiting // by firing
	ripe    []string           // firings whose bake is over
}

// waiting is what a firing waits for, and when it is due in any case.
type waiting struct {
	bake string
	due  time.Time
}

// wait notes that a firing, which is nobody's now, waits for its bake.
func (b *baking) wait(f slipway.Firing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = map[string]waiting{}
	}
	b.waiting[f.ID] = waiting{f.Bake, f.Due}
}

// over notes that a bake is over.
func (b *baking) over(bake string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for firing, w := range b.waiting {
		if w.bake == bake {
			b.ripe = append(b.ripe, firing)
			delete(b.waiting, firing)
		}
	}
}

// take returns the firings whose bake is over. Those that are due by now are forgotten: they are tried, and wait anew.
func (b *baking) take(now time.Time) (ripe []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for firing, w := range b.waiting {
		if !w.due.After(now) {
			delete(b.waiting, firing)
		}
	}
	ripe, b.ripe = b.ripe, nil
	return ripe
}

// next returns when the next of those that wait is due in any case; zero if none waits.
func (b *baking) next() (due time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waiting {
		if due.IsZero() || w.due.Before(due) {
			due = w.due
		}
	}
	return due
}

// ripen makes the firings due whose bake is over.
func (s *Service) ripen(ctx context.Context) error {
	now := s.Now().UTC()
	for _, id := range s.baking.take(now) {
		f, err := s.Store.Firing(ctx, id)
		if slipway.CodeOf(err) == slipway.NotFound {
			continue
		}
		if err == nil && f.State == slipway.FiringPending {
			f.Due = now
			err = s.Store.PutFiring(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
