package execute

import (
	"cmp"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/approve"
)

// approve waits for people.
func (r *run) approve(ctx workflow.Context, s slipway.ApproveStage, rec *slipway.StageRecord) error {
	now := workflow.Now(ctx).UTC()
	a := slipway.Approval{
		ID: approve.ID(r.unique(rec)), Application: r.x.Application, Environment: s.Environment, Subject: r.x.ID,
		Message: cmp.Or(s.Message, fmt.Sprintf("Go on with pipeline %s of %s after stage %s?", r.x.Pipeline, r.x.Application, cmp.Or(strings.Join(rec.Needs, ", "), "none"))),
		Image:   r.x.Image, Needed: max(1, s.Needed), From: s.By, Requester: cmp.Or(r.x.Cause.By, "slipwayd"),
		Asked: now, Expires: now.Add(s.Expires.Or(slipway.DefaultExpiry)), Votes: []slipway.Vote{}, State: slipway.ApprovalPending,
	}
	rec.Approval = a.ID
	r.waits(rec, fmt.Sprintf("approval %s: %s", a.ID, firstLine(a.Message)))
	done, err := approve.Await(ctx, a)
	if err != nil {
		return err
	}
	var by, said []string
	for _, v := range done.Votes {
		if v.Approve == (done.State == slipway.ApprovalGranted) {
			by = append(by, v.By)
			if v.Comment != "" {
				said = append(said, v.Comment)
			}
		}
	}
	outputs(rec, map[string]string{"state": string(done.State), "by": strings.Join(by, ", "), "comment": strings.Join(said, "; ")})
	switch done.State {
	case slipway.ApprovalGranted:
		return nil
	case slipway.ApprovalRejected:
		text := "rejected by " + strings.Join(by, ", ")
		if len(said) > 0 {
			text += ": " + strings.Join(said, "; ")
		}
		return slipway.Errorf(slipway.Refused, "%s", text)
	case slipway.ApprovalExpired:
		return slipway.Errorf(slipway.DeadlinePast, "not enough people approved %s in time", done.ID)
	}
	return slipway.Errorf(slipway.Failed, "approval %s was %s", done.ID, done.State)
}
