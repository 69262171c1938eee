package approve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func question(needed int, from ...string) slipway.Approval {
	return slipway.Approval{
		ID: "a-1", Application: "shop", Environment: "prod", Subject: "x-1", Message: "may it?", Needed: needed, From: from, Requester: "bob",
		Asked: now.Add(-time.Hour), Expires: now.Add(time.Hour), Votes: []slipway.Vote{}, State: slipway.ApprovalPending,
	}
}

func person(name string, groups ...string) slipway.Principal {
	return slipway.Principal{Kind: slipway.PrincipalUser, Name: name, Groups: groups}
}

// Each line is a question, and what people answer: "+ann" approves, "-ann" rejects, "+ann/ops" is of the group ops.
func TestCast(t *testing.T) {
	in := func(change func(*slipway.Approval)) func(slipway.Approval) slipway.Approval {
		return func(a slipway.Approval) slipway.Approval { change(&a); return a }
	}
	as := func(a slipway.Approval) slipway.Approval { return a }
	for _, c := range []struct {
		name    string
		needed  int
		from    []string
		change  func(slipway.Approval) slipway.Approval
		answers string
		state   slipway.ApprovalState
		counted int
		code    slipway.Code // of the last answer
		says    string
	}{
		{"one is enough", 1, nil, as, "+ann", slipway.ApprovalGranted, 1, "", ""},
		{"one of two", 2, nil, as, "+ann", slipway.ApprovalPending, 1, "", ""},
		{"two of two", 2, nil, as, "+ann +carl", slipway.ApprovalGranted, 2, "", ""},
		{"nobody is counted twice", 2, nil, as, "+ann +ann", slipway.ApprovalPending, 1, "", ""},
		{"nor in another case", 2, nil, as, "+ann +Ann", slipway.ApprovalPending, 1, "", ""},
		{"one rejection rejects", 3, nil, as, "+ann +carl -dora", slipway.ApprovalRejected, 2, "", ""},
		{"who approved may think better of it", 2, nil, as, "+ann -ann", slipway.ApprovalRejected, 0, "", ""},
		{"the requester does not count", 1, nil, as, "+bob", slipway.ApprovalPending, 0, slipway.Refused, "bob has asked for it"},
		{"in whatever case", 1, nil, as, "+BOB", slipway.ApprovalPending, 0, slipway.Refused, "has asked for it"},
		{"nor to reject", 1, nil, as, "-bob", slipway.ApprovalPending, 0, slipway.Refused, "has asked for it"},
		{"nor if listed", 1, []string{"bob", "ops"}, as, "+bob/ops", slipway.ApprovalPending, 0, slipway.Refused, "has asked for it"},
		{"of those that are listed", 1, []string{"ann"}, as, "+ann", slipway.ApprovalGranted, 1, "", ""},
		{"of a group that is listed", 1, []string{"ann", "ops"}, as, "+carl/dev,ops", slipway.ApprovalGranted, 1, "", ""},
		{"not of others", 1, []string{"ann", "ops"}, as, "+carl/dev", slipway.ApprovalPending, 0, slipway.Refused, "it wants the answer of ann, ops, and carl is none of them"},
		{"nor may they reject", 1, []string{"ann"}, as, "-carl", slipway.ApprovalPending, 0, slipway.Refused, "carl is none of them"},
		{"what is granted stays", 1, nil, as, "+ann -carl", slipway.ApprovalGranted, 1, slipway.Conflict, "it was granted"},
		{"what is rejected stays", 1, nil, as, "-ann +carl", slipway.ApprovalRejected, 0, slipway.Conflict, "it was rejected"},
		{"what is over is over", 1, nil, in(func(a *slipway.Approval) { a.State = slipway.ApprovalCanceled }), "+ann", slipway.ApprovalCanceled, 0, slipway.Conflict, "x-1, which it was asked for, is over"},
		{"too late", 1, nil, in(func(a *slipway.Approval) { a.Expires = now }), "+ann", slipway.ApprovalExpired, 0, slipway.Conflict, "it expired at 2026-03-04 05:06:07 UTC"},
		{"in the last moment", 1, nil, in(func(a *slipway.Approval) { a.Expires = now.Add(1) }), "+ann", slipway.ApprovalGranted, 1, "", ""},
		{"a comment is wanted", 1, nil, in(func(a *slipway.Approval) { a.Comment = true }), "+ann!", slipway.ApprovalPending, 0, slipway.Invalid, "without a comment"},
		{"and given", 1, nil, in(func(a *slipway.Approval) { a.Comment = true }), "+ann", slipway.ApprovalGranted, 1, "", ""},
		{"to reject always wants one", 1, nil, as, "-ann!", slipway.ApprovalPending, 0, slipway.Invalid, "cannot reject a-1 without a comment"},
		{"nobody", 1, nil, as, "+", slipway.ApprovalPending, 0, slipway.Refused, "it is not known who asks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.change(question(c.needed, c.from...))
			var err error
			for answer := range strings.FieldsSeq(c.answers) {
				name, groups, _ := strings.Cut(strings.TrimSuffix(answer[1:], "!"), "/")
				comment := "because"
				if strings.HasSuffix(answer, "!") {
					comment = " \n"
				}
				before := slices.Clone(a.Votes)
				was := a
				a, err = approve.Cast(a, person(name, strings.Split(groups, ",")...), answer[0] == '+', comment, now)
				if diff := cmp.Diff(before, was.Votes); diff != "" {
					t.Fatalf("what was given was changed: %s", diff)
				}
			}
			if a.State != c.state || a.Approved() != c.counted {
				t.Errorf("%s with %d, want %s with %d", a.State, a.Approved(), c.state, c.counted)
			}
			if slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s: %s", err, c.code, c.says)
			}
		})
	}
}

func TestSlipwaydDoesNotApprove(t *testing.T) {
	if _, err := approve.Cast(question(1), slipway.Principal{Kind: slipway.PrincipalSystem, Name: "slipwayd"}, true, "", now); slipway.CodeOf(err) != slipway.Refused {
		t.Errorf("got %v", err)
	}
}

// Whatever people answer, in whatever order: who grants are that many different people that count, none of whom is the requester; nothing
// that is decided changes; an answer that is refused changes nothing.
func TestCastHolds(t *testing.T) {
	names := rapid.SampledFrom([]string{"ann", "Ann", "bob", "BOB", "carl", "dora", "eve", ""})
	rapid.Check(t, func(t *rapid.T) {
		a := question(rapid.IntRange(1, 4).Draw(t, "needed"), rapid.SliceOfN(rapid.SampledFrom([]string{"ann", "ops", "carl"}), 0, 2).Draw(t, "from")...)
		for i := range rapid.IntRange(1, 12).Draw(t, "answers") {
			by := person(names.Draw(t, "by"), rapid.SliceOfN(rapid.SampledFrom([]string{"ops", "dev"}), 0, 2).Draw(t, "groups")...)
			at := a.Asked.Add(time.Duration(rapid.IntRange(0, 150).Draw(t, "minutes")) * time.Minute)
			before := a
			var err error
			a, err = approve.Cast(a, by, rapid.Bool().Draw(t, "approve"), rapid.SampledFrom([]string{"", "because"}).Draw(t, "comment"), at)
			if before.State.Done() && (err == nil || cmp.Diff(before, a) != "") {
				t.Fatalf("answer %d changed what was decided: %+v, %v", i, a, err)
			}
			if err != nil && cmp.Diff(before.Votes, a.Votes) != "" {
				t.Fatalf("answer %d was refused, and counted: %+v", i, a)
			}
			if err == nil && !at.Before(a.Expires) {
				t.Fatalf("answer %d came too late and was taken", i)
			}
		}
		people := map[string]bool{}
		for _, v := range a.Votes {
			if people[strings.ToLower(v.By)] || strings.EqualFold(v.By, "bob") || v.By == "" {
				t.Fatalf("%s is counted: %+v", v.By, a.Votes)
			}
			people[strings.ToLower(v.By)] = true
		}
		if (a.State == slipway.ApprovalGranted) != (a.Approved() >= a.Needed && !slices.ContainsFunc(a.Votes, func(v slipway.Vote) bool { return !v.Approve })) {
			t.Fatalf("it is %s with %+v of %d", a.State, a.Votes, a.Needed)
		}
	})
}

func TestID(t *testing.T) {
	if a, b := approve.ID("x-1 approve"), approve.ID("x-2 approve"); a == b || a != approve.ID("x-1 approve") || !slipway.IsApproval(a) {
		t.Error(fmt.Sprint(a, b))
	}
}
