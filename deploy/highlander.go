package deploy

import "go.temporal.io/sdk/workflow"

// highlander gives all traffic to the new group and destroys every other. There can be only one.
func highlander(ctx workflow.Context, r *rollout) error {
	if err := r.create(ctx, r.d.Environment.Size.Desired); err != nil { // healthy and checked
		return err
	}
	if err := r.takeOver(ctx); err != nil { // proved; the source stands by
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
