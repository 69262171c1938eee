package auth

import (
	"context"
	"sync"
)

// changes tells whoever waits that something was changed that may have decided who may do what.
type changes struct {
	mu sync.Mutex
	c  chan struct{}
}

func newChanges() *changes { return &changes{c: make(chan struct{})} }

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.c
}

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.c)
	c.c = make(chan struct{})
}

// Changed is closed when a token, a session, a binding or a rule of trust is changed here the next time: whoever lets somebody go on for long
// looks again then. What another slipwayd on the same store changes, and what ends by itself, it does not tell.
func (a *Authority) Changed() <-chan struct{} { return a.changes.next() }

type glanceKey struct{}

// Glance returns ctx as that of a look at who asks which is no use of what is shown: it keeps no session alive.
func Glance(ctx context.Context) context.Context { return context.WithValue(ctx, glanceKey{}, true) }

func glancing(ctx context.Context) bool { return ctx.Value(glanceKey{}) != nil }
