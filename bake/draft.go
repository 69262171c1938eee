package bake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// draft is a layer that is made while layers below it are being built.
type draft struct {
	cancel context.CancelFunc
	laid   chan struct{} // closed when it is known what the layer consists of, or that it cannot be known
	done   chan struct{} // closed when it is written, or has failed

	layer *image.Draft // set before laid is closed; nil if that failed
	err   error        // set before done is closed
	took  time.Duration

	mu    sync.Mutex
	begun bool
	taken bool // kept or discarded
}

// lookAhead begins what can be done while plan i is being built: drafts of the layers that consist of files, and downloads. Where others
// are drafted on top of it, plan i is made as a draft too. elsewhere says that another bake builds it. Drafts that do not fit what has
// become known since they were begun are made again, if plan i takes its time.
func (w *work) lookAhead(ctx context.Context, i int, elsewhere bool) {
	guess := image.Guess{System: len(w.below) == 0 && w.plans[i].build != nil, Layers: slices.Clone(w.below)}
	alone := elsewhere || !slices.ContainsFunc(w.plans[i+1:], func(p plan) bool { return p.add != nil })
	var over []*draft
	for j := i; j < len(w.plans); j++ {
		switch p := w.plans[j]; {
		case p.prefetch != nil && j > i && len(w.below) > 0:
			w.prefetch(ctx, j)
		case p.add == nil, j == i && alone:
		default:
			if d := w.drafts[j]; d == nil || w.plans[i].build != nil && d.outdated(ctx, guess, over) {
				w.drafts[j] = w.draft(ctx, j, guess, slices.Clone(over), j == i)
			}
			over = append(over, w.drafts[j])
		}
	}
}

// outdated drops a draft if one over a better guess, and the drafts of the layers between, would be another. What is not laid out yet
// cannot be told.
func (d *draft) outdated(ctx context.Context, guess image.Guess, over []*draft) bool {
	for _, o := range append(over[:len(over):len(over)], d) {
		select {
		case <-o.laid:
		default:
			return false
		}
		if o != d && o.layer != nil {
			guess.Drafts = append(guess.Drafts, o.layer)
		}
	}
	if d.layer != nil {
		if fits, err := d.layer.Fits(ctx, guess); err == nil && fits {
			return false
		}
	}
	d.drop()
	return true
}

// draft begins to make the layer of plan i over a guess and the drafts of layers below it. What is not needed now waits for its turn.
func (w *work) draft(ctx context.Context, i int, guess image.Guess, over []*draft, now bool) *draft {
	ctx, cancel := context.WithCancel(ctx)
	d := &draft{cancel: cancel, laid: make(chan struct{}), done: make(chan struct{}), begun: now}
	w.ahead.Go(func() {
		defer cancel()
		defer close(d.done)
		laid := sync.OnceFunc(func() { close(d.laid) })
		defer laid()
		for _, o := range over {
			select {
			case <-o.laid:
			case <-ctx.Done():
				d.err = context.Cause(ctx)
				return
			}
			if o.layer != nil {
				guess.Drafts = append(guess.Drafts, o.layer)
			}
		}
		if !now {
			if d.err = w.slots.Acquire(ctx, 1); d.err != nil {
				return
			}
			defer w.slots.Release(1)
			d.begin()
		}
		start := time.Now()
		w.started(i)
		p := w.plans[i]
		d.layer, d.err = w.images.NewDraft(ctx, guess, func(l *image.Layer) error { return p.add(ctx, l, w.output(i)) })
		laid()
		if d.err == nil {
			d.err = d.layer.Write(ctx)
		}
		d.took = time.Since(start)
	})
	return d
}

// prefetch begins the downloads of plan i.
func (w *work) prefetch(ctx context.Context, i int) {
	if w.drafts[i] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &draft{cancel: cancel, laid: make(chan struct{}), done: make(chan struct{}), begun: true}
	close(d.laid)
	w.drafts[i] = d
	below := slices.Clone(w.below)
	w.ahead.Go(func() {
		defer cancel()
		defer close(d.done)
		if d.err = w.plans[i].prefetch(ctx, below); d.err != nil && ctx.Err() == nil {
			w.log.Debug("cannot download ahead", "layer", w.plans[i].step.Name, "error", d.err)
		}
	})
}

// finish makes a layer of the draft of plan i, if there is one and it is right for the layers below. An error that the draft came to is not
// told: it may be the guess's fault.
func (w *work) finish(ctx context.Context, i int, below []slipway.Digest) (info slipway.LayerInfo, ok bool, err error) {
	d := w.drafts[i]
	if d == nil {
		return info, false, nil
	}
	if !d.hasBegun() {
		d.drop() // it waits for its turn, and the layer is wanted now
		return info, false, nil
	}
	select {
	case <-d.laid:
	case <-ctx.Done():
		return info, false, context.Cause(ctx)
	}
	if d.layer != nil {
		if fits, err := d.layer.Fits(ctx, image.Guess{Layers: below}); err != nil || !fits {
			d.drop()
			return info, false, err
		}
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		return info, false, context.Cause(ctx)
	}
	if d.layer == nil || d.err != nil || !d.take() {
		return info, false, nil //nolint:nilerr // what could not be made ahead is made in its turn, and fails then
	}
	info.Digest, info.Size, err = d.layer.Keep(ctx)
	if err != nil {
		return info, false, fmt.Errorf("keep layer: %w", err)
	}
	return info, true, nil
}

func (d *draft) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
}

func (d *draft) hasBegun() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// take makes the caller the owner of the draft's layer, unless there is one.
func (d *draft) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken {
		return false
	}
	d.taken = true
	return true
}

// drop breaks the draft off, unless someone has taken it, and waits until nothing is left of it.
func (d *draft) drop() {
	if !d.take() {
		return
	}
	d.cancel()
	<-d.done
	if d.layer != nil {
		d.layer.Discard()
	}
}
