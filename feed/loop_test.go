package feed

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-sh/slipway"
)

// wire is a bus that can be cut.
type wire struct {
	mu   sync.Mutex
	live chan slipway.Event // nil: it is cut, and cannot be listened to
}

func (w *wire) Publish(_ context.Context, e slipway.Event) error {
	w.mu.Lock()
	live := w.live
	w.mu.Unlock()
	if live != nil {
		live <- e
	}
	return nil
}

func (w *wire) Subscribe(context.Context) (<-chan slipway.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.live == nil {
		return nil, errors.New("no bus")
	}
	return w.live, nil
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.live)
	w.live = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live = make(chan slipway.Event)
}

// looped runs a loop in virtual time, in which steps take no time unless a test says so.
func looped(t *testing.T, step func(ctx context.Context) time.Time, test func(t *testing.T, l *Loop, w *wire, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &wire{}
		w.mend()
		l := &Loop{
			Name: "test", Bus: w, Log: slog.New(slog.DiscardHandler), Now: time.Now, Step: step,
			Wakes: func(e slipway.Event) bool { return e.Kind == slipway.ChannelMoved },
		}
		ended := make(chan struct{})
		go func() { l.Run(ctx); close(ended) }()
		synctest.Wait()
		stop := func() { cancel(); <-ended }
		test(t, l, w, stop)
		stop()
	})
}

func TestAStepIsDone(t *testing.T) {
	moved, other := slipway.Event{Kind: slipway.ChannelMoved}, slipway.Event{Kind: slipway.BakeOutput}
	for _, c := range []struct {
		name   string
		happen func(l *Loop, w *wire)
		want   int32
	}{
		{"at once, when an event comes", func(_ *Loop, w *wire) { _ = w.Publish(context.Background(), moved) }, 1},
		{"not for an event of no interest", func(_ *Loop, w *wire) { _ = w.Publish(context.Background(), other) }, 0},
		{"at once, when it is nudged", func(l *Loop, _ *wire) { l.Nudge() }, 1},
		{"every few seconds, when nothing comes", func(*Loop, *wire) { time.Sleep(3*look + look/2) }, 3},
		{"every few seconds, while the bus is gone", func(_ *Loop, w *wire) { w.cut(); time.Sleep(2*look + look/2) }, 2},
		{"at once, when the bus is back", func(_ *Loop, w *wire) {
			w.cut()
			time.Sleep(look / 2)
			w.mend()
			time.Sleep(look - time.Second) // it was listened anew, and a step done for what may have come meanwhile; and it was time for one
			_ = w.Publish(context.Background(), moved)
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var steps atomic.Int32
			looped(t, func(context.Context) (next time.Time) { steps.Add(1); return next }, func(t *testing.T, l *Loop, w *wire, _ func()) {
				before := steps.Load()
				c.happen(l, w)
				synctest.Wait()
				if got := steps.Load() - before; got != c.want {
					t.Errorf("%d steps, want %d", got, c.want)
				}
			})
		})
	}
}

func TestAStepIsDoneWhenItsTimeComes(t *testing.T) {
	var mu sync.Mutex
	var at []time.Duration
	var began time.Time
	step := func(context.Context) time.Time {
		mu.Lock()
		defer mu.Unlock()
		if began.IsZero() {
			began = time.Now()
		}
		at = append(at, time.Since(began))
		switch len(at) {
		case 1:
			return time.Now().Add(300 * time.Millisecond)
		case 2:
			return time.Now().Add(-time.Hour) // it is late, and failed: not without a pause
		}
		return time.Now().Add(time.Hour)
	}
	looped(t, step, func(t *testing.T, _ *Loop, _ *wire, _ func()) {
		time.Sleep(look + time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []time.Duration{0, 300 * time.Millisecond, 310 * time.Millisecond, look + 310*time.Millisecond}; !slices.Equal(at, want) {
			t.Errorf("steps after %v, want %v", at, want)
		}
	})
}

func TestWhatComesDuringAStepIsOneMore(t *testing.T) {
	var steps atomic.Int32
	step := func(context.Context) (next time.Time) {
		if steps.Add(1) > 1 {
			time.Sleep(time.Second)
		}
		return next
	}
	looped(t, step, func(t *testing.T, l *Loop, w *wire, _ func()) {
		for range 500 { // nobody who sends them is held up
			_ = w.Publish(t.Context(), slipway.Event{Kind: slipway.ChannelMoved})
			l.Nudge()
		}
		time.Sleep(look)
		synctest.Wait()
		if got := steps.Load(); got != 3 {
			t.Errorf("%d steps with 500 events in the second, want one more", got)
		}
	})
}

func TestTheLoopEndsWithItsContextAfterItsStep(t *testing.T) {
	var begun, ended atomic.Int32
	looped(t, func(ctx context.Context) (next time.Time) {
		if begun.Add(1) == 2 {
			<-ctx.Done()
			time.Sleep(time.Minute) // it takes a while to end
		}
		ended.Add(1)
		return next
	}, func(t *testing.T, l *Loop, _ *wire, stop func()) {
		l.Nudge()
		synctest.Wait()
		l.Nudge()
		stop()
		if b, e := begun.Load(), ended.Load(); b != 2 || e != 2 {
			t.Errorf("%d steps begun, %d ended, want 2 and 2", b, e)
		}
	})
}
