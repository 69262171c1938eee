package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// ExerciseTriggers runs the suite of [slipway.TriggerStore]. open is as in [Exercise].
func ExerciseTriggers(t *testing.T, open func(t *testing.T) slipway.TriggerStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.TriggerStore)
	}{
		{"triggers come back with their secrets, and go with their firings", triggers},
		{"a name is an application's once", triggerNames},
		{"a firing that was seen is not stored again", seenFirings},
		{"of fifty that bring the same webhook at once one is heard", concurrentFirings},
		{"a cursor moves with what was read, or not at all", firingCursor},
		{"a firing is claimed by one at a time", claimFirings},
		{"what is over goes, what was seen stays longer", dropFirings},
		{"artifacts are listed newest first", artifacts},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func trigger(n int, application, name string) slipway.Trigger {
	return slipway.Trigger{
		ID: fmt.Sprintf("t-%d", n), By: "ann", Created: at(n), Since: int64(n) * 10, Keys: []slipway.Sealed{{Text: "new"}, {Text: "old", Until: at(n + 1)}},
		TriggerSpec: slipway.TriggerSpec{Application: application, Name: name, Kind: slipway.TriggerGitHub, Branches: []string{"main"}, Parameters: map[string]string{"a": "b"}},
	}
}

func firing(n int, trigger string, keys ...string) slipway.Firing {
	return slipway.Firing{
		ID: fmt.Sprintf("tf-%d", n), Trigger: trigger, Application: "shop", State: slipway.FiringPending, Image: "v1",
		Cause: slipway.Cause{Trigger: "webhook", Commit: "c0ffee"}, At: at(n), Due: at(n), Keys: keys,
	}
}

// shown returns a firing as it is read: the keys and when it is due are the store's own.
func shown(f slipway.Firing) slipway.Firing {
	f.Keys, f.Due = nil, time.Time{}
	return f
}

func triggers(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	b, a, other := trigger(1, "shop", "b"), trigger(2, "shop", "a"), trigger(3, "blog", "a")
	for _, one := range []slipway.Trigger{b, a, other} {
		must(t, s.PutTrigger(ctx, one))
	}
	same(t, b)(s.Trigger(ctx, b.ID))
	same(t, []slipway.Trigger{a, b})(s.Triggers(ctx, "shop"))
	same(t, []slipway.Trigger{other, a, b})(s.Triggers(ctx, ""))
	b.Disabled, b.Keys = true, nil
	must(t, s.PutTrigger(ctx, b))
	same(t, b)(s.Trigger(ctx, b.ID))

	f := firing(1, b.ID, "once")
	must(t, s.AddFiring(ctx, f))
	same(t, shown(f))(s.Firing(ctx, f.ID))
	same(t, b)(s.DeleteTrigger(ctx, b.ID))
	for _, err := range []error{second(s.Trigger(ctx, b.ID)), second(s.DeleteTrigger(ctx, b.ID)), second(s.Firing(ctx, f.ID))} {
		if slipway.CodeOf(err) != slipway.NotFound {
			t.Errorf("after it was removed: %v", err)
		}
	}
	// Who was at work on it meanwhile does not bring it back.
	must(t, s.PutFiring(ctx, f))
	if _, err := s.Firing(ctx, f.ID); slipway.CodeOf(err) != slipway.NotFound {
		t.Errorf("a firing of no trigger: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func triggerNames(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	must(t, s.PutTrigger(ctx, trigger(1, "shop", "a")))
	must(t, s.PutTrigger(ctx, trigger(2, "blog", "a")))
	if err := s.PutTrigger(ctx, trigger(3, "shop", "a")); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("a second one of the name: %v", err)
	}
	if all, err := s.Triggers(ctx, "shop"); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func seenFirings(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	must(t, s.AddFiring(ctx, firing(1, "t-1", "id:1", "body:x")))
	for _, again := range []slipway.Firing{firing(2, "t-1", "id:1"), firing(2, "t-1", "id:2", "body:x"), firing(2, "t-1", "body:x", "id:2")} {
		if err := s.AddFiring(ctx, again); slipway.CodeOf(err) != slipway.Conflict {
			t.Errorf("%v was taken again: %v", again.Keys, err)
		}
	}
	// Of what was refused nothing was remembered; another trigger has keys of its own; any bytes may be one.
	must(t, s.AddFiring(ctx, firing(2, "t-1", "id:2")))
	must(t, s.AddFiring(ctx, firing(3, "t-2", "id:1", "body:x")))
	must(t, s.AddFiring(ctx, firing(4, "t-2", "\x00\xff'; DROP TABLE firings; --")))
	must(t, s.AddFiring(ctx, firing(5, "t-1")))
	must(t, s.AddFiring(ctx, firing(6, "t-1")))
	same(t, []slipway.Firing{shown(firing(6, "t-1")), shown(firing(5, "t-1"))})(s.Firings(ctx, "t-1", 2))
}

func concurrentFirings(t *testing.T, s slipway.TriggerStore) {
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { errs[i] = s.AddFiring(t.Context(), firing(i, "t-1", "same")) })
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		switch {
		case err == nil:
			taken++
		case slipway.CodeOf(err) != slipway.Conflict:
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("%d were taken", taken)
	}
}

func firingCursor(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	same(t, int64(7))(s.StartCursor(ctx, "triggers", 7))
	same(t, int64(7))(s.StartCursor(ctx, "triggers", 99))
	move := func(from, to int64, firings ...slipway.Firing) (bool, error) {
		return s.AddFirings(ctx, slipway.CursorMove{Name: "triggers", From: from, To: to}, firings)
	}
	same(t, true)(move(7, 9, firing(1, "t-1"), firing(2, "t-1")))
	same(t, false)(move(7, 9, firing(3, "t-1")))
	same(t, int64(9))(s.StartCursor(ctx, "triggers", 0))
	// What cannot be stored moves nothing.
	if moved, err := move(9, 10, firing(4, "t-1", "key"), firing(5, "t-1", "key")); moved || slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("%v, %v", moved, err)
	}
	same(t, int64(9))(s.StartCursor(ctx, "triggers", 0))
	same(t, []slipway.Firing{shown(firing(2, "t-1")), shown(firing(1, "t-1"))})(s.Firings(ctx, "t-1", 0))
	if moved, err := s.AddFirings(ctx, slipway.CursorMove{Name: "none", From: 0, To: 1}, nil); moved || err != nil {
		t.Errorf("a cursor that was not started: %v, %v", moved, err)
	}
}

func claimFirings(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	must(t, s.PutTrigger(ctx, trigger(1, "shop", "a")))
	for n := range 5 {
		must(t, s.AddFiring(ctx, firing(n+1, "t-1")))
	}
	ids := func(firings []slipway.Firing, err error) []string {
		t.Helper()
		must(t, err)
		names := []string{}
		for _, f := range firings {
			names = append(names, f.ID)
		}
		return names
	}
	expect := func(want []string, got []string) {
		t.Helper()
		if !slices.Equal(want, got) {
			t.Errorf("claimed %v, want %v", got, want)
		}
	}
	expect([]string{"tf-1", "tf-2"}, ids(s.ClaimFirings(ctx, at(4), at(20), 2)))
	expect([]string{"tf-3", "tf-4"}, ids(s.ClaimFirings(ctx, at(4), at(20), 9)))
	expect([]string{}, ids(s.ClaimFirings(ctx, at(4), at(20), 9)))
	done := firing(1, "t-1")
	done.State, done.Execution, done.Finished = slipway.FiringStarted, "x-1", at(6)
	must(t, s.PutFiring(ctx, done))
	same(t, shown(done))(s.Firing(ctx, done.ID))
	// Who has claimed some and is gone leaves them to the next.
	expect([]string{"tf-5", "tf-2", "tf-3", "tf-4"}, ids(s.ClaimFirings(ctx, at(20), at(30), 9)))

	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []string
	for range 20 {
		wg.Go(func() {
			claimed := ids(s.ClaimFirings(ctx, at(30), at(40), 1))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, claimed...)
		})
	}
	wg.Wait()
	slices.Sort(all)
	expect([]string{"tf-2", "tf-3", "tf-4", "tf-5"}, all)
}

func dropFirings(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	must(t, s.PutTrigger(ctx, trigger(1, "shop", "a")))
	pending, over := firing(1, "t-1", "pending"), firing(2, "t-1", "over")
	over.State = slipway.FiringFiltered
	must(t, s.AddFiring(ctx, pending))
	must(t, s.AddFiring(ctx, over))
	must(t, s.DropFirings(ctx, at(9), at(0)))
	same(t, []slipway.Firing{shown(pending)})(s.Firings(ctx, "t-1", 0))
	if err := s.AddFiring(ctx, firing(3, "t-1", "over")); slipway.CodeOf(err) != slipway.Conflict {
		t.Errorf("it was forgotten that it was seen: %v", err)
	}
	must(t, s.DropFirings(ctx, at(9), at(9)))
	must(t, s.AddFiring(ctx, firing(3, "t-1", "over")))
}

func artifacts(t *testing.T, s slipway.TriggerStore) {
	ctx := t.Context()
	one := func(n int, application string) slipway.Artifact {
		return slipway.Artifact{
			ID: fmt.Sprintf("af-%d", n), Application: application, Name: "dist.tar.gz", Version: "v1", Digest: digest(n), Size: 7, Pushed: at(n), By: "ann",
			Source: &slipway.Source{Commit: "c0ffee"},
		}
	}
	for _, a := range []slipway.Artifact{one(1, "shop"), one(3, "shop"), one(2, "shop"), one(4, "blog")} {
		must(t, s.PutArtifact(ctx, a))
	}
	same(t, one(2, "shop"))(s.Artifact(ctx, "af-2"))
	same(t, []slipway.Artifact{one(3, "shop"), one(2, "shop")})(s.Artifacts(ctx, slipway.ArtifactFilter{Application: "shop"}, 2))
	last := slipway.ArtifactFilter{Application: "shop", After: slipway.Mark{Time: at(2), ID: "af-2"}}
	same(t, []slipway.Artifact{one(1, "shop")})(s.Artifacts(ctx, last, 2))
	if _, err := s.Artifact(ctx, "af-9"); slipway.CodeOf(err) != slipway.NotFound {
		t.Error(err)
	}
}
