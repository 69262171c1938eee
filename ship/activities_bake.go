package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
)

const (
	// startWithin is how long a machine under test may take to become healthy.
	startWithin = time.Minute
	// workerStays is how long a machine under test that has no port must live to count as started.
	workerStays = time.Second
)

// Built is an image that is baked and not registered yet.
type Built struct {
	Image  slipway.Image       `json:"image"`
	Spec   slipway.Spec        `json:"spec"`
	Key    slipway.Digest      `json:"key"`              // of the image and its tests
	Report *slipway.TestReport `json:"report,omitempty"` // of an earlier bake that ran the very same tests on the very same image, and passed
}

// TestImage boots a throw-away machine from the image and runs all tests against it. The error is nil when a test fails: the report
// says so. The machine is gone when it returns.
func (a *Activities) TestImage(ctx context.Context, in BakeInput, image slipway.Image, tests []slipway.Test) (slipway.TestReport, error) {
	start := time.Now()
	id := testMachine(in.Bake)
	defer a.terminate(context.WithoutCancel(ctx), id)
	_, err := a.Provider.Launch(ctx, slipway.MachineSpec{
		ID: id, Owner: "bake " + in.Bake.ID, Image: image.Digest, Service: image.Service, Expires: start.Add(testTime),
	})
	if err != nil {
		return slipway.TestReport{}, err
	}
	report := slipway.TestReport{Passed: true, Results: []slipway.TestResult{}}
	add := func(result slipway.TestResult) {
		report.Results = append(report.Results, result)
		message := fmt.Sprintf("%s passed in %s", result.Name, took(result.Took))
		if !result.Passed {
			report.Passed = false
			message = fmt.Sprintf("%s failed: %s", result.Name, result.Detail)
		}
		a.testEvent(ctx, in.Bake, message, result)
	}
	instance, err := a.started(ctx, id, image.Service)
	switch code := slipway.CodeOf(err); {
	case code == slipway.Failed || code == slipway.DeadlinePast:
		add(slipway.TestResult{Name: "start", Detail: gist(slipway.MessageOf(err)), Took: time.Since(start)})
	case err != nil:
		return slipway.TestReport{}, err
	default:
		req, err := a.request(ctx, in.Request)
		if err != nil {
			return slipway.TestReport{}, err
		}
		runner := check.Runner{Provider: a.Provider, Probe: a.Probe, Context: req.Context, Blobs: a.Blobs}
		for result := range runner.All(ctx, instance, image.Service, tests) {
			if ctx.Err() != nil {
				return slipway.TestReport{}, ctx.Err() // a test that was broken off has not failed
			}
			add(result)
		}
	}
	if !report.Passed {
		report.Log = check.Log(ctx, a.Provider, id)
	}
	report.Took = time.Since(start)
	return report, nil
}

// started returns the machine once it is healthy; one without a port must stay so for a moment.
func (a *Activities) started(ctx context.Context, id string, service slipway.Service) (slipway.Instance, error) {
	instance, err := check.Instance(ctx, a.Provider, id, time.Now().Add(startWithin))
	if err == nil && service.Port == 0 {
		err = check.Stays(ctx, a.Provider, id, time.Now().Add(workerStays))
	}
	return instance, err
}

// FinishBake registers the image, if there is one, stores the bake in its final state and returns it.
func (a *Activities) FinishBake(ctx context.Context, in BakeInput, out BakeOutcome) (slipway.Bake, error) {
	b, err := a.Store.Bake(ctx, in.Bake.ID)
	switch {
	case slipway.CodeOf(err) == slipway.NotFound:
		b = in.Bake
	case err != nil:
		return b, durable.Passing(err)
	case b.State.Done():
		return b, nil // an earlier try did it and its reply was lost
	}
	if out.State == slipway.BakeAborted {
		a.terminate(ctx, testMachine(in.Bake)) // the tests may have been broken off with slipwayd down
	}
	b.Request = cmp.Or(b.Request, in.Request) // which an older version did not record
	b.State, b.Tests, b.Error, b.Finished = out.State, out.Report, out.Error, time.Now().UTC()
	if out.Report != nil && !out.Report.Passed {
		b.Error = slipway.Errorf(slipway.Failed, "cannot register the image of %s: %s", b.Application, firstFailure(out.Report))
	}
	if b.Rebuild != "" {
		b.Differences = out.Differences
		if differs := reproduced(b); differs != nil && b.State == slipway.BakeSucceeded {
			b.State, b.Error = slipway.BakeFailed, differs
		}
	}
	if a.Baker.Kept(b.ID) {
		b.Kept = "slipway bake shell " + b.ID
	}
	if out.Image != nil && (out.State == slipway.BakeSucceeded || out.Report != nil) {
		err := a.register(ctx, &b, out)
		switch slipway.CodeOf(err) {
		case slipway.Corrupt, slipway.NotFound: // another try would find the same
			b.State, b.Image, b.Error = slipway.BakeFailed, "", durable.Error(err)
		default:
			if err != nil {
				return b, durable.Passing(err)
			}
		}
	}
	if b.State == slipway.BakeSucceeded && out.Spec != nil {
		// Only now, so that a bake that fails changes nobody's policy.
		if err := a.Store.PutApplication(ctx, *out.Spec); err != nil {
			return b, durable.Passing(err)
		}
	}
	if err := a.Store.PutBake(ctx, b); err != nil {
		return b, durable.Passing(err)
	}
	a.dropSecrets(ctx, in.Request)
	message := fmt.Sprintf("image %s is ready", b.Image.Short())
	if b.Rebuild != "" {
		message = fmt.Sprintf("image %s came out the same again", b.Rebuild.Short())
	}
	if b.Error != nil {
		message = gist(b.Error.Error())
	}
	a.bakeEvent(ctx, b, slipway.BakeFinished, message, true)
	return b, nil
}

// register signs and stores the image of a bake.
func (a *Activities) register(ctx context.Context, b *slipway.Bake, out BakeOutcome) error {
	image := *out.Image
	// What an older version built says neither, and is finished all the same.
	image.Bake, image.Request = cmp.Or(image.Bake, b.ID), cmp.Or(image.Request, b.Request)
	image.State, image.Tests = slipway.ImageReady, out.Report
	if out.State != slipway.BakeSucceeded {
		image.State = slipway.ImageFailed
	}
	b.Image = image.Digest
	req, err := a.request(ctx, image.Request)
	if err != nil {
		return err
	}
	if err := a.Attester.Attest(ctx, image, *b, req); err != nil {
		return err
	}
	return a.Store.PutImage(ctx, image)
}

// dropSecrets forgets the secrets of a request. What it cannot forget is forgotten when its time is over.
func (a *Activities) dropSecrets(ctx context.Context, request slipway.Digest) {
	req, err := a.request(ctx, request)
	if err == nil && req.Secrets != "" {
		err = a.Secrets.DropSecrets(ctx, req.Secrets)
	}
	if err != nil {
		a.Log.Warn("cannot drop the secrets of a bake", "error", err)
	}
}

// terminate removes a machine under test. One that it cannot remove the provider does when it expires.
func (a *Activities) terminate(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, briefly)
	defer cancel()
	if err := a.Provider.Terminate(ctx, id); err != nil {
		a.Log.Warn("cannot remove a test machine", "instance", id, "error", err)
	}
}

func (a *Activities) bakeEvent(ctx context.Context, b slipway.Bake, kind slipway.EventKind, message string, whole bool) {
	e := slipway.Event{Time: time.Now().UTC(), Kind: kind, Message: message, Application: b.Application, Execution: b.Execution, Bake: b.ID}
	if whole {
		e.Data, _ = json.Marshal(b) // a Bake always can be
	}
	publish(ctx, a.Store, a.Bus, a.Log, e)
}

func (a *Activities) testEvent(ctx context.Context, b slipway.Bake, message string, result slipway.TestResult) {
	data, _ := json.Marshal(result) // a TestResult always can be
	publish(ctx, a.Store, a.Bus, a.Log, slipway.Event{
		Time: time.Now().UTC(), Kind: slipway.BakeTest, Message: message, Application: b.Application, Execution: b.Execution, Bake: b.ID, Data: data,
	})
}

// testMachine returns the ID of the machine a bake's image is tested on: always the same, so that a new try finds it.
func testMachine(b slipway.Bake) string { return derivedID("i-", "test "+b.ID) }

func firstFailure(report *slipway.TestReport) string {
	for _, result := range report.Results {
		if !result.Passed {
			return "test " + result.Name + " failed: " + gist(result.Detail)
		}
	}
	return "its tests failed"
}

func layerLine(l slipway.LayerBake) string {
	if l.Cached {
		return l.Step + ": cached"
	}
	return fmt.Sprintf("%s: built in %s, %s", l.Step, took(l.Took), size(l.Size))
}

// took says how long something took: "0.6 ms", "41 ms", "1.2 s", "3m12s".
func took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// size says how large a layer is.
func size(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// gist returns the first line of a failure's text. What follows is the end of an output, which the record has.
func gist(message string) string {
	first, _, _ := strings.Cut(message, "\n")
	return first
}
