package deploy

import "go.temporal.io/sdk/workflow"

// rollback gives all traffic back to a group that served before. Kept machines served well once, so they are not checked and
// watched again: the time until traffic is back is what counts. If nothing is kept a group like it is made first. Once
// a rollback begins to shift it is finished, whoever aborts.
func rollback(ctx workflow.Context, r *rollout, kept bool) error {
	switch {
	case !kept:
		if err := r.create(ctx); err != nil {
			return err
		}
		if err := r.awaitHealthy(ctx); err != nil {
			return err
		}
		if err := r.smokeCheck(ctx); err != nil {
			return err
		}
	case r.worker():
		if err := r.start(ctx); err != nil {
			return err
		}
		if err := r.awaitHealthy(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.shift(ctx); err != nil { // the source stands by
		return err
	}
	if err := r.prove(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.retire(ctx, r.d.Environment.Strategy.Keep())
	return nil
}
