package deploy

import (
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
)

// SignalReady tells a release's workflow, whose ID is the release's, that a member has come as far as it goes on its own. It carries the
// deployment's ID.
const SignalReady = "ready"

// SignalCommit lets a member of a release settle.
const SignalCommit = signalCommit

// awaitRelease waits, if the deployment is part of a release, until all others of it have come as far: nothing of it is final before.
// What has traffic is watched meanwhile.
func (r *rollout) awaitRelease(ctx workflow.Context) error {
	if r.d.Release == "" || r.committed {
		return nil
	}
	if err := workflow.SignalExternalWorkflow(ctx, r.d.Release, "", SignalReady, r.d.ID).Get(ctx, nil); err != nil {
		return slipway.Errorf(slipway.Failed, "release %s, which it is part of, is over", r.d.Release)
	}
	promoted := r.promoted
	r.promoted = false // that was about itself
	err := r.watchFor(ctx, watching{
		step:    "waiting for the other members of " + r.d.Release,
		waiting: slipway.Waiting{For: "all members of release " + r.d.Release + " to come as far", Unblocks: "their success; slipway abort " + r.d.Release + " undoes all", Then: "it settles"},
		over:    func() bool { return r.committed },
	})
	r.promoted = promoted
	return err
}
