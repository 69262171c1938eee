package bake

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/slipway-sh/slipway"
)

// flights are the layers being built, so that two bakes that need the same one share the work.
type flights struct {
	mu sync.Mutex
	by map[slipway.Digest]*flight
}

// flight is one layer being built, for one or more callers. It ends early only when none of them wants it any more.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed after info and err are set
	info   slipway.LayerInfo
	err    error

	mu      sync.Mutex
	callers []*caller
}

type caller struct{ out io.Writer }

type buildFunc func(ctx context.Context, out io.Writer) (slipway.LayerInfo, error)

// do returns what build returns, or what a build of the same key that is under way will return.
func (fs *flights) do(ctx context.Context, key slipway.Digest, out io.Writer, build buildFunc) (slipway.LayerInfo, error) {
	me := &caller{out}
	fs.mu.Lock()
	f := fs.by[key]
	if f == nil {
		f = fs.start(ctx, key, build)
	}
	f.mu.Lock()
	f.callers = append(f.callers, me)
	f.mu.Unlock()
	fs.mu.Unlock()

	select {
	case <-f.done:
		return f.info, f.err
	case <-ctx.Done():
	}
	if fs.leave(key, f, me) {
		<-f.done // whoever aborts may rely on nothing being left
	}
	return slipway.LayerInfo{}, context.Cause(ctx)
}

// under reports whether a build of key is under way.
func (fs *flights) under(key slipway.Digest) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.by[key] != nil
}

// start begins a build that no single caller's context ends.
func (fs *flights) start(ctx context.Context, key slipway.Digest, build buildFunc) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{cancel: cancel, done: make(chan struct{})}
	if fs.by == nil {
		fs.by = map[slipway.Digest]*flight{}
	}
	fs.by[key] = f
	go func() {
		defer cancel()
		f.info, f.err = build(ctx, f)
		fs.forget(key, f)
		f.mu.Lock()
		f.callers = nil
		f.mu.Unlock()
		close(f.done)
	}()
	return f
}

// leave takes a caller off, and breaks the build off and returns true if that was the last.
func (fs *flights) leave(key slipway.Digest, f *flight, c *caller) bool {
	fs.mu.Lock()
	f.mu.Lock()
	f.callers = slices.DeleteFunc(f.callers, func(o *caller) bool { return o == c })
	last := len(f.callers) == 0
	f.mu.Unlock()
	if last && fs.by[key] == f {
		delete(fs.by, key) // who comes now starts anew
	}
	fs.mu.Unlock()
	if last {
		f.cancel()
	}
	return last
}

func (fs *flights) forget(key slipway.Digest, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[key] == f {
		delete(fs.by, key)
	}
}

// Write gives p to every caller that is still there.
func (f *flight) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.callers {
		if c.out != nil {
			_, _ = c.out.Write(p) // a caller that cannot hear does not stop the work
		}
	}
	return len(p), nil
}
