package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// append stores an event and, unless it is to be lost on the way, publishes it.
func (s *server) append(t *testing.T, e slipway.Event, lost bool) slipway.Event {
	t.Helper()
	e.Time = time.Now()
	e, err := s.Store.AppendEvent(context.Background(), e)
	if err != nil {
		t.Error(err)
		return e
	}
	if !lost {
		if err := s.Bus.Publish(context.Background(), e); err != nil {
			t.Error(err)
		}
	}
	return e
}

// follow connects to the stream and returns a function that waits for its next event.
func (s *server) follow(t *testing.T, query, lastID string) (next func() slipway.Event, hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res.Status, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	return func() slipway.Event {
		t.Helper()
		var e slipway.Event
		fields := map[string]string{}
		for lines.Scan() {
			name, value, ok := strings.Cut(lines.Text(), ": ")
			if ok && name != "" {
				fields[name] = value
				continue
			}
			if lines.Text() != "" || len(fields) == 0 {
				continue
			}
			if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
				t.Fatal(err)
			}
			if fields["id"] != fmt.Sprint(e.Seq) || fields["event"] != string(e.Kind) {
				t.Fatalf("head and data differ: %v", fields)
			}
			return e
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return e
	}, cancel
}

func TestEventsAsAList(t *testing.T) {
	s := serve(t)
	for n := range 5 {
		s.append(t, slipway.Event{Kind: slipway.BakeOutput, Bake: fmt.Sprintf("b-%d", n%2)}, false)
	}
	for query, want := range map[string]string{
		"":                          "[1 2 3 4 5]",
		"?after=3":                  "[4 5]",
		"?bake=b-1":                 "[2 4]",
		"?limit=2":                  "[1 2]",
		"?bake=b-0&after=1":         "[3 5]",
		"?after=5&deployment=d":     "[]",
		"?bake=b-0&after=1&limit=1": "[3]",
	} {
		var got struct{ Items []slipway.Event }
		s.get(t, "/v1/events"+query, &got)
		seqs := []int64{}
		for _, e := range got.Items {
			seqs = append(seqs, e.Seq)
		}
		if fmt.Sprint(seqs) != want {
			t.Errorf("%s: %v, want %s", query, seqs, want)
		}
	}
}

func TestStreamIsGapFreeWhileWritersRun(t *testing.T) {
	s := serve(t)
	const writers, each, before = 8, 40, 30
	for range before {
		s.append(t, slipway.Event{Kind: slipway.BakeOutput, Bake: "b-1"}, false)
	}
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			for i := range each {
				// Every third is lost on the bus; the last of all must not be, or only a heartbeat brings it.
				s.append(t, slipway.Event{Kind: slipway.BakeOutput, Bake: fmt.Sprintf("b-%d", n)}, i%3 == 0)
			}
		})
	}
	next, hangUp := s.follow(t, "", "")
	for seq := int64(1); seq <= 100; seq++ {
		if e := next(); e.Seq != seq {
			t.Fatalf("got %d, want %d", e.Seq, seq)
		}
	}
	hangUp()
	next, _ = s.follow(t, "", "100") // resumes where it was
	filtered, _ := s.follow(t, "?bake=b-1&after=5", "")
	all.Wait()
	last := s.append(t, slipway.Event{Kind: slipway.BakeFinished, Bake: "b-1"}, false)
	for seq := int64(101); seq <= last.Seq; seq++ {
		if e := next(); e.Seq != seq {
			t.Fatalf("after resuming: got %d, want %d", e.Seq, seq)
		}
	}
	if last.Seq != writers*each+before+1 {
		t.Fatalf("%d events", last.Seq)
	}
	want, err := s.Store.Events(t.Context(), slipway.EventFilter{Bake: "b-1", After: 5}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if e := filtered(); e.Seq != w.Seq || e.Bake != "b-1" {
			t.Fatalf("filtered: got %d of %s, want %d", e.Seq, e.Bake, w.Seq)
		}
	}
}

func TestStreamEndsWithTheBus(t *testing.T) {
	s := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	s.Bus.(interface{ Close() }).Close()
	if _, err := bufio.NewReader(res.Body).ReadString(0); err == nil || err.Error() != "EOF" {
		t.Errorf("err = %v", err)
	}
}

func TestEventsOfSomeKinds(t *testing.T) {
	s := serve(t)
	kinds := []slipway.EventKind{slipway.BakeStarted, slipway.BakeOutput, slipway.BakeFinished}
	for n := range eventPage + 100 {
		s.append(t, slipway.Event{Kind: kinds[min(n%400, 2)], Message: fmt.Sprint(n)}, true)
	}
	for query, want := range map[string]string{
		"kind=bake.started": "[1 401]", "kind=bake.started,bake.output": "[1 2 401 402]", "kind=bake.started&limit=1": "[1]", "kind=bake.started&after=1": "[401]",
		"kind=bake.started&newest=true&limit=1": "[401]", "kind=image.revoked": "[]",
	} {
		var page struct{ Items []slipway.Event }
		s.get(t, "/v1/events?"+query, &page)
		seqs := []int64{}
		for _, e := range page.Items {
			seqs = append(seqs, e.Seq)
		}
		if fmt.Sprint(seqs) != want {
			t.Errorf("%s: %v, want %s", query, seqs, want)
		}
	}
}

// TestStreamResumesAfterARestart: another slipwayd on the same store goes on where the first was left, with the kinds that are wanted alone.
func TestStreamResumesAfterARestart(t *testing.T) {
	s := serve(t)
	read := func(url, last string, count int) (ids []string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/events?kind=bake.started", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for len(ids) < count && lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for n := range 6 {
		s.append(t, slipway.Event{Kind: []slipway.EventKind{slipway.BakeStarted, slipway.BakeOutput}[n%2]}, true)
	}
	if got := read(s.url, "0", 2); fmt.Sprint(got) != "[1 3]" {
		t.Errorf("%v, want 1 and 3", got)
	}
	restarted := serveHandler(t, asRoot(New(s.Config)))
	s.append(t, slipway.Event{Kind: slipway.BakeStarted}, true)
	if got := read(restarted, "3", 2); fmt.Sprint(got) != "[5 7]" {
		t.Errorf("%v, want 5 and 7", got)
	}
}
