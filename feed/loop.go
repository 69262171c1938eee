package feed

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// look is how often something is done if nothing tells that there is anything to do.
const look = 5 * time.Second

// Loop has something done whenever an event comes, when its time has come, and every few seconds: an event that is sent live is a hint that may
// be lost, what is stored is what counts. However many events come while something is done, it is done once more for all of them. Methods are
// safe for concurrent use; Run is called once.
type Loop struct {
	Name string // of what is done, for the log
	Bus  slipway.Bus
	Log  *slog.Logger
	Now  func() time.Time // the clock that Step goes by
	// Wakes reports whether there may be something to do because of an event.
	Wakes func(slipway.Event) bool
	// Step does all that is to be done now, and returns when there will be something to do that is known already: the zero time if nothing is.
	Step func(ctx context.Context) (next time.Time)

	once sync.Once
	wake chan struct{}
}

// Run does it until ctx is done, and returns when the last step has ended.
func (l *Loop) Run(ctx context.Context) {
	l.prepare()
	live := l.subscribe(ctx) // before the first step, so that nothing falls between
	var listening sync.WaitGroup
	defer listening.Wait()
	listening.Go(func() { l.listen(ctx, live) })
	for ctx.Err() == nil {
		pause := look
		if next := l.Step(ctx); !next.IsZero() {
			pause = max(min(pause, next.Sub(l.Now())), 10*time.Millisecond) // or a step that fails would be tried without a pause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.wake:
		}
		timer.Stop()
	}
}

// Nudge has a step done at once, or right after the one that is under way.
func (l *Loop) Nudge() {
	l.prepare()
	select {
	case l.wake <- struct{}{}:
	default: // somebody has already
	}
}

func (l *Loop) prepare() { l.once.Do(func() { l.wake = make(chan struct{}, 1) }) }

// listen turns events into nudges, and listens again if the bus was away.
func (l *Loop) listen(ctx context.Context, live <-chan slipway.Event) {
	for {
		if live != nil {
			l.follow(ctx, live)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
		if live = l.subscribe(ctx); live != nil {
			l.Nudge() // for what came while nobody listened
		}
	}
}

// subscribe returns what is sent live, nil if the bus is away.
func (l *Loop) subscribe(ctx context.Context) <-chan slipway.Event {
	live, err := l.Bus.Subscribe(ctx)
	if err != nil && ctx.Err() == nil {
		l.Log.Warn("cannot listen to events; it is looked every few seconds", "for", l.Name, "error", err)
	}
	return live
}

// follow returns when the bus has gone, or ctx is done.
func (l *Loop) follow(ctx context.Context, live <-chan slipway.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-live:
			switch {
			case !ok:
				return
			case l.Wakes(e):
				l.Nudge()
			}
		}
	}
}
