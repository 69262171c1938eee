package slipway

import "time"

// BakeRequest asks for an image. Context lists the files of the build context; their content must have been uploaded as blobs before.
type BakeRequest struct {
	Spec    Spec           `json:"spec"`
	Context []ContextEntry `json:"context"`
	Version string         `json:"version,omitempty"` // label of the resulting image: CI's build key
}

// ContextEntry is a file, directory or symbolic link of the build context.
type ContextEntry struct {
	Path   string `json:"path"`             // relative, slash-separated, clean
	Mode   uint32 `json:"mode"`             // permission bits
	Dir    bool   `json:"dir,omitempty"`    //
	Link   string `json:"link,omitempty"`   // target of a symbolic link
	Digest Digest `json:"digest,omitempty"` // of a file's content
	Size   int64  `json:"size,omitempty"`   // of a file, bytes
}

// BakeState says how far a bake is.
type BakeState string

// The states of a bake. Succeeded, failed, aborted are final.
const (
	BakeRunning   BakeState = "running"
	BakeSucceeded BakeState = "succeeded"
	BakeFailed    BakeState = "failed"
	BakeAborted   BakeState = "aborted"
)

// Done reports whether s is final.
func (s BakeState) Done() bool { return s != BakeRunning }

// Bake is one run of the bakery.
type Bake struct {
	ID          string      `json:"id"`                  // "b-…"
	Key         Digest      `json:"key,omitempty"`       // of all that decides the image, and its label; while a bake is under way another with its key joins it
	Execution   string      `json:"execution,omitempty"` // that it is part of
	Application string      `json:"application"`
	Version     string      `json:"version,omitempty"`
	State       BakeState   `json:"state"`
	Image       Digest      `json:"image,omitempty"` // set once baked, also when its tests failed
	Layers      []LayerBake `json:"layers,omitempty"`
	Tests       *TestReport `json:"tests,omitempty"`
	Error       *Error      `json:"error,omitempty"`
	Started     time.Time   `json:"started"`
	Finished    time.Time   `json:"finished,omitzero"`
}

// LayerBake says how one layer of a bake came about.
type LayerBake struct {
	LayerInfo
	Cached bool          `json:"cached"`
	Took   time.Duration `json:"took_ns"`
}
