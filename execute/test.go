package execute

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

const (
	// testTime bounds a try to run tests, or a command, in a machine of the image that has no timeout of its own.
	testTime = 30 * time.Minute
	// startWithin is how long a machine may take to become healthy.
	startWithin = time.Minute
	// tidyWithin bounds the removal of a machine.
	tidyWithin = 5 * time.Minute
)

// test runs tests on a throw-away machine of the image.
func (r *run) test(ctx workflow.Context, s slipway.TestStage, rec *slipway.StageRecord) error {
	image, err := r.needsImage("test")
	if err != nil {
		return err
	}
	machine := ship.DerivedID("i-", r.unique(rec))
	var report slipway.TestReport
	err = workflow.ExecuteActivity(durable.Step(ctx, testTime), acts.TestMachine, Subject{Execution: r.view(), Stage: rec.ID, Image: image, Machine: machine}, s).Get(ctx, &report)
	if err != nil {
		r.removeMachine(ctx, machine)
		return err
	}
	passed := 0
	var failed []string
	for _, result := range report.Results {
		if result.Passed {
			passed++
			continue
		}
		failed = append(failed, fmt.Sprintf("test %s failed: %s", result.Name, result.Detail))
	}
	outputs(rec, map[string]string{"passed": digits(passed), "failed": digits(len(failed)), "bake": report.Bake})
	if len(failed) > 0 {
		return slipway.Errorf(slipway.Failed, "%s", strings.Join(failed, "\n"))
	}
	return nil
}

// removeMachine removes a machine that an activity which was broken off may have left.
func (r *run) removeMachine(ctx workflow.Context, machine string) {
	rest, _ := workflow.NewDisconnectedContext(ctx)
	// The provider removes what this cannot, when it expires.
	_ = workflow.ExecuteActivity(durable.Tries(rest, tidyWithin, 3), acts.EndMachine, machine).Get(rest, nil)
}

// Subject is what a stage works with in a machine of an image.
type Subject struct {
	Execution slipway.Execution `json:"execution"`
	Stage     string            `json:"stage"`
	Image     slipway.Digest    `json:"image"`
	Machine   string            `json:"machine"` // ID of the throw-away
}

// TestMachine boots a throw-away machine and runs the tests against it: those of the suite, or the image's own. If the very same have passed it returns
// that report. The error is nil when a test fails: the report says so. The machine is gone when it returns.
func (a *Activities) TestMachine(ctx context.Context, s Subject, stage slipway.TestStage) (slipway.TestReport, error) {
	image, req, err := a.subject(ctx, s)
	if err != nil {
		return slipway.TestReport{}, err
	}
	tests := stage.Suite
	if len(tests) == 0 {
		if tests = req.Spec.Image.Tests; len(tests) == 0 {
			return slipway.TestReport{Passed: true}, nil
		}
		if image.Tests != nil && image.Tests.Passed && !stage.Again {
			return *image.Tests, nil
		}
	}
	defer a.terminate(ctx, s.Machine)
	report := slipway.TestReport{Passed: true, Results: []slipway.TestResult{}}
	instance, err := a.machine(ctx, s, image, false, testTime)
	switch code := slipway.CodeOf(err); {
	case code == slipway.Failed || code == slipway.DeadlinePast:
		report.Results = append(report.Results, slipway.TestResult{Name: "start", Detail: firstLine(slipway.MessageOf(err))})
		return report, nil
	case err != nil:
		return report, err
	}
	runner := check.Runner{Provider: a.Parts.Provider, Probe: a.Parts.Probe, Context: req.Context, Blobs: a.Parts.Blobs}
	for result := range runner.All(ctx, instance, image.Service, tests) {
		if ctx.Err() != nil {
			return report, ctx.Err() // a test that was broken off has not failed
		}
		report.Results = append(report.Results, result)
		line := fmt.Sprintf("%s passed in %s", result.Name, took(result.Took))
		if !result.Passed {
			report.Passed = false
			line = fmt.Sprintf("%s failed: %s", result.Name, result.Detail)
		}
		a.print(ctx, s, line)
	}
	return report, nil
}

// EndMachine removes a throw-away machine.
func (a *Activities) EndMachine(ctx context.Context, machine string) error {
	return a.Parts.Provider.Terminate(ctx, machine)
}

// subject returns the image of a stage, which must not be revoked, and what the execution was asked for.
func (a *Activities) subject(ctx context.Context, s Subject) (slipway.Image, *slipway.BakeRequest, error) {
	image, err := a.Parts.Store.Image(ctx, s.Image)
	if err == nil {
		err = image.NotRevoked("make a machine of it")
	}
	if err != nil {
		return image, nil, err
	}
	req, err := slipway.ReadBakeRequest(ctx, a.Parts.Blobs, s.Execution.Request)
	return image, req, err
}

// machine returns a throw-away machine of the image, healthy unless its service is not to be started.
func (a *Activities) machine(ctx context.Context, s Subject, image slipway.Image, noService bool, long time.Duration) (slipway.Instance, error) {
	service := image.Service
	idle := noService || len(service.Command) == 0
	if idle {
		service.Command = nil
	}
	instance, err := a.Parts.Provider.Launch(ctx, slipway.MachineSpec{
		ID: s.Machine, Owner: "stage " + s.Stage + " of " + s.Execution.ID, Image: image.Digest, Service: service, Stay: idle,
		Expires: time.Now().Add(long + startWithin),
	})
	if err != nil || idle {
		return instance, err
	}
	return check.Instance(ctx, a.Parts.Provider, s.Machine, time.Now().Add(startWithin))
}

// terminate removes a machine, whatever became of ctx. One that it cannot remove the provider does when it expires.
func (a *Activities) terminate(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), briefly)
	defer cancel()
	if err := a.Parts.Provider.Terminate(ctx, id); err != nil {
		a.Parts.Log.Warn("cannot remove the machine of a stage", "instance", id, "error", err)
	}
}

// print tells what a stage prints.
func (a *Activities) print(ctx context.Context, s Subject, text string) {
	rec := slipway.StageRecord{ID: s.Stage}
	if known := s.Execution.Stage(s.Stage); known != nil {
		rec = *known
	}
	a.tell(context.WithoutCancel(ctx), s.Execution, slipway.StageOutput, text, rec)
}
