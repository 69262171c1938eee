package deploy

import "go.temporal.io/sdk/workflow"

// highlander gives all traffic to the new group and destroys every other. There can be only one.
func highlander(ctx workflow.Context, r *rollout) error {
	if err := r.create(ctx); err != nil {
		return err
	}
	if err := r.awaitHealthy(ctx); err != nil {
		return err
	}
	if err := r.smokeCheck(ctx); err != nil {
		return err
	}
	if err := r.shift(ctx); err != nil { // the source stands by
		return err
	}
	if err := r.prove(ctx); err != nil {
		return err
	}
	if err := r.watch(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.retire(ctx, 0)
	return nil
}
