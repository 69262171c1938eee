package sim

import (
	"context"
	"slices"
	"sync"
)

// pending is how many names wait for a receiver at most. There are never that many groups.
const pending = 256

// watchers tells everyone who watches which groups changed.
type watchers struct {
	mu  sync.Mutex
	all []chan string
}

// add returns a channel of changed names that is closed when ctx is done.
func (w *watchers) add(ctx context.Context) <-chan string {
	names := make(chan string, pending)
	w.mu.Lock()
	w.all = append(w.all, names)
	w.mu.Unlock()
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = slices.DeleteFunc(w.all, func(c chan string) bool { return c == names })
		close(names)
	})
	return names
}

// notify marks a name as changed for all. It never waits.
func (w *watchers) notify(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, names := range w.all {
		select {
		case names <- name:
		default:
			merge(names, name)
		}
	}
}

// merge puts into a channel that is full each name that is in it once, and another. Nobody else puts anything into it meanwhile.
func merge(names chan string, another string) {
	distinct := []string{another}
	for range cap(names) {
		select {
		case name := <-names:
			if !slices.Contains(distinct, name) {
				distinct = append(distinct, name)
			}
		default:
		}
	}
	for _, name := range distinct[:min(len(distinct), cap(names))] {
		names <- name
	}
}
