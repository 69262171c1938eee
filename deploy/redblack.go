package deploy

import "go.temporal.io/sdk/workflow"

// redBlack gives all traffic to the new group at once and keeps the old one, disabled, so that a rollback is instant.
func redBlack(ctx workflow.Context, r *rollout) error {
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
	r.retire(ctx, r.d.Environment.Strategy.Keep())
	return nil
}
