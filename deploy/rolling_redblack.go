package deploy

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// rollingRedBlack grows the new group by percentages and gives it as much of the traffic. The old group keeps all of its machines until
// the new one has settled, and is kept then, so that at any step a rollback is instant.
func rollingRedBlack(ctx workflow.Context, r *rollout, spec slipway.RollingRedBlack) error {
	desired := r.d.Environment.Size.Desired
	steps := spec.Steps
	if len(steps) == 0 {
		steps = []int{25, 50, 75}
	}
	for _, percent := range steps {
		if r.promoted {
			break
		}
		if err := r.grow(ctx, share(percent, desired)); err != nil { // healthy and checked
			return err
		}
		if err := r.give(ctx, percent, 0); err != nil {
			return err
		}
		if err := r.proveSplit(ctx); err != nil {
			return err
		}
		if err := r.pass(ctx, spec.Wait.Or(0), fmt.Sprintf("it goes on from %d %%", percent)); err != nil {
			return err
		}
	}
	if err := r.grow(ctx, desired); err != nil {
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

// share returns how many of total machines percent stand for: at least one.
func share(percent, total int) int {
	return max(1, slipway.Amount{N: percent, Percent: true}.Of(total))
}
