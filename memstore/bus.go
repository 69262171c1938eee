package memstore

import (
	"context"
	"slices"
	"sync"

	"github.com/slipway-sh/slipway"
)

// backlog is how many events a subscriber may be behind before it loses some.
const backlog = 256

// Bus is a [slipway.Bus] within one process. The zero Bus is ready for use.
type Bus struct {
	mu          sync.Mutex
	subscribers []chan slipway.Event
}

var _ slipway.Bus = (*Bus)(nil)

// Publish implements [slipway.Bus].
func (b *Bus) Publish(_ context.Context, e slipway.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, events := range b.subscribers {
		select {
		case events <- Copied(e):
		default:
		}
	}
	return nil
}

// Subscribe implements [slipway.Bus]. The channel is closed when ctx is done.
func (b *Bus) Subscribe(ctx context.Context) (<-chan slipway.Event, error) {
	events := make(chan slipway.Event, backlog)
	b.mu.Lock()
	b.subscribers = append(b.subscribers, events)
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.subscribers = slices.DeleteFunc(b.subscribers, func(c chan slipway.Event) bool { return c == events })
		close(events)
	})
	return events, nil
}
