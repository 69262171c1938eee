package attest

import (
	"encoding/json"
	"time"

	"github.com/slipway-sh/slipway"
)

// How tests end, in the words of in-toto's predicate for test results.
const (
	passed = "PASSED"
	failed = "FAILED"
)

// testResult is in-toto's predicate for test results, with the whole report beside what it asks for.
type testResult struct {
	Result        string              `json:"result"`
	Configuration []resource          `json:"configuration"` // the tests, as the spec of the image has them
	PassedTests   []string            `json:"passedTests"`
	FailedTests   []string            `json:"failedTests"`
	FinishedOn    time.Time           `json:"finishedOn"`
	Report        *slipway.TestReport `json:"report,omitempty"` // none: there was nothing to test
}

func newTestResult(image slipway.Image, bake slipway.Bake, req *slipway.BakeRequest) (testResult, error) {
	tests, err := json.Marshal(req.Spec.Image.Tests)
	if err != nil {
		return testResult{}, err
	}
	r := testResult{
		Result:        passed,
		Configuration: []resource{{Name: "image.tests", Digest: sha256Of(slipway.DigestOf(tests))}},
		PassedTests:   []string{}, FailedTests: []string{}, FinishedOn: bake.Finished.UTC(), Report: image.Tests,
	}
	if image.State != slipway.ImageReady || image.Tests != nil && !image.Tests.Passed {
		r.Result = failed
	}
	if image.Tests != nil {
		for _, t := range image.Tests.Results {
			if t.Passed {
				r.PassedTests = append(r.PassedTests, t.Name)
			} else {
				r.FailedTests = append(r.FailedTests, t.Name)
			}
		}
	}
	return r, nil
}
