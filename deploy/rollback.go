package deploy

import "go.temporal.io/sdk/workflow"

// rollback gives all traffic back to a group that served before. Kept machines served well once, so they are not checked and
// watched again: the time until traffic is back is what counts. If nothing is kept a group like it is made first. Once
// a rollback begins to shift it is finished, whoever aborts.
func rollback(ctx workflow.Context, r *rollout, kept bool) error {
	switch {
	case !kept:
		if err := r.create(ctx, r.d.Environment.Size.Desired); err != nil {
			return err
		}
	case r.begun.TargetSize.Desired < r.d.Environment.Size.Desired:
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := r.gate(ctx); err != nil {
		return err
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	r.settling = true
	if err := r.takeOver(ctx); err != nil { // the source stands by
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.retire(ctx, r.d.Environment.Strategy.Keep())
	return nil
}
