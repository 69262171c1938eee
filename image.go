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
	Digest       Digest      `json:"digest"`
	Application  string      `json:"application"`
	Version      string      `json:"version,omitempty"` // the label CI gave it; the newest image with a label has it
	State        ImageState  `json:"state"`
	From         string      `json:"from"`
	Base         *Base       `json:"base,omitempty"`
	Layers       []LayerInfo `json:"layers"`
	Service      Service     `json:"service"`
	Tests        *TestReport `json:"tests,omitempty"`
	Irreversible bool        `json:"irreversible,omitempty"` // as ImageSpec's
	Bake         string      `json:"bake,omitempty"`         // that made it
	Request      Digest      `json:"request,omitempty"`      // of the blob that is the BakeRequest it can be built from again
	Source       *Source     `json:"source,omitempty"`
	Revoked      *Revocation `json:"revoked,omitempty"`
	Created      time.Time   `json:"created"`
}

// IsBase reports whether the image is only there for others to build on: it has nothing to run.
func (i Image) IsBase() bool { return len(i.Service.Command) == 0 }

// Base is what an image starts from, as it was found when the image was baked.
type Base struct {
	From        string `json:"from"`                  // as the spec has it
	Digest      Digest `json:"digest,omitempty"`      // of the image (image:), the registry's manifest (oci:) or the archive (rootfs:)
	Application string `json:"application,omitempty"` // of image:
	Version     string `json:"version,omitempty"`     // label of image:, for people
	Layers      int    `json:"layers"`                // so many of the image's lowest layers are the base's
}

// Revocation says that an image must not be launched any more. What runs already is left, and listed.
type Revocation struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"`
}

// Channel is a name for an image that can be moved to another: hello@stable. Digests never move.
type Channel struct {
	Application string    `json:"application"`
	Name        string    `json:"name"`
	Image       Digest    `json:"image"`
	Previous    Digest    `json:"previous,omitempty"` // what it named before
	Moved       time.Time `json:"moved"`
	By          string    `json:"by,omitempty"`
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
	Digest Digest `json:"digest"`         // of the EROFS blob
	Size   int64  `json:"size"`           // bytes
	Step   string `json:"step"`           // for people: "packages nginx-light"
	Key    Digest `json:"key"`            // of the inputs it was made from
	Lock   Digest `json:"lock,omitempty"` // of the blob that is the Lock of its packages
}

// TestReport is what the tests of an image found.
type TestReport struct {
	Passed  bool          `json:"passed"`
	Results []TestResult  `json:"results"`
	Took    time.Duration `json:"took_ns"`
	Log     string        `json:"log,omitempty"`  // the last lines of the service's own log, when a test failed
	Bake    string        `json:"bake,omitempty"` // that ran them; a later one of the very same image and tests takes the report over
	Key     Digest        `json:"key,omitempty"`  // of the image and the tests
}

// TestResult is the outcome of one test.
type TestResult struct {
	Name   string        `json:"name"` // "http /healthz"
	Passed bool          `json:"passed"`
	Detail string        `json:"detail,omitempty"` // what was seen instead
	Took   time.Duration `json:"took_ns"`
}
