package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is what is due, in order; what was claimed is in it no more.
type line struct {
	mu     sync.Mutex
	due    []int
	claims []int // how many were asked for, each time
	fail   error
}

func (l *line) claim(_ context.Context, limit int) ([]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims = append(l.claims, limit)
	n := min(limit, len(l.due))
	claimed := slices.Clone(l.due[:n])
	l.due = l.due[n:]
	return claimed, l.fail
}

func numbers(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestEachIsTriedOnceAndNoMoreThanSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{due: numbers(50)}
		var mu sync.Mutex
		var tried []int
		now, most := 0, 0
		q := &Queue[int]{AtOnce: 4, Claim: l.claim, Try: func(_ context.Context, n int) {
			mu.Lock()
			now++
			most = max(most, now)
			tried = append(tried, n)
			mu.Unlock()
			time.Sleep(time.Duration(1+n%3) * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
		}}
		var draining sync.WaitGroup
		for range 5 {
			draining.Go(func() {
				if err := q.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		draining.Wait()
		slices.Sort(tried)
		if !slices.Equal(tried, numbers(50)) || most != 4 {
			t.Errorf("tried %v, %d at once; want each of 50 once, 4 at once", tried, most)
		}
	})
}

func TestWhatTakesLongHoldsUpItsOwnPlaceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{due: numbers(20)}
		var mu sync.Mutex
		tried := map[int]bool{}
		var q *Queue[int]
		q = &Queue[int]{AtOnce: 2, Claim: l.claim, Try: func(_ context.Context, n int) {
			if n == 0 {
				time.Sleep(time.Hour)
			}
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			tried[n] = true
		}, Tried: func() { _ = q.Start(t.Context()) }}
		if err := q.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(tried)
		}
		if n := count(); n != 19 {
			t.Errorf("%d of the other 19 were tried within a minute", n)
		}
		q.Wait()
		if n := count(); n != 20 {
			t.Errorf("waited, and %d of 20 were tried", n)
		}
	})
}

func TestNothingIsClaimedForWhichThereIsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{due: numbers(5)}
		q := &Queue[int]{AtOnce: 3, Claim: l.claim, Try: func(context.Context, int) { time.Sleep(time.Minute) }}
		for range 4 {
			if err := q.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(l.claims, []int{3}) {
			t.Errorf("claimed %v, want 3 once", l.claims)
		}
		q.Wait()
		l.fail = errors.New("the store has gone")
		if err := q.Drain(t.Context()); !errors.Is(err, l.fail) {
			t.Errorf("drained: %v", err)
		}
	})
}
