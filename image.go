package slipway

import "time"

// ImageState says whether an image may be deployed.
type ImageState string

// The states of an image.
const (
	ImageUntested ImageState = "untested" // baked, its tests have not run; not deployable
	ImageReady    ImageState = "ready"    // tested (or has no tests) and registered
	ImageFailed   ImageState = "failed"   // its tests failed; kept for inspection, not deployable
)

// Image is a registered machine image. Its digest is that of its OCI manifest; nothing about its content can change.
type Image struct {
	Digest      Digest      `json:"digest"`
	Application string      `json:"application"`
	Version     string      `json:"version,omitempty"` // the label CI gave it; the newest image with a label has it
	State       ImageState  `json:"state"`
	From        string      `json:"from"`
	Layers      []LayerInfo `json:"layers"`
	Service     Service     `json:"service"`
	Tests       *TestReport `json:"tests,omitempty"`
	Created     time.Time   `json:"created"`
}

// Size returns the bytes of all layers.
func (i Image) Size() int64 {
	var n int64
	for _, l := range i.Layers {
		n += l.Size
	}
	return n
}

// LayerInfo describes one layer blob, lowest first.
type LayerInfo struct {
	Digest Digest `json:"digest"` // of the EROFS blob
	Size   int64  `json:"size"`   // bytes
	Step   string `json:"step"`   // for people: "packages nginx-light"
	Key    Digest `json:"key"`    // of the inputs it was made from
}

// TestReport is what the tests of an image found.
type TestReport struct {
	Passed  bool          `json:"passed"`
	Results []TestResult  `json:"results"`
	Took    time.Duration `json:"took_ns"`
	Log     string        `json:"log,omitempty"` // the last lines of the service's own log, when a test failed
}

// TestResult is the outcome of one test.
type TestResult struct {
	Name   string        `json:"name"` // "http /healthz"
	Passed bool          `json:"passed"`
	Detail string        `json:"detail,omitempty"` // what was seen instead
	Took   time.Duration `json:"took_ns"`
}
