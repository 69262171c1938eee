package natsbus

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/slipway-sh/slipway"
)

func start(t testing.TB, dir string) *Bus {
	t.Helper()
	from := time.Now()
	b, err := Start(t.Context(), Config{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready in %s", time.Since(from))
	t.Cleanup(b.Close)
	return b
}

func publish(t *testing.T, b *Bus, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := b.Publish(t.Context(), slipway.Event{Seq: int64(n), Kind: slipway.BakeOutput, Message: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
}

func subscribe(t *testing.T, b *Bus) (<-chan slipway.Event, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	events, err := b.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return events, cancel
}

func receive(t *testing.T, events <-chan slipway.Event) (slipway.Event, bool) {
	t.Helper()
	select {
	case e, ok := <-events:
		return e, ok
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
		return slipway.Event{}, false
	}
}

func TestEventsReachEverySubscriberInOrder(t *testing.T) {
	b := start(t, t.TempDir())
	first, cancel := subscribe(t, b)
	second, _ := subscribe(t, b)
	publish(t, b, 1, 500)
	for n := int64(1); n <= 500; n++ {
		for _, events := range []<-chan slipway.Event{first, second} {
			if e, _ := receive(t, events); e.Seq != n || e.Message != fmt.Sprint(n) {
				t.Fatalf("got %+v, want event %d", e, n)
			}
		}
	}
	cancel()
	if e, ok := receive(t, first); ok {
		t.Errorf("event %d after the end of the subscription", e.Seq)
	}
	publish(t, b, 501, 501)
	if e, _ := receive(t, second); e.Seq != 501 {
		t.Errorf("got %d", e.Seq)
	}
}

func TestSlowSubscriberBlocksNobody(t *testing.T) {
	b := start(t, t.TempDir())
	slow, _ := subscribe(t, b)
	quick, _ := subscribe(t, b)
	const n = 5 * backlog
	for seq := 1; seq <= n; seq++ {
		publish(t, b, seq, seq)
		if e, _ := receive(t, quick); e.Seq != int64(seq) {
			t.Fatalf("the quick one got %d, want %d", e.Seq, seq)
		}
	}
	if e, _ := receive(t, slow); e.Seq != 1 {
		t.Errorf("the slow one begins with %d", e.Seq)
	}
}

func TestRestartKeepsTheStream(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	publish(t, b, 1, 3)
	for deadline := time.Now().Add(time.Minute); stored(t, b) < 3; { // it takes in what is published a moment later
		if time.Now().After(deadline) {
			t.Fatal("the stream never had 3 events")
		}
	}
	events, _ := subscribe(t, b)
	b.Close()
	b.Close()
	if e, ok := receive(t, events); ok {
		t.Errorf("event %d from a closed bus", e.Seq)
	}
	if err := b.Publish(t.Context(), slipway.Event{}); err == nil {
		t.Error("published on a closed bus")
	}

	b = start(t, dir)
	if got := stored(t, b); got != 3 {
		t.Errorf("the stream has %d events, want 3", got)
	}
}

// stored returns how many events are in the stream.
func stored(t *testing.T, b *Bus) uint64 {
	t.Helper()
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestNothingIsLeftRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b, err := Start(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Close()
}
