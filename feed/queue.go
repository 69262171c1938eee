package feed

import (
	"context"
	"sync"
)

// Queue tries what is due, some side by side. Whatever takes long to try holds up nothing but its own place. Methods are safe for concurrent use.
type Queue[T any] struct {
	AtOnce int // how many are tried side by side
	// Claim returns up to limit of those that are due, which are the caller's for a while.
	Claim func(ctx context.Context, limit int) ([]T, error)
	// Try tries one, and stores what came of it.
	Try func(ctx context.Context, t T)
	// Tried is called whenever one was tried; nil: nothing is.
	Tried func()

	mu    sync.Mutex
	ended sync.Cond // of mu: one was tried
	busy  int
	ends  int // how often that was
}

// Start begins to try what is due, as far as there are places, and does not wait for it.
func (q *Queue[T]) Start(ctx context.Context) error {
	_, err := q.start(ctx)
	return err
}

// Drain tries until nothing is due any more.
func (q *Queue[T]) Drain(ctx context.Context) error {
	for {
		q.mu.Lock()
		before := q.ends
		q.mu.Unlock()
		n, err := q.start(ctx)
		if err != nil || ctx.Err() != nil {
			q.Wait()
			return err
		}
		q.mu.Lock()
		if n == 0 && q.busy == 0 {
			q.mu.Unlock()
			return nil
		}
		for q.busy > 0 && q.ends == before {
			q.ended.Wait()
		}
		q.mu.Unlock()
	}
}

// Wait returns when nothing is being tried.
func (q *Queue[T]) Wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.prepare()
	for q.busy > 0 {
		q.ended.Wait()
	}
}

// start returns how many it began to try, -1 if there was no place.
func (q *Queue[T]) start(ctx context.Context) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.prepare()
	free := q.AtOnce - q.busy
	if free <= 0 {
		return -1, nil
	}
	due, err := q.Claim(ctx, free)
	if err != nil {
		return 0, err
	}
	q.busy += len(due)
	for _, t := range due {
		go func() {
			defer q.done()
			q.Try(ctx, t)
		}()
	}
	return len(due), nil
}

func (q *Queue[T]) done() {
	q.mu.Lock()
	q.busy--
	q.ends++
	q.ended.Broadcast()
	q.mu.Unlock()
	if q.Tried != nil {
		q.Tried()
	}
}

func (q *Queue[T]) prepare() {
	if q.ended.L == nil {
		q.ended.L = &q.mu
	}
}
