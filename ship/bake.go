package ship

import (
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// bakeWorkflow is the type of the workflow that is a bake.
const bakeWorkflow = "bake"

const (
	briefly = 30 * time.Second
	// buildTime bounds the building of all layers; scripts have their own, shorter, bounds.
	buildTime = 2 * time.Hour
	// buildTries is how often building goes on where it stopped. It is low, as what fails unforeseen mostly does so again.
	buildTries = 6
	testTime   = 30 * time.Minute
	testTries  = 3
	// finishTime bounds a try to register an image. It is long, as all that is in the image is listed and signed before.
	finishTime = 15 * time.Minute
)

// BakeInput is what the workflow of a bake works from.
type BakeInput struct {
	Bake    slipway.Bake   `json:"bake"`
	Request slipway.Digest `json:"request"` // of the blob that is the [slipway.BakeRequest]
	After   []string       `json:"after,omitempty"`
}

// BakeOutcome is what became of a bake.
type BakeOutcome struct {
	State  slipway.BakeState   `json:"state"`
	Spec   *slipway.Spec       `json:"spec,omitempty"` // set if there is an image
	Image  *slipway.Image      `json:"image,omitempty"`
	Report *slipway.TestReport `json:"report,omitempty"`
	Error  *slipway.Error      `json:"error,omitempty"`

	Differences []string `json:"differences,omitempty"` // of a rebuild
}

// acts names the activities for the workflows; it is never called.
var acts *Activities

func bakeWorkflowID(key slipway.Digest) string { return "bake/" + key.Hex() }

func bakeStart(b slipway.Bake) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       bakeWorkflowID(b.Key),
		TaskQueue:                                durable.TaskQueue,
		WorkflowTaskTimeout:                      durable.TaskTimeout,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{deploy.MemoID: b.ID},
	}
}

// Bake is the workflow of a bake: layers, image, tests on a real machine, and only then the registration. It returns the bake in its final
// state; a bake that fails is no failure of the workflow. Cancelling the workflow is aborting the bake.
func Bake(ctx workflow.Context, in BakeInput) (slipway.Bake, error) {
	out := bakeAndTest(ctx, in)
	rest, _ := workflow.NewDisconnectedContext(ctx)
	var done slipway.Bake
	err := workflow.ExecuteActivity(durable.Tries(rest, finishTime, 0), acts.FinishBake, in, out).Get(rest, &done)
	return done, err
}

func bakeAndTest(ctx workflow.Context, in BakeInput) BakeOutcome {
	if len(in.After) > 0 {
		if err := workflow.ExecuteActivity(durable.Step(ctx, buildTime), acts.AwaitBases, in).Get(ctx, nil); err != nil {
			return failure(err, nil)
		}
	}
	if in.Bake.Rebuild != "" {
		return rebuild(ctx, in)
	}
	var built Built
	// One activity for all layers: a layer once built is in the cache, so that a new try goes on with the first that is not.
	err := workflow.ExecuteActivity(durable.Tries(ctx, buildTime, buildTries), acts.BuildImage, in).Get(ctx, &built)
	if err != nil {
		return failure(err, nil)
	}
	out := BakeOutcome{State: slipway.BakeSucceeded, Spec: &built.Spec, Image: &built.Image, Report: built.Report}
	tests := built.Spec.Image.Tests
	if len(tests) == 0 || out.Report != nil {
		return out
	}
	err = workflow.ExecuteActivity(durable.Tries(ctx, testTime, testTries), acts.TestImage, in, built.Image, tests).Get(ctx, &out.Report)
	if err != nil {
		return failure(err, &built.Image)
	}
	out.Report.Bake, out.Report.Key = in.Bake.ID, built.Key
	if !out.Report.Passed {
		out.State = slipway.BakeFailed
	}
	return out
}

func rebuild(ctx workflow.Context, in BakeInput) BakeOutcome {
	out := BakeOutcome{State: slipway.BakeSucceeded}
	err := workflow.ExecuteActivity(durable.Tries(ctx, buildTime, buildTries), acts.RebuildImage, in).Get(ctx, &out.Differences)
	if err != nil {
		return failure(err, nil)
	}
	return out
}

func failure(err error, image *slipway.Image) BakeOutcome {
	if temporal.IsCanceledError(err) {
		return BakeOutcome{State: slipway.BakeAborted, Image: image, Error: slipway.Errorf(slipway.ClosedByAbort, "the bake was aborted")}
	}
	return BakeOutcome{State: slipway.BakeFailed, Image: image, Error: durable.Error(err)}
}
