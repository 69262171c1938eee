package promote

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

var (
	one, two = slipway.DigestOf([]byte("1")), slipway.DigestOf([]byte("2"))
	prod     = slipway.Cluster{Application: "shop", Environment: "prod"}
	noon     = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday
)

// good meets everything that a policy can demand.
func good() Facts {
	api := slipway.Image{Digest: one, Application: "api", Version: "1.10.2"}
	return Facts{
		Now: noon, Cluster: prod, From: "staging", Requester: "bob",
		Policy: slipway.PromotionPolicy{
			From: "staging", Tested: true, SignedBy: []string{"0123abcd"}, Ran: slipway.Duration(30 * time.Minute),
			Approvals: &slipway.ApprovalPolicy{Needed: 2, Of: []string{"ops"}}, Windows: []slipway.TimeWindow{{Days: "mon-fri", From: "09:00", To: "17:00"}},
			DependsOn: []slipway.Dependency{{Application: "api", Version: ">=1.4"}},
		},
		Image: slipway.Image{
			Digest: two, Application: "shop", Version: "v2", State: slipway.ImageReady, Service: slipway.Service{Command: []string{"/shop"}},
			Tests: &slipway.TestReport{Passed: true, Results: []slipway.TestResult{{Passed: true}}},
		},
		Change: Change{Replaces: one, Config: 4, ConfigReplaces: 3}, Serving: two, Stay: Stay{Since: noon.Add(-time.Hour), Healthy: 2, Wanted: 2},
		Verification: slipway.Verification{Keys: []string{"ffff0000ffff0000", "0123abcd0123abcd"}},
		Approvals: []slipway.Approval{{
			ID: "a-1", Image: two, Against: one, Config: 4, ConfigAgainst: 3, From: []string{"ops"}, State: slipway.ApprovalGranted, Needed: 2, Expires: noon.Add(time.Hour),
			Votes: []slipway.Vote{{By: "ann", Approve: true}, {By: "carl", Approve: true}},
		}},
		Needs: []Need{{Image: &api}},
	}
}

// Each line changes one fact, and names the one condition that is not met then, what is said of it, what would meet it, and when that is.
func TestEvaluate(t *testing.T) {
	restriction := func(kind slipway.RestrictionKind, image slipway.Digest) []slipway.Restriction {
		return []slipway.Restriction{{ID: string(kind[0]) + "-1", Kind: kind, Cluster: prod, Image: image, Reason: "the sale", Since: noon.Add(-time.Hour)}}
	}
	for _, c := range []struct {
		name     string
		change   func(*Facts)
		unmet    slipway.ConstraintKind // "" if all is met
		says     string
		unblocks string
		in       time.Duration // until it is met by itself; 0 if it is not known
	}{
		{"all is well", func(*Facts) {}, "", "", "", 0},

		{"revoked", func(f *Facts) { f.Image.Revoked = &slipway.Revocation{Reason: "it leaks"} }, "image", "is revoked: it leaks", "promote another", 0},
		{"its tests failed", func(f *Facts) { f.Image.State = slipway.ImageFailed }, "image", "the tests of image", "promote another", 0},
		{"baked, and not tested", func(f *Facts) { f.Image.State = slipway.ImageUntested }, "image", "is not tested yet", "wait for its bake", 0},
		{"a base", func(f *Facts) { f.Image.Service.Command = nil }, "image", "runs nothing", "promote another", 0},

		{"not signed", func(f *Facts) { f.Unverified = slipway.Errorf(slipway.Refused, "cannot trust image 2: no signature") }, "signed", "image 2: no signature", "bake it again", 0},
		{"signed by others", func(f *Facts) { f.Verification.Keys = []string{"ffff0000ffff0000"} }, "signed", "signed by ffff0000ffff, and none of the keys 0123abcd", "where one of them signs", 0},
		{"signed by anybody, which will do", func(f *Facts) { f.Policy.SignedBy, f.Verification.Keys = nil, []string{"ffff0000ffff0000"} }, "", "", "", 0},

		{"without tests", func(f *Facts) { f.Image.Tests = nil }, "tested", "it has no tests", "write image.tests", 0},
		{"with none of them", func(f *Facts) { f.Image.Tests.Results = nil }, "tested", "it has no tests", "", 0},
		{"without tests, which will do", func(f *Facts) { f.Policy.Tested, f.Image.Tests = false, nil }, "", "", "", 0},

		{"from elsewhere", func(f *Facts) { f.From = "dev" }, "from", "it would come from dev, and comes to prod from staging alone", "promote it from staging", 0},

		{"not long enough", func(f *Facts) { f.Stay.Since = noon.Add(-12 * time.Minute) }, "ran", "it has served in staging for 12m0s of 30m0s", "wait 18m1s, or use --wait-for-ran", 18 * time.Minute},
		{"since it lost a machine", func(f *Facts) { f.Stay.Since, f.Stay.Lost = noon.Add(-time.Minute), true }, "ran", "of 30m0s since it lost a machine", "wait 29m1s", 29 * time.Minute},
		{"just long enough", func(f *Facts) { f.Stay.Since = noon.Add(-30 * time.Minute) }, "", "", "", 0},
		{"not healthy now", func(f *Facts) { f.Stay.Healthy = 1 }, "ran", "and only 1 of 2 machines are healthy", "slipway status shop staging", 0},
		{"not there for good yet", func(f *Facts) { f.Stay.Since = time.Time{} }, "ran", "it is not known since when it serves in staging", "", 0},

		{"what it needs is not there", func(f *Facts) { f.Needs[0].Image = nil }, "depends_on", "nothing serves as api in prod", "slipway promote api --to prod", 0},
		{"is too old", func(f *Facts) { f.Needs[0].Image.Version = "1.3.9" }, "depends_on", "api in prod is at 1.3.9, and must be at >=1.4", "slipway promote api --to prod", 0},
		{"cannot be compared", func(f *Facts) { f.Needs[0].Image.Version = "main" }, "depends_on", "cannot be compared with >=1.4", "give it a version", 0},
		{"could not be found out", func(f *Facts) { f.Needs[0].Err = slipway.Errorf(slipway.NotFound, "cannot find it") }, "depends_on", "api in prod: cannot find it", "", 0},
		{"is another image", func(f *Facts) {
			f.Policy.DependsOn[0] = slipway.Dependency{Application: "api", Environment: "shared", Image: "stable"}
			f.Needs[0].Wanted = two
		}, "depends_on", "api in shared is at 1.10.2", "slipway promote api --to shared", 0},
		{"is that image", func(f *Facts) {
			f.Policy.DependsOn[0] = slipway.Dependency{Application: "api", Image: "stable"}
			f.Needs[0].Wanted = one
		}, "", "", "", 0},
		{"is anything", func(f *Facts) {
			f.Policy.DependsOn[0].Version, f.Needs[0].Image.Version = "", "main"
		}, "", "", "", 0},

		{"nobody was asked", func(f *Facts) { f.Approvals = nil }, "approvals", "0 of 2 approvals by ops", "they are asked for", 0},
		{"one has agreed", func(f *Facts) {
			f.Approvals[0].State, f.Approvals[0].Votes = slipway.ApprovalPending, f.Approvals[0].Votes[:1]
		}, "approvals", "1 of 2 approvals by ops", "slipway approve a-1", 0},
		{"they agreed too long ago", func(f *Facts) { f.Approvals[0].Expires = noon }, "approvals", "0 of 2", "", 0},
		{"one of them asks now", func(f *Facts) { f.Requester = "Ann" }, "approvals", "0 of 2", "", 0},
		{"they agreed to another image", func(f *Facts) { f.Approvals[0].Image = one }, "approvals", "0 of 2", "", 0},
		{"they agreed to another configuration", func(f *Facts) { f.Config = 5 }, "approvals", "0 of 2", "", 0},
		{"what serves was told something else meanwhile", func(f *Facts) { f.ConfigReplaces = 4 }, "", "", "", 0},
		{"they agreed to another change", func(f *Facts) { f.Replaces = "" }, "approvals", "0 of 2", "", 0},
		{"others agreed", func(f *Facts) { f.Policy.Approvals.Of = []string{"ops", "security"} }, "approvals", "0 of 2 approvals by ops, security", "", 0},
		{"more are needed now", func(f *Facts) { f.Policy.Approvals.Needed = 3 }, "approvals", "0 of 3", "", 0},
		{"they need not have said why", func(f *Facts) { f.Policy.Approvals.Comment = true }, "approvals", "0 of 2", "", 0},
		{"rejected before", func(f *Facts) {
			f.Approvals = append([]slipway.Approval{{ID: "a-2", Image: two, Against: one, From: []string{"ops"}, State: slipway.ApprovalRejected, Expires: noon.Add(time.Hour)}}, f.Approvals...)
		}, "", "", "", 0},

		{"at night", func(f *Facts) { f.Now = noon.Add(8 * time.Hour); f.Approvals[0].Expires = f.Now.Add(1) }, "window", "it is outside of mon-fri 09:00-17:00 UTC", "wait until Thu 2026-03-05 09:00 UTC, or use --wait-for-window", 13 * time.Hour},
		{"on a holiday", func(f *Facts) { f.Policy.Holidays = []string{"03-04"} }, "window", "outside of", "wait until Thu 2026-03-05 09:00 UTC", 21 * time.Hour},
		{"not its turn in the window", func(f *Facts) { f.NotBefore = noon.Add(time.Second) }, "window", "it begins at 12:00:01 UTC", "wait", time.Second},
		{"its turn", func(f *Facts) { f.NotBefore = noon }, "", "", "", 0},

		{"frozen", func(f *Facts) { f.Restrictions = restriction(slipway.RestrictionFreeze, "") }, "freeze", "is frozen", "slipway unfreeze f-1", 0},
		{"pinned to another", func(f *Facts) { f.Restrictions = restriction(slipway.RestrictionPin, one) }, "pin", "is pinned to", "slipway unpin p-1", 0},
		{"pinned to it", func(f *Facts) { f.Restrictions = restriction(slipway.RestrictionPin, two) }, "", "", "", 0},
		{"vetoed", func(f *Facts) { f.Restrictions = restriction(slipway.RestrictionVeto, two) }, "veto", "is vetoed", "slipway unveto v-1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good()
			c.change(&f)
			all := Evaluate(f)
			holding := Holding(all)
			if c.unmet == "" {
				if len(holding) != 0 {
					t.Errorf("not met: %+v", holding)
				}
				return
			}
			if len(holding) != 1 || holding[0].Kind != c.unmet || !strings.Contains(holding[0].Message, c.says) || !strings.Contains(holding[0].Unblocks, c.unblocks) {
				t.Fatalf("not met: %+v", holding)
			}
			if at := holding[0].At; c.in == 0 != at.IsZero() || c.in != 0 && !at.Equal(f.Now.Add(c.in)) {
				t.Errorf("met by itself at %s, want %s from %s", at, c.in, f.Now)
			}
			f.Override = true
			if over := Evaluate(f); (len(Holding(over)) == 0) != c.unmet.Overridable() {
				t.Errorf("overridden: %+v", Holding(over))
			}
			err := Refusal("promote shop v2 from staging to prod", all)
			if slipway.CodeOf(err) != slipway.Refused || !strings.Contains(err.Error(), fmt.Sprintf("1 of its %d conditions is not met\n%s: ", len(all), c.unmet)) {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// What serves elsewhere does not count, by any of the two conditions that look there.
func TestEvaluateWhatDoesNotServe(t *testing.T) {
	for serving, says := range map[slipway.Digest]string{"": "nothing serves in staging", one: "image " + one.Short() + " serves in staging, not " + two.Short()} {
		f := good()
		f.Serving = serving
		holding := Holding(Evaluate(f))
		f.Override, f.Moves = true, true
		if over := Holding(Evaluate(f)); len(over) != 1 || over[0].Kind != slipway.ConstraintFrom {
			t.Errorf("%q, overridden: %+v", serving, over)
		}
		f.Moves = false
		if over := Holding(Evaluate(f)); len(over) != 0 {
			t.Errorf("%q, overridden by a deployment: %+v", serving, over)
		}
		if len(holding) != 2 || holding[0].Kind != slipway.ConstraintFrom || holding[0].Message != says || holding[1].Message != "it does not serve in staging" {
			t.Errorf("%q: %+v", serving, holding)
		}
	}
}

// All that is not met is in one error, in the order of the kinds.
func TestRefusalNamesAll(t *testing.T) {
	f := Facts{
		Now: noon, Cluster: prod, From: "dev", Policy: good().Policy, Needs: make([]Need, 1), Image: slipway.Image{Digest: two}, NotBefore: noon,
		Restrictions: []slipway.Restriction{
			{ID: "f-1", Kind: slipway.RestrictionFreeze, Since: noon}, {ID: "f-2", Kind: slipway.RestrictionFreeze, Cluster: prod, Since: noon},
			{ID: "p-1", Kind: slipway.RestrictionPin, Cluster: prod, Image: one, Since: noon}, {ID: "v-1", Kind: slipway.RestrictionVeto, Cluster: prod, Image: two, Since: noon},
		},
	}
	f.Policy.Holidays = []string{"03-04"}
	err := Refusal("promote it", Evaluate(f))
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatal(err)
	}
	var kinds []slipway.ConstraintKind
	for _, e := range joined.Unwrap() {
		var one *slipway.Error
		if !errors.As(e, &one) || one.Code != slipway.Refused {
			t.Fatalf("%v", e)
		}
		kinds = append(kinds, slipway.ConstraintKind(one.Place))
	}
	want := append([]slipway.ConstraintKind{""}, slipway.ConstraintKinds...)
	want = slices.Insert(want, slices.Index(want, slipway.ConstraintFreeze), slipway.ConstraintFreeze)
	if diff := cmp.Diff(want, kinds); diff != "" || !strings.Contains(err.Error(), "12 of its 12 conditions are not met") {
		t.Errorf("-want +named: %s\n%v", diff, err)
	}
	if Refusal("promote it", Evaluate(good())) != nil {
		t.Error("refused though all is met")
	}
}

// Whatever the facts: the same facts give the same answer; every condition of the policy has its line; waiting until what is said meets what is
// said to be met by itself; and what cannot be overridden never is.
func TestEvaluateHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := good()
		f.Now = noon.Add(time.Duration(rapid.IntRange(0, 14*24*60).Draw(t, "minutes")) * time.Minute)
		f.Policy.Jitter = slipway.Duration(rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour, 20 * time.Hour}).Draw(t, "jitter"))
		f.Policy.Holidays = rapid.SliceOfN(rapid.SampledFrom([]string{"03-05", "03-06", "03-09"}), 0, 2).Draw(t, "holidays")
		f.Promotion = rapid.StringMatching("m-[a-z]{3}").Draw(t, "spread")
		f.Override = rapid.Bool().Draw(t, "override")
		f.Stay.Since = f.Now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "ran")) * time.Minute)
		f.Stay.Healthy = rapid.IntRange(0, 2).Draw(t, "healthy")
		f.Serving = rapid.SampledFrom([]slipway.Digest{"", one, two}).Draw(t, "serving")
		if rapid.Bool().Draw(t, "revoked") {
			f.Image.Revoked = &slipway.Revocation{Reason: "it leaks"}
		}
		if rapid.Bool().Draw(t, "unasked") {
			f.Approvals = nil
		}
		f.Approvals = slices.Clone(f.Approvals)
		for i := range f.Approvals {
			f.Approvals[i].Expires = f.Now.Add(1000 * time.Hour)
		}
		all := Evaluate(f)
		if diff := cmp.Diff(all, Evaluate(f)); diff != "" {
			t.Fatalf("asked twice: %s", diff)
		}
		if len(all) != 11 {
			t.Fatalf("%d conditions: %+v", len(all), all)
		}
		for i, c := range all {
			if c.Met && (c.Overridden || !c.At.IsZero()) || c.Overridden && (!f.Override || !c.Kind.Overridable()) || c.Message == "" {
				t.Fatalf("%+v", c)
			}
			if c.Met || c.At.IsZero() {
				continue
			}
			later := f
			later.Now, later.NotBefore = c.At, c.At
			if again := Evaluate(later)[i]; !again.Met {
				t.Fatalf("%+v was to be met by itself, and is %+v", c, again)
			}
			if c.Kind == slipway.ConstraintWindow {
				opens, _ := calendar(t, f.Policy.Holidays, f.Policy.Windows...).Opens(f.Now)
				if late := c.At.Sub(opens); late < 0 || late > time.Duration(f.Policy.Jitter) {
					t.Fatalf("it opens at %s, and begins at %s", opens, c.At)
				}
			}
		}
	})
}
