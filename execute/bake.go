package execute

import (
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/ship"
)

// bake bakes and tests the image that the stages after it work with.
func (r *run) bake(ctx workflow.Context, rec *slipway.StageRecord) error {
	in := r.in.Bake
	in.Bake.Execution = r.x.ID
	if rec.Attempt > 1 || r.x.Attempt > 1 { // a record of its own for each try; what was built is in the cache
		in.Bake.ID = ship.DerivedID("b-", r.unique(rec))
		in.Bake.Started = workflow.Now(ctx).UTC()
	}
	rec.Bake, r.x.Bake = in.Bake.ID, in.Bake.ID
	r.note()
	done, err := ship.BakeChild(ctx, in)
	switch {
	case err != nil:
		return err
	case done.State != slipway.BakeSucceeded && done.Error != nil:
		return done.Error
	case done.State != slipway.BakeSucceeded:
		return slipway.Errorf(slipway.Failed, "bake %s ended as %s", done.ID, done.State)
	}
	rec.Bake, r.x.Bake = done.ID, done.ID
	r.x.Image, r.version = done.Image, done.Version
	outputs(rec, map[string]string{"image": string(done.Image), "version": done.Version, "bake": done.ID})
	return nil
}
