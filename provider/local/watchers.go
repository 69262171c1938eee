package local

import (
	"context"
	"sync"
)

// watchers tells everyone who watches which groups changed.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]bool
}

// watcher has the names its receiver has not taken yet, each once.
type watcher struct {
	pending map[string]bool
	wake    chan struct{}
}

// add returns a channel of changed names that is closed when either context ends.
func (w *watchers) add(ctx, closing context.Context) <-chan string {
	one := &watcher{pending: map[string]bool{}, wake: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]bool{}
	}
	w.all[one] = true
	names := make(chan string)
	go func() {
		defer close(names)
		defer w.remove(one)
		for {
			name, ok := w.next(one)
			if !ok {
				select {
				case <-one.wake:
					continue
				case <-ctx.Done():
				case <-closing.Done():
				}
				return
			}
			select {
			case names <- name:
			case <-ctx.Done():
				return
			case <-closing.Done():
				return
			}
		}
	}()
	return names
}

// notify marks a name as changed for all. It never waits.
func (w *watchers) notify(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		one.pending[name] = true
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
}

// next takes one name. It is forgotten before the receiver has it: what changes from then on is another signal.
func (w *watchers) next(one *watcher) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range one.pending {
		delete(one.pending, name)
		return name, true
	}
	return "", false
}

func (w *watchers) remove(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one)
}
