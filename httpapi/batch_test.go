package httpapi

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatches: a hundred who ask while a look is under way share the next, and nobody gets what was looked at before they asked.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b batches[time.Time]
		looks := 0
		look := func(context.Context) (time.Time, error) {
			looks++
			begun := time.Now()
			time.Sleep(time.Second)
			return begun, nil
		}
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 30 * time.Millisecond) // over three seconds
				asked := time.Now()
				seen, err := b.get(t.Context(), "prod", look)
				if err != nil || seen.Before(asked) || time.Since(asked) > 2*time.Second {
					t.Errorf("asked at %v, got what was seen at %v, after %v, %v", asked, seen, time.Since(asked), err)
				}
			})
		}
		all.Wait()
		synctest.Wait() // for what looked, too
		if looks != 4 {
			t.Errorf("looked %d times, want 4", looks)
		}
		if len(b.runs) != 0 {
			t.Errorf("%d are still being looked at", len(b.runs))
		}
	})
}

func TestWhoLeavesABatchEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b batches[int]
		look := func(ctx context.Context) (int, error) {
			time.Sleep(time.Second)
			return 7, ctx.Err()
		}
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := b.get(ctx, "prod", look); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if n, err := b.get(t.Context(), "prod", look); err != nil || n != 7 {
				t.Errorf("who stayed: %d, %v", n, err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
	})
}
