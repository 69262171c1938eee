package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
)

// shelf is a store: events, a cursor, and what followed from events, of which the last two are stored together.
type shelf struct {
	mu     sync.Mutex
	events []slipway.Event
	cursor int64 // -1: there is none
	made   []string

	reads int
	add   func(store func() bool) (bool, error) // how storing goes; nil: well
}

func newShelf(seqs ...int64) *shelf {
	s := &shelf{cursor: -1}
	s.happen(seqs...)
	return s
}

func (s *shelf) happen(seqs ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range seqs {
		s.events = append(s.events, slipway.Event{Seq: seq, Message: fmt.Sprint(seq)})
	}
}

func (s *shelf) Events(_ context.Context, f slipway.EventFilter, limit int) ([]slipway.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var all []slipway.Event
	for _, e := range s.events {
		if f.Matches(e) {
			all = append(all, e)
		}
	}
	if n := len(all) - limit; n > 0 && f.Newest {
		all = all[n:]
	}
	return all[:min(len(all), limit)], nil
}

func (s *shelf) start(_ context.Context, _ string, at int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cursor < 0 {
		s.cursor = at
	}
	return s.cursor, nil
}

func (s *shelf) store(_ context.Context, move slipway.CursorMove, made []string) (bool, error) {
	store := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cursor != move.From {
			return false
		}
		s.cursor, s.made = move.To, append(s.made, made...)
		return true
	}
	s.mu.Lock()
	add := s.add
	s.mu.Unlock()
	if add != nil {
		return add(store)
	}
	return store(), nil
}

// reader returns another process's feed. Of every event follows its message, but for those whose message begins with a dash.
func (s *shelf) reader() *Feed[string] {
	return &Feed[string]{Name: "test", Events: s, Start: s.start, Add: s.store, Make: func(_ context.Context, events []slipway.Event) (made []string, _ error) {
		for _, e := range events {
			if !strings.HasPrefix(e.Message, "-") {
				made = append(made, e.Message)
			}
		}
		return made, nil
	}}
}

func (s *shelf) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.made, want) {
		t.Errorf("stored %v, want %v", s.made, want)
	}
}

func pump(t *testing.T, f *Feed[string]) {
	t.Helper()
	if err := f.Pump(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheFirstReaderBeginsWithWhatIsToCome(t *testing.T) {
	s := newShelf(1, 2, 3)
	f := s.reader()
	pump(t, f)
	s.want(t)
	s.happen(4)
	pump(t, f)
	pump(t, f)
	s.want(t, "4")
}

func TestTheNextProcessGoesOnWhereTheLastOneWas(t *testing.T) {
	s := newShelf(1)
	pump(t, s.reader())
	s.happen(2, 3)
	pump(t, s.reader())
	s.happen(4) // while nobody reads
	pump(t, s.reader())
	s.want(t, "2", "3", "4")
}

func TestNumbersThatAreMissingAreNotWaitedFor(t *testing.T) {
	s := newShelf(1)
	f := s.reader()
	pump(t, f)
	s.happen(7, 8, 1_000_000)
	pump(t, f)
	s.want(t, "7", "8", "1000000")
}

func TestMoreThanOnePage(t *testing.T) {
	s := newShelf(1)
	f := s.reader()
	pump(t, f)
	var want []string
	for seq := int64(2); seq < 2*page+10; seq++ {
		s.happen(seq)
		want = append(want, fmt.Sprint(seq))
	}
	pump(t, f)
	s.want(t, want...)
}

func TestStoringBreaks(t *testing.T) {
	broken := errors.New("the store has gone")
	for _, c := range []struct {
		name string
		add  func(store func() bool) (bool, error)
	}{
		{"before anything is stored", func(func() bool) (bool, error) { return false, broken }},
		{"after all is stored, and the answer is lost", func(store func() bool) (bool, error) { store(); return false, broken }},
	} {
		for _, next := range []string{"the same process", "the next process"} {
			t.Run(c.name+", then "+next, func(t *testing.T) {
				s := newShelf(1)
				f := s.reader()
				pump(t, f)
				s.happen(2, 3)
				s.add = c.add
				if err := f.Pump(t.Context()); !errors.Is(err, broken) {
					t.Fatalf("pumped: %v", err)
				}
				s.add = nil
				if next == "the next process" {
					f = s.reader()
				}
				s.happen(4)
				pump(t, f)
				s.want(t, "2", "3", "4")
			})
		}
	}
}

func TestWhatFollowsCannotBeSaidNow(t *testing.T) {
	s := newShelf(1)
	f := s.reader()
	pump(t, f)
	s.happen(2)
	say := f.Make
	f.Make = func(context.Context, []slipway.Event) ([]string, error) {
		return []string{"half"}, errors.New("cannot look")
	}
	if f.Pump(t.Context()) == nil {
		t.Fatal("no error")
	}
	f.Make = say
	pump(t, f)
	s.want(t, "2")
}

func TestManyReadersAtOnceStoreEachOnce(t *testing.T) {
	s := newShelf(1)
	pump(t, s.reader())
	var want []string
	var reading sync.WaitGroup
	readers := []*Feed[string]{s.reader(), s.reader(), s.reader()}
	for seq := int64(2); seq < 200; seq++ {
		want = append(want, fmt.Sprint(seq))
		s.happen(seq)
		reading.Go(func() { _ = readers[seq%3].Pump(t.Context()) })
	}
	reading.Wait()
	for _, f := range readers {
		pump(t, f)
	}
	s.want(t, want...)
}

func TestEventsWithoutConsequenceAreReadOnceAndStoredNowAndThen(t *testing.T) {
	s := newShelf(1)
	f := s.reader()
	pump(t, f)
	add := func(from, to int64) {
		for seq := from; seq < to; seq++ {
			s.events = append(s.events, slipway.Event{Seq: seq, Message: "-"})
		}
	}
	add(2, lag)
	pump(t, f)
	if s.cursor != 1 {
		t.Errorf("the cursor was moved to %d for nothing", s.cursor)
	}
	reads := s.reads
	pump(t, f)
	if s.reads != reads+1 {
		t.Errorf("%d reads to see that there is nothing new", s.reads-reads)
	}
	add(lag, lag+3)
	pump(t, f)
	if s.cursor < lag {
		t.Errorf("the cursor is at %d: the next process would read all of it again", s.cursor)
	}
	s.want(t)
}

func TestReadingEndsWithItsContext(t *testing.T) {
	s := newShelf(1)
	f := s.reader()
	pump(t, f)
	s.happen(2)
	ctx, cancel := context.WithCancel(t.Context())
	f.Make = func(ctx context.Context, _ []slipway.Event) ([]string, error) { cancel(); return nil, ctx.Err() }
	if err := f.Pump(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("pumped: %v", err)
	}
	pump(t, s.reader())
	s.want(t, "2")
}
