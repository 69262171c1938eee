package cli

import (
	"time"

	"github.com/slipway-sh/slipway"
)

// questions are what slipwayd answers of approvals: a-1 has one approval of two, a-2 is of a first deployment and was rejected.
func questions(v1, v2 slipway.Digest, diff slipway.ImageDiff) map[string]any {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	pending := slipway.Approval{
		ID: "a-1", Application: "hello", Environment: "prod", Subject: "m-1", Message: "promote v2 from staging to prod", Image: v2, Against: v1, Needed: 2,
		From: []string{"ops", "ann"}, Requester: "bob", Asked: ago(time.Hour), Expires: time.Now().Add(2*time.Hour + time.Second), State: slipway.ApprovalPending,
		Votes: []slipway.Vote{{By: "ann", Approve: true, Comment: "fine", At: ago(time.Minute)}},
	}
	granted, rejected := pending, pending
	granted.Votes = append(granted.Votes, slipway.Vote{By: "carl", Approve: true, At: ago(0)})
	granted.State = slipway.ApprovalGranted
	rejected.ID, rejected.State, rejected.From, rejected.Against, rejected.Decided = "a-2", slipway.ApprovalRejected, nil, "", ago(time.Minute)
	rejected.Needed, rejected.Votes = 1, []slipway.Vote{{By: "carl", Comment: "too soon", At: ago(time.Minute)}}
	items := func(v any) any { return map[string]any{"items": v} }
	return map[string]any{
		"GET /v1/approvals":            items([]slipway.Approval{pending, rejected}),
		"GET /v1/approvals/a-1":        pending,
		"GET /v1/approvals/a-1/diff":   diff,
		"GET /v1/approvals/a-2":        rejected,
		"GET /v1/approvals/a-2/diff":   slipway.Errorf(slipway.NotFound, "cannot compare: nothing served there when it was asked"),
		"POST /v1/approvals/a-1/votes": granted,
		"POST /v1/approvals/a-2/votes": slipway.Errorf(slipway.Conflict, "cannot answer a-2: it was rejected"),
		"POST /v1/approvals/a-3/votes": slipway.Errorf(slipway.Refused, "cannot answer a-3: bob has asked for it, and somebody else must answer"),
	}
}
