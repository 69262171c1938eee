package deploy

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// custom goes through the steps as they are written. The source keeps its machines until all are done, and the end is that of every
// strategy: all of the target is healthy, takes over, is proved and watched, and only then settles.
func custom(ctx workflow.Context, r *rollout, spec slipway.Custom) error {
	desired := r.d.Environment.Size.Desired
	for _, step := range spec.Steps {
		if err := r.custom(ctx, step); err != nil {
			return err
		}
	}
	if err := r.grow(ctx, desired); err != nil {
		return err
	}
	if r.d.Shifted.IsZero() {
		if err := r.takeOver(ctx); err != nil { // proved; the source stands by
			return err
		}
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

// custom carries one step out. What only waits is left out once the deployment is promoted.
func (r *rollout) custom(ctx workflow.Context, step slipway.CustomStep) error {
	switch {
	case step.Create != nil:
		return r.grow(ctx, max(1, step.Create.Of(r.d.Environment.Size.Desired)))
	case step.Weight != nil:
		if r.worker() {
			return nil
		}
		if *step.Weight == 100 || !r.standsBy() || r.begun.SourceHealthy == 0 {
			if err := r.grow(ctx, r.d.Environment.Size.Desired); err != nil {
				return err
			}
			return r.takeOver(ctx)
		}
		if err := r.give(ctx, *step.Weight, 0); err != nil {
			return err
		}
		return r.proveSplit(ctx)
	case step.Wait != nil:
		return r.pass(ctx, step.Wait.Or(0), "it goes on")
	case step.Approve != nil:
		return r.approve(ctx, *step.Approve)
	case step.Check != nil:
		return r.checkOnce(ctx, *step.Check)
	case step.Webhook != nil:
		return r.checkOnce(ctx, slipway.Check{Webhook: step.Webhook})
	case step.Run != nil:
		return r.do(ctx, fmt.Sprintf("running %s in a machine of %s", step.Run.Run[0], r.d.Target), slowly, nil, acts.RunCommand, *step.Run)
	case step.Analyse != nil && r.d.Weight == 100:
		r.flag("nothing was compared: " + r.d.Target + " had all of the traffic, as nothing else could serve it")
	case step.Analyse != nil:
		return r.observe(ctx, observation{
			analysis: step.Analyse.Analysis, long: step.Analyse.For.Or(slipway.DefaultInterval), last: true, control: r.d.Source,
		})
	}
	return nil // retire is what comes last in any case
}

// checkOnce makes a check that is a step of its own, until it has passed as often as it says.
func (r *rollout) checkOnce(ctx workflow.Context, c slipway.Check) error {
	r.forget(phaseStep)
	r.allow(ctx, r.d.Environment.Healthy.Or(defaultHealthy))
	_, err := r.await(ctx, waiting{
		step: "making a check", look: acts.CheckStep, wait: Wait{Phase: phaseStep, Check: &c},
		what:    slipway.Waiting{For: "the check to pass", Then: "it fails"},
		allowed: r.d.Environment.Healthy.Or(defaultHealthy),
	})
	return err
}

// phaseStep is the phase of a check that is a step of a custom strategy.
const phaseStep slipway.Phase = "step"
