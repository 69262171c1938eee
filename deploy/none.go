package deploy

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// noTraffic makes the new group, healthy and checked, and leaves all else as it is.
func noTraffic(ctx workflow.Context, r *rollout) error {
	if err := r.create(ctx, r.d.Environment.Size.Desired); err != nil {
		return err
	}
	if err := r.awaitRelease(ctx); err != nil {
		return err
	}
	r.d.Deadline, r.d.Undo = time.Time{}, []slipway.Undo{}
	return nil
}
