package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

// Audit puts an audit log through its paces. open returns one that is empty. again, unless it is nil, returns another on the same
// database as the last that open returned, as a second slipwayd has it.
func Audit(t *testing.T, open func(*testing.T) slipway.AuditLog, again func(*testing.T) slipway.AuditLog) {
	by := slipway.Principal{Kind: slipway.PrincipalUser, Name: "ann", Address: "192.0.2.1"}
	add := func(t *testing.T, l slipway.AuditLog, e slipway.AuditEntry) slipway.AuditEntry {
		t.Helper()
		got, err := l.AppendAudit(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	verify := func(t *testing.T, l slipway.AuditLog) audit.Summary {
		t.Helper()
		lines, err := l.AuditLines(t.Context(), 0, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := audit.Verify(strings.NewReader(strings.Join(lines, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		head, err := l.AuditHead(t.Context())
		if err != nil || head.Seq != sum.Last || head.Hash != sum.Hash {
			t.Fatalf("the log ends with %d %s, and its head says %+v (%v)", sum.Last, sum.Hash, head, err)
		}
		return sum
	}

	t.Run("an empty log", func(t *testing.T) {
		l := open(t)
		if head, err := l.AuditHead(t.Context()); err != nil || head != (slipway.AuditHead{}) {
			t.Errorf("head %+v, %v", head, err)
		}
		if entries, err := l.AuditEntries(t.Context(), slipway.AuditFilter{}, 10); err != nil || len(entries) != 0 {
			t.Errorf("%v, %v", entries, err)
		}
	})

	t.Run("entries follow from each other", func(t *testing.T) {
		l := open(t)
		began := time.Now().Add(-time.Second)
		first := add(t, l, slipway.AuditEntry{
			Phase: slipway.AuditAsked, By: by, Action: "deploy", Application: "hello", Environment: "prod", Reason: "a <new> version & more",
			Input: json.RawMessage(`{"image":"v2","é":"\u2028"}`), Seq: 77, Previous: "forged", Hash: "forged", Time: time.Unix(1, 0),
		})
		second := add(t, l, slipway.AuditEntry{Phase: slipway.AuditDone, Asked: first.Seq, By: by, Action: "deploy", Status: 202})
		if first.Seq != 1 || first.Previous != audit.Origin || second.Seq != 2 || second.Previous != first.Hash || len(second.Hash) != 64 {
			t.Errorf("%+v\n%+v", first, second)
		}
		if first.Time.Before(began) || first.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("the time is that of who asked: %s", first.Time)
		}
		if sum := verify(t, l); sum.Entries != 2 || len(sum.Open) != 0 {
			t.Errorf("%+v", sum)
		}
		entries, err := l.AuditEntries(t.Context(), slipway.AuditFilter{}, 10)
		if err != nil || len(entries) != 2 || entries[0].Seq != 2 || entries[1].Hash != first.Hash || entries[1].Reason != first.Reason {
			t.Errorf("%+v, %v", entries, err)
		}
		if lines, err := l.AuditLines(t.Context(), 1, 10); err != nil || len(lines) != 1 || !strings.Contains(lines[0], `"seq":2`) {
			t.Errorf("after the first: %q, %v", lines, err)
		}
	})

	t.Run("entries are found", func(t *testing.T) {
		l := open(t)
		bob := slipway.Principal{Kind: slipway.PrincipalToken, Name: "bob"}
		add(t, l, slipway.AuditEntry{Phase: slipway.AuditDone, By: by, Action: "deploy", Application: "hello", Environment: "prod", Object: "d-1"})
		add(t, l, slipway.AuditEntry{Phase: slipway.AuditDone, By: bob, Action: "deploy", Application: "hello", Environment: "dev", Object: "d-2", Code: slipway.Conflict})
		add(t, l, slipway.AuditEntry{Phase: slipway.AuditRefused, By: bob, Action: "restrict", Application: "shop", Environment: "prod"})
		mark := time.Now().Add(time.Hour)
		for _, c := range []struct {
			filter slipway.AuditFilter
			limit  int
			want   []int64
		}{
			{slipway.AuditFilter{}, 0, []int64{3, 2, 1}},
			{slipway.AuditFilter{}, 2, []int64{3, 2}},
			{slipway.AuditFilter{Application: "hello"}, 0, []int64{2, 1}},
			{slipway.AuditFilter{Application: "hello", Environment: "dev"}, 0, []int64{2}},
			{slipway.AuditFilter{Environment: "prod"}, 0, []int64{3, 1}},
			{slipway.AuditFilter{By: "bob"}, 0, []int64{3, 2}},
			{slipway.AuditFilter{Action: "deploy"}, 0, []int64{2, 1}},
			{slipway.AuditFilter{Object: "d-1"}, 0, []int64{1}},
			{slipway.AuditFilter{Failed: true}, 0, []int64{3, 2}},
			{slipway.AuditFilter{Before: 3}, 1, []int64{2}},
			{slipway.AuditFilter{Since: mark}, 0, nil},
			{slipway.AuditFilter{Until: mark}, 0, []int64{3, 2, 1}},
			{slipway.AuditFilter{By: "%"}, 0, nil},
		} {
			entries, err := l.AuditEntries(t.Context(), c.filter, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range entries {
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v finds %v, want %v", c.filter, got, c.want)
			}
		}
	})

	t.Run("a decision is told once", func(t *testing.T) {
		l := open(t)
		e := slipway.AuditEntry{Phase: slipway.AuditDecided, By: by, Action: "deployment.back", Key: "d-1", Message: "first"}
		first := add(t, l, e)
		e.Message = "again"
		if again := add(t, l, e); again.Seq != first.Seq || again.Message != "first" || again.Hash != first.Hash {
			t.Errorf("%+v", again)
		}
		e.Key = "d-2"
		if other := add(t, l, e); other.Seq != 2 {
			t.Errorf("another decision is %+v", other)
		}
		e.Action = "other"
		if other := add(t, l, e); other.Seq != 3 {
			t.Errorf("another kind of decision is %+v", other)
		}
		verify(t, l)
	})

	t.Run("many at once, of two processes", func(t *testing.T) {
		logs := []slipway.AuditLog{open(t)}
		if again != nil {
			logs = append(logs, again(t))
		}
		const writers, each = 16, 20
		var all sync.WaitGroup
		seen := make(chan int64, writers*each)
		for w := range writers {
			all.Go(func() {
				for i := range each {
					e, err := logs[w%len(logs)].AppendAudit(t.Context(), slipway.AuditEntry{
						Phase: slipway.AuditDecided, By: by, Action: "test", Key: fmt.Sprintf("%d/%d", w, i),
					})
					if err != nil {
						t.Error(err)
						return
					}
					seen <- e.Seq
				}
			})
		}
		all.Wait()
		close(seen)
		numbers := map[int64]bool{}
		for seq := range seen {
			if numbers[seq] {
				t.Errorf("two entries are number %d", seq)
			}
			numbers[seq] = true
		}
		if sum := verify(t, logs[0]); sum.Entries != writers*each {
			t.Errorf("%d entries of %d", sum.Entries, writers*each)
		}
	})
}
