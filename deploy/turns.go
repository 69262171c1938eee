package deploy

import (
	"context"
	"sync"

	"github.com/slipway-sh/slipway"
)

// Turns has those take turns who look at what serves a cluster and then take something from it: the steps of deployments, and people. Each
// sees what the one before has done. It is shared by [Activities] and [Guard]; the machines of a data directory have one slipwayd at a time.
// The zero value is ready, and nil lets everybody in. It is safe for concurrent use.
type Turns struct {
	mu sync.Mutex
	of map[slipway.Cluster]*turn
}

// turn is a cluster's.
type turn struct {
	free  chan struct{} // has one element while nobody has it
	users int           // who has it, and who waits for it

	leaving map[string]bool // machines that are being terminated by hand
}

// take waits for the cluster's turn, or for the end of ctx, which is the only error. release ends it; it is called once.
func (t *Turns) take(ctx context.Context, cluster slipway.Cluster) (release func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	c := t.enter(cluster)
	select {
	case <-c.free:
		return func() {
			c.free <- struct{}{}
			t.exit(cluster, c)
		}, nil
	case <-ctx.Done():
		t.exit(cluster, c)
		return nil, context.Cause(ctx)
	}
}

// leave notes that a machine is about to be terminated, until stay is called: it serves no more, whatever is still seen of it. The cluster's
// turn must be the caller's.
func (t *Turns) leave(cluster slipway.Cluster, id string) (stay func()) {
	if t == nil {
		return func() {}
	}
	c := t.enter(cluster)
	t.mu.Lock()
	c.leaving[id] = true
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		delete(c.leaving, id)
		t.mu.Unlock()
		t.exit(cluster, c)
	}
}

// leaves reports whether a machine is about to be terminated.
func (t *Turns) leaves(cluster slipway.Cluster, id string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of[cluster]
	return c != nil && c.leaving[id]
}

func (t *Turns) enter(cluster slipway.Cluster) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[slipway.Cluster]*turn{}
	}
	if t.of[cluster] == nil {
		t.of[cluster] = &turn{free: make(chan struct{}, 1), leaving: map[string]bool{}}
		t.of[cluster].free <- struct{}{}
	}
	t.of[cluster].users++
	return t.of[cluster]
}

func (t *Turns) exit(cluster slipway.Cluster, c *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.users--; c.users == 0 {
		delete(t.of, cluster)
	}
}
