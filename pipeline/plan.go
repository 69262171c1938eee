package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Plan says what an execution of the pipeline that v describes would do. p and v's parameters are valid.
func Plan(ctx context.Context, p slipway.Pipeline, v Values) (slipway.PipelinePlan, error) {
	plan := slipway.PipelinePlan{
		Application: v.Application, Pipeline: v.Pipeline, Description: p.Description, Parameters: v.Parameters,
		Concurrency: cmp.Or(p.Concurrency, slipway.ConcurrencyQueue), OnFailure: describeFailure(p.OnFailure),
	}
	g := p.Graph()
	add := func(s slipway.Step, on *slipway.OnFailure, after string) error {
		v := v
		v.Environment = s.Environment()
		line := slipway.StagePlan{
			ID: s.ID, Kind: s.Kind(), Does: Describe(s), Environment: s.Environment(), Needs: s.Needs, When: s.When, Runs: slipway.Yes,
			Retries: s.Retries, Timeout: s.Timeout, After: after, OnFailure: describeFailure(on),
		}
		if s.When != "" {
			e, err := Compile(s.When)
			if err != nil {
				return err
			}
			line.Runs = e.Foresee(ctx, v)
		}
		if line.Kind == slipway.StageBake && v.Image.Digest != "" {
			line.Runs, line.Does = slipway.No, "bake: the execution begins with image "+v.Image.Digest.Short()
		}
		if after != "" && line.Runs == slipway.Yes {
			line.Runs = slipway.Maybe
		}
		plan.Stages = append(plan.Stages, line)
		return nil
	}
	for _, s := range g.Ordered() {
		if err := add(s.Step, s.OnFailure, ""); err != nil {
			return plan, err
		}
	}
	for _, s := range g.Stages {
		for _, r := range g.Recovery[s.ID] {
			if err := add(r, nil, s.ID); err != nil {
				return plan, err
			}
		}
	}
	for _, r := range g.Recovery[""] {
		if err := add(r, nil, "any"); err != nil {
			return plan, err
		}
	}
	return plan, nil
}

// Describe says for people what a stage does: "deploy to prod by canary".
func Describe(s slipway.Step) string {
	switch {
	case s.Bake != nil:
		return "bake and test the image"
	case s.Test != nil && len(s.Test.Suite) > 0:
		return fmt.Sprintf("run %s on a machine of the image", counted(len(s.Test.Suite), "test"))
	case s.Test != nil && s.Test.Again:
		return "run the image's tests again"
	case s.Test != nil:
		return "run the image's tests, unless they have passed"
	case s.Deploy != nil:
		text := "deploy to " + s.Deploy.Environment
		if s.Deploy.Image != "" {
			text = "deploy " + s.Deploy.Image + " to " + s.Deploy.Environment
		}
		if s.Deploy.Strategy != nil {
			text += " by " + string(s.Deploy.Strategy.Name())
		}
		return text
	case s.Check != nil:
		return "check what serves in " + s.Check.Environment
	case s.Approve != nil:
		return describeApproval(*s.Approve)
	case s.Wait != nil && s.Wait.Until != "":
		return strings.TrimSpace("wait until " + s.Wait.Until + " " + s.Wait.Zone)
	case s.Wait != nil:
		return "wait " + Short(s.Wait.For)
	case s.Run != nil:
		return "run " + strings.Join(s.Run.Command, " ") + " in a machine of the image"
	case s.Webhook != nil:
		text, _, _ := strings.Cut(s.Webhook.URL, "?")
		return "ask " + text
	case s.Analysis != nil && s.Analysis.For != 0:
		return "compare groups of " + s.Analysis.Environment + " for " + Short(s.Analysis.For)
	case s.Analysis != nil:
		return "compare the groups of the last deployment to " + s.Analysis.Environment
	case s.Pipeline != nil:
		name := cmp.Or(s.Pipeline.Name, slipway.DefaultPipeline)
		if s.Pipeline.Application != "" {
			name += " of " + s.Pipeline.Application
		}
		return "run the pipeline " + name
	case s.Promote != nil && s.Promote.From != "":
		return "promote from " + s.Promote.From + " to " + s.Promote.To
	case s.Promote != nil:
		return "promote to " + s.Promote.To
	case s.Rollback != nil && s.Rollback.Image != "":
		return "bring " + s.Rollback.Environment + " back to " + s.Rollback.Image
	case s.Rollback != nil:
		return "bring back what ran in " + s.Rollback.Environment + " before"
	}
	return "do nothing"
}

func describeApproval(a slipway.ApproveStage) string {
	who := "an approver"
	if len(a.By) > 0 {
		who = strings.Join(a.By, ", ")
	}
	if a.Needed > 1 {
		who = fmt.Sprintf("%d of %s", a.Needed, cmp.Or(strings.Join(a.By, ", "), "the approvers"))
	}
	text := "wait for the approval of " + who
	if a.Message != "" {
		text += ": " + a.Message
	}
	return text
}

// describeFailure says for people what happens when a stage fails; "" for the default.
func describeFailure(f *slipway.OnFailure) string {
	if f == nil {
		return ""
	}
	text := map[slipway.FailureAction]string{
		slipway.FailureContinue: "go on", slipway.FailureUndo: "roll back what was deployed", slipway.FailureStop: "stop",
	}[cmp.Or(f.Do, slipway.FailureStop)]
	if n := len(f.Stages); n > 0 {
		text += ", then run " + counted(n, "stage")
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Short writes a duration without zeros at its end: "10m", not "10m0s".
func Short(d slipway.Duration) string {
	b, _ := d.MarshalText() // which never fails
	text := string(b)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
