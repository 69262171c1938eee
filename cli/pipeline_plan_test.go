package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/pipeline"
)

// A plan is drawn from the top to the bottom, as wide as it is read with ease, and says what is not plain from where a stage stands.
func TestDrawPlan(t *testing.T) {
	stage := func(s slipway.Step) slipway.Stage { return slipway.Stage{Step: s} }
	p := slipway.Pipeline{
		OnFailure: &slipway.OnFailure{Do: slipway.FailureUndo, Stages: []slipway.Step{
			{ID: "told", Webhook: &slipway.WebhookStage{WebhookCheck: slipway.WebhookCheck{URL: "https://example.com/told?key=secret"}}, When: `failed == "qa"`},
			{ID: "tidy", Pipeline: &slipway.PipelineStage{Name: "tidy"}},
		}},
		Stages: []slipway.Stage{
			stage(slipway.Step{Bake: &slipway.BakeStage{}}),
			stage(slipway.Step{Deploy: &slipway.DeployStage{Environment: "dev"}}),
			{Step: slipway.Step{ID: "qa", Needs: []string{"bake"}, Run: &slipway.RunStage{Command: []string{"qa/run", "${{ params.suite }}"}}, Retries: 1, Timeout: slipway.Duration(600e9)},
				OnFailure: &slipway.OnFailure{Do: slipway.FailureContinue}},
			stage(slipway.Step{ID: "soak", Needs: []string{"deploy-dev", "qa"}, Wait: &slipway.WaitStage{For: slipway.Duration(600e9)}, When: `params.suite == "full"`}),
			stage(slipway.Step{Approve: &slipway.ApproveStage{Needed: 2, By: slipway.Names{"ann", "bob", "carl"},
				Message: "Ship it, though this is a text that is so long that nobody would have it in one line of a terminal?"}}),
			stage(slipway.Step{Promote: &slipway.PromoteStage{To: "prod"}, When: `stages.qa.state == "succeeded"`}),
			stage(slipway.Step{ID: "aside", Needs: []string{}, Rollback: &slipway.RollbackStage{Environment: "dev"}}),
		},
	}
	plan, err := pipeline.Plan(t.Context(), p, pipeline.Values{Application: "hello", Pipeline: "default", Parameters: map[string]string{"suite": "smoke"}})
	if err != nil {
		t.Fatal(err)
	}
	plan.Behind = "x-1"
	var out strings.Builder
	if err := (&Factory{Out: &out}).drawPlan(plan); err != nil {
		t.Fatal(err)
	}
	want := `pipeline default of hello: 7 stages
  suite = "smoke"
  when a stage fails: roll back what was deployed, then run 2 stages
  x-1 is under way: this one would wait for its turn

  1 ● bake          bake and test the image
    ● aside         bring back what ran in dev before
    │
  2 ● deploy-dev    deploy to dev
                      after bake
    ● qa            run qa/run ${{ params.suite }} in a machine of the image
                      after bake
                      tried 2 times; at most 10m; if it fails go on
    │
  3 ○ soak          wait 10m
                      after deploy-dev, qa
                      when params.suite == "full" (it is not)
    │
  4 ● approve       wait for the approval of 2 of ann, bob, carl: Ship it, though this is a text
                    that is so long that nobody would have it in one line of a terminal?
    │
  5 ? promote-prod  promote to prod
                      when stages.qa.state == "succeeded" (known only then)

  if any stage fails
    ! told          ask https://example.com/told
                      when failed == "qa" (known only then)
    ! tidy          run the pipeline tidy

  ● runs   ○ is skipped   ? is known only when its turn comes
`
	if got := out.String(); got != want {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
}
