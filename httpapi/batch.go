package httpapi

import (
	"context"
	"sync"
	"time"
)

// batchWithin bounds one look.
const batchWithin = 30 * time.Second

// batches has many who ask the same at once share one look. Nobody gets what was looked at before they asked: whoever comes while a look is
// under way waits for the next, with all others who come meanwhile. So an answer is as fresh as if it had been looked at for one alone, and
// however many ask, at most two looks are wanted at any time.
type batches[T any] struct {
	mu   sync.Mutex
	runs map[string]*batch[T] // by what is looked at
}

type batch[T any] struct {
	next *look[T] // that begins when the one under way is over; nil if nobody waits
}

type look[T any] struct {
	done   chan struct{}
	result T
	err    error
}

// get returns what f finds when it is called after now. f does not end with the context of one who asks.
func (b *batches[T]) get(ctx context.Context, what string, f func(context.Context) (T, error)) (T, error) {
	l := b.join(ctx, what, f)
	select {
	case <-l.done:
		return l.result, l.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (b *batches[T]) join(ctx context.Context, what string, f func(context.Context) (T, error)) *look[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.runs == nil {
		b.runs = map[string]*batch[T]{}
	}
	if run, ok := b.runs[what]; ok {
		if run.next == nil {
			run.next = &look[T]{done: make(chan struct{})}
		}
		return run.next
	}
	first := &look[T]{done: make(chan struct{})}
	b.runs[what] = &batch[T]{}
	go b.run(context.WithoutCancel(ctx), what, first, f)
	return first
}

// run looks for l, and then for those who came meanwhile, until none has.
func (b *batches[T]) run(ctx context.Context, what string, l *look[T], f func(context.Context) (T, error)) {
	for l != nil {
		func() {
			within, cancel := context.WithTimeout(ctx, batchWithin)
			defer cancel()
			defer close(l.done)
			l.result, l.err = f(within)
		}()
		b.mu.Lock()
		run := b.runs[what]
		if l, run.next = run.next, nil; l == nil {
			delete(b.runs, what)
		}
		b.mu.Unlock()
	}
}
