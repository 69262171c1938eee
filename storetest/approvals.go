package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// ExerciseApprovals runs the suite of what every [slipway.ApprovalStore] must do. open returns an empty store each time it is called.
func ExerciseApprovals(t *testing.T, open func(t *testing.T) slipway.ApprovalStore) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, slipway.ApprovalStore)
	}{
		{"what is asked twice is asked once", sameApproval},
		{"approvals are listed newest first, narrowed and bounded", listedApprovals},
		{"a change that fails changes nothing", failedChange},
		{"fifty who answer at once are all counted", concurrentVotes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func approval(n int, cluster slipway.Cluster, subject string) slipway.Approval {
	return slipway.Approval{
		ID: fmt.Sprintf("a-%d", n), Application: cluster.Application, Environment: cluster.Environment, Subject: subject, Message: "may it?",
		Image: digest(n), Against: digest(n - 1), Needed: 2, From: []string{"ops", "ann"}, Comment: true, Requester: "bob", Asked: at(n), Expires: at(n + 100),
		Votes: []slipway.Vote{}, State: slipway.ApprovalPending,
	}
}

func sameApproval(t *testing.T, s slipway.ApprovalStore) {
	ctx := t.Context()
	wants(t, slipway.NotFound)(s.Approval(ctx, "a-1"))
	a := approval(1, prod, "x-1")
	same(t, a)(s.CreateApproval(ctx, a))
	same(t, a)(s.Approval(ctx, a.ID))
	changed := a
	changed.Votes, changed.State, changed.Decided = []slipway.Vote{{By: "ann", Approve: true, Comment: "fine", At: at(2)}}, slipway.ApprovalGranted, at(2)
	same(t, changed)(s.ChangeApproval(ctx, a.ID, func(a *slipway.Approval) error { *a = changed; return nil }))
	again := a
	again.Message, again.Needed = "really?", 7
	same(t, changed)(s.CreateApproval(ctx, again)) // as it has become
	same(t, changed)(s.Approval(ctx, a.ID))
}

func listedApprovals(t *testing.T, s slipway.ApprovalStore) {
	ctx := t.Context()
	dev := slipway.Cluster{Application: "shop", Environment: "dev"}
	blog := slipway.Cluster{Application: "blog", Environment: "prod"}
	var all []slipway.Approval
	for n, c := range []slipway.Cluster{prod, dev, blog, prod} {
		a := approval(n+1, c, fmt.Sprintf("x-%d", n%3))
		if n == 1 {
			a.State = slipway.ApprovalRejected
		}
		same(t, a)(s.CreateApproval(ctx, a))
		all = append(all, a)
	}
	pick := func(numbers ...int) []slipway.Approval {
		picked := []slipway.Approval{}
		for _, n := range numbers {
			picked = append(picked, all[n-1])
		}
		return picked
	}
	for _, c := range []struct {
		filter slipway.ApprovalFilter
		limit  int
		want   []slipway.Approval
	}{
		{slipway.ApprovalFilter{}, 0, pick(4, 3, 2, 1)},
		{slipway.ApprovalFilter{}, 2, pick(4, 3)},
		{slipway.ApprovalFilter{Application: "shop"}, 0, pick(4, 2, 1)},
		{slipway.ApprovalFilter{Environment: "prod"}, 0, pick(4, 3, 1)},
		{slipway.ApprovalFilter{Application: "shop", Environment: "prod"}, 1, pick(4)},
		{slipway.ApprovalFilter{Subject: "x-0"}, 0, pick(4, 1)},
		{slipway.ApprovalFilter{Pending: true}, 0, pick(4, 3, 1)},
		{slipway.ApprovalFilter{Application: "shop", Pending: true}, 0, pick(4, 1)},
		{slipway.ApprovalFilter{Subject: "' OR ''='"}, 0, pick()},
		{slipway.ApprovalFilter{After: slipway.Mark{Time: all[2].Asked, ID: all[2].ID}}, 0, pick(2, 1)},
		{slipway.ApprovalFilter{Pending: true, After: slipway.Mark{Time: all[3].Asked, ID: all[3].ID}}, 1, pick(3)},
	} {
		same(t, c.want)(s.Approvals(ctx, c.filter, c.limit))
	}
	decided := all[3]
	decided.State = slipway.ApprovalExpired
	same(t, decided)(s.ChangeApproval(ctx, decided.ID, func(a *slipway.Approval) error { a.State = slipway.ApprovalExpired; return nil }))
	same(t, pick(3, 1))(s.Approvals(ctx, slipway.ApprovalFilter{Pending: true}, 0))
}

func failedChange(t *testing.T, s slipway.ApprovalStore) {
	ctx := t.Context()
	a := approval(1, prod, "x-1")
	same(t, a)(s.CreateApproval(ctx, a))
	refused := slipway.Errorf(slipway.Refused, "cannot answer")
	got, err := s.ChangeApproval(ctx, a.ID, func(a *slipway.Approval) error {
		a.State, a.Votes = slipway.ApprovalGranted, append(a.Votes, slipway.Vote{By: "eve"})
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v, want what the change returned", err)
	}
	same(t, a)(got, nil)
	same(t, a)(s.Approval(ctx, a.ID))
	wants(t, slipway.NotFound)(s.ChangeApproval(ctx, "a-2", func(*slipway.Approval) error { t.Error("asked to change nothing"); return nil }))
}

func concurrentVotes(t *testing.T, s slipway.ApprovalStore) {
	ctx := t.Context()
	const people = 50
	a := approval(1, prod, "x-1")
	same(t, a)(s.CreateApproval(ctx, a))
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			_, err := s.ChangeApproval(ctx, a.ID, func(a *slipway.Approval) error {
				a.Votes = append(a.Votes, slipway.Vote{By: fmt.Sprint("person ", n), Approve: true, At: at(n).Add(time.Minute)})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := s.Approval(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range got.Votes {
		seen[v.By] = true
	}
	if len(seen) != people || len(got.Votes) != people {
		t.Errorf("of %d answers %d are counted, of %d people", people, len(got.Votes), len(seen))
	}
}
