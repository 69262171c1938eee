package approve_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
	"github.com/slipway-sh/slipway/sqlstore"
)

// bus cannot be reached.
type bus struct{}

func (bus) Publish(context.Context, slipway.Event) error            { return errors.New("nobody is there") }
func (bus) Subscribe(context.Context) (<-chan slipway.Event, error) { return nil, nil }

// woken notes who was woken, and cannot wake anybody.
type woken struct {
	mu  sync.Mutex
	all []string
}

func (w *woken) Wake(_ context.Context, a slipway.Approval) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, a.Subject+" "+string(a.State))
	return errors.New("it is not there")
}

type world struct {
	*approve.Keeper
	store *sqlstore.Store
	woken *woken
	now   *time.Time
}

func newWorld(t *testing.T) world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := world{store: store, woken: &woken{}, now: new(time.Time)}
	*w.now = now
	w.Keeper = approve.New(approve.Config{
		Store: store, Events: store, Bus: bus{}, Waker: w.woken, Now: func() time.Time { return *w.now }, Log: slog.New(slog.DiscardHandler),
	})
	return w
}

func (w world) told(t *testing.T) []string {
	t.Helper()
	events, err := w.store.Events(t.Context(), slipway.EventFilter{Execution: "x-1", Application: "shop", Environment: "prod"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		all = append(all, string(e.Kind)+": "+e.Message)
	}
	return all
}

func as(t *testing.T, name string, groups ...string) context.Context {
	return slipway.WithPrincipal(t.Context(), person(name, groups...))
}

func TestGranted(t *testing.T) {
	w := newWorld(t)
	asked, err := w.AskApproval(t.Context(), question(2, "ops"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.AskApproval(t.Context(), question(1)); err != nil || cmp.Diff(asked, again) != "" {
		t.Errorf("asked again: %v, %s", err, cmp.Diff(asked, again))
	}
	if a, err := w.Vote(as(t, "ann", "ops"), "a-1", true, " fine\n"); err != nil || a.State != slipway.ApprovalPending {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := w.Vote(as(t, "bob", "ops"), "a-1", true, ""); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("the requester: %v", err)
	}
	if _, err := w.Vote(as(t, "ann", "ops"), "a-1", true, strings.Repeat("x", 2000)); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("a long comment: %v", err)
	}
	if _, err := w.Vote(as(t, "ann", "ops"), "a-9", true, ""); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("what was never asked: %v", err)
	}
	if a, err := w.Vote(as(t, "carl", "ops"), "a-1", true, ""); err != nil || a.State != slipway.ApprovalGranted || !a.Decided.Equal(now) {
		t.Errorf("%+v, %v", a, err)
	}
	if err := w.CancelApproval(t.Context(), "a-1"); err != nil {
		t.Errorf("what is granted stays: %v", err)
	}
	if a, err := w.Approval(t.Context(), "a-1"); err != nil || a.State != slipway.ApprovalGranted {
		t.Errorf("%+v, %v", a, err)
	}
	want := []string{
		"approval.asked: bob asks 2 of ops: may it?", "approval.voted: ann approves a-1: fine", "approval.voted: carl approves a-1", "approval.decided: a-1 was granted",
	}
	if diff := cmp.Diff(want, w.told(t)); diff != "" {
		t.Errorf("-want +told:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x-1 granted"}, w.woken.all); diff != "" {
		t.Errorf("-want +woken:\n%s", diff)
	}
}

// What nobody answers in time expires once, whoever looks first, and an answer after that changes nothing.
func TestExpired(t *testing.T) {
	for name, look := range map[string]func(*testing.T, world){
		"by a look":    func(t *testing.T, w world) { _, _ = w.Approval(t.Context(), "a-1") },
		"by a list":    func(t *testing.T, w world) { _, _ = w.ListApprovals(t.Context(), slipway.ApprovalFilter{}, 0) },
		"by an answer": func(t *testing.T, w world) { _, _ = w.Vote(as(t, "ann"), "a-1", true, "") },
		"by being over": func(t *testing.T, w world) {
			_ = w.CancelApproval(t.Context(), "a-1")
		},
		"by itself": func(t *testing.T, w world) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				for ctx.Err() == nil {
					if a, err := w.store.Approval(ctx, "a-1"); err == nil && a.State.Done() {
						stop()
					}
				}
			}()
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.AskApproval(t.Context(), question(2)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Vote(as(t, "ann"), "a-1", true, ""); err != nil {
				t.Fatal(err)
			}
			*w.now = now.Add(2 * time.Hour)
			look(t, w)
			if pending, err := w.ListApprovals(t.Context(), slipway.ApprovalFilter{Pending: true}, 0); err != nil || len(pending) != 0 {
				t.Errorf("waits still: %+v, %v", pending, err)
			}
			a, err := w.Vote(as(t, "carl"), "a-1", true, "")
			if slipway.CodeOf(err) != slipway.Conflict || a.State != slipway.ApprovalExpired || a.Approved() != 1 || !a.Decided.Equal(a.Expires) {
				t.Errorf("%+v, %v", a, err)
			}
			if told := w.told(t); len(told) != 3 || told[2] != "approval.decided: a-1 expired with 1 of 2 approvals" {
				t.Errorf("told %q", told)
			}
			if diff := cmp.Diff([]string{"x-1 expired"}, w.woken.all); diff != "" {
				t.Errorf("-want +woken:\n%s", diff)
			}
		})
	}
}

// Of many who answer at once one decides, and nobody's answer is lost.
func TestVotesAtOnce(t *testing.T) {
	w := newWorld(t)
	if _, err := w.AskApproval(t.Context(), question(20)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if _, err := w.Vote(as(t, string(rune('A'+n))+"-person"), "a-1", true, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err := w.Approval(t.Context(), "a-1")
	if err != nil || a.State != slipway.ApprovalGranted || len(a.Votes) != 20 || len(w.woken.all) != 1 {
		t.Errorf("%s with %d answers, woken %v, %v", a.State, len(a.Votes), w.woken.all, err)
	}
}

// What an image would replace is found out when it is asked, once, unless whoever asks knows; of what is about no image or no environment nothing is.
func TestAgainst(t *testing.T) {
	w := newWorld(t)
	old := slipway.DigestOf([]byte("old"))
	w.Against = func(_ context.Context, a *slipway.Approval) error {
		a.Against, a.Config, a.ConfigAgainst = old, 4, 3
		return nil
	}
	for _, c := range []struct {
		name   string
		change func(*slipway.Approval)
		want   string
	}{
		{"is found out", func(*slipway.Approval) {}, old.Short() + " 4 3"},
		{"is known", func(a *slipway.Approval) { a.Against = slipway.DigestOf([]byte("known")) }, slipway.DigestOf([]byte("known")).Short() + " 0 0"},
		{"about no image", func(a *slipway.Approval) { a.Image = "" }, " 0 0"},
		{"about no environment", func(a *slipway.Approval) { a.Environment = "" }, " 0 0"},
	} {
		a := question(1)
		a.ID, a.Image, a.Against = approve.ID(c.name), slipway.DigestOf([]byte("new")), ""
		c.change(&a)
		for range 2 { // a second time it is as it was
			asked, err := w.AskApproval(t.Context(), a)
			if got := fmt.Sprintf("%s %d %d", asked.Against.Short(), asked.Config, asked.ConfigAgainst); err != nil || got != c.want {
				t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
			}
		}
	}
}

func TestImpossibleQuestions(t *testing.T) {
	w := newWorld(t)
	for place, change := range map[string]func(*slipway.Approval){
		"id":          func(a *slipway.Approval) { a.ID = "A 1" },
		"application": func(a *slipway.Approval) { a.Application = "Shop" },
		"subject":     func(a *slipway.Approval) { a.Subject = "" },
		"needed":      func(a *slipway.Approval) { a.Needed = 0 },
		"from[1]":     func(a *slipway.Approval) { a.From = []string{"ann", "ann"} },
		"expires":     func(a *slipway.Approval) { a.Expires = a.Asked },
		"message":     func(a *slipway.Approval) { a.Message = strings.Repeat("x", 5000) },
	} {
		a := question(1)
		change(&a)
		if _, err := w.AskApproval(t.Context(), a); slipway.CodeOf(err) != slipway.Invalid || !strings.HasPrefix(err.Error(), place+": ") {
			t.Errorf("%s: %v", place, err)
		}
	}
	if all, err := w.ListApprovals(t.Context(), slipway.ApprovalFilter{}, 0); err != nil || len(all) != 0 {
		t.Errorf("asked %+v, %v", all, err)
	}
}
