package slipway

import (
	"context"
	"encoding/json"
	"time"
)

// BakeRequest asks for an image. Context lists the files of the build context; their content must have been uploaded as blobs before.
type BakeRequest struct {
	Spec    Spec           `json:"spec"`
	Context []ContextEntry `json:"context"`
	Version string         `json:"version,omitempty"` // label of the resulting image: CI's build key
	Source  *Source        `json:"source,omitempty"`  // where the context comes from; for provenance, decides nothing

	NoCache       []string `json:"no_cache,omitempty"`        // layers to build anew: AllLayers, their numbers from 1, or their names as a plan shows them
	Refresh       bool     `json:"refresh,omitempty"`         // what From means is looked up anew, and Debian's packages are resolved anew
	KeepOnFailure bool     `json:"keep_on_failure,omitempty"` // the sandbox of a script that fails stays, to be entered
	Secrets       string   `json:"secrets,omitempty"`         // where the values of the secrets are: what SecretStore.PutSecrets returned
	After         []string `json:"after,omitempty"`           // bakes that must succeed first: those of images this one starts from
}

// ReadBakeRequest returns the request that is stored as a blob. NotFound if it is not stored.
func ReadBakeRequest(ctx context.Context, blobs Blobs, digest Digest) (*BakeRequest, error) {
	blob, err := blobs.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	var req BakeRequest
	if err := json.NewDecoder(blob).Decode(&req); err != nil {
		return nil, Errorf(Corrupt, "cannot read the request %s of a bake: %w", digest.Short(), err)
	}
	return &req, nil
}

// AllLayers in BakeRequest.NoCache means every layer, what the image starts from included.
const AllLayers = "all"

// Source says where the files of a build context come from. All of it is the client's word.
type Source struct {
	Repository string `json:"repository,omitempty"` // URL, without credentials
	Commit     string `json:"commit,omitempty"`
	Branch     string `json:"branch,omitempty"`
	Author     string `json:"author,omitempty"`
	Build      string `json:"build,omitempty"` // URL or number of CI's build
	Dirty      bool   `json:"dirty,omitempty"` // the working tree had changes that no commit has
}

// BakePlan says what a bake would do, and why. Planning builds nothing and pulls nothing.
type BakePlan struct {
	Application string      `json:"application"`
	Base        *Base       `json:"base,omitempty"`
	Layers      []LayerPlan `json:"layers"`
	Compared    string      `json:"compared,omitempty"` // the bake that Why speaks of: the application's last that succeeded
}

// LayerPlan is one layer of a plan.
type LayerPlan struct {
	Step   string   `json:"step"`
	Cached bool     `json:"cached"`
	Pull   bool     `json:"pull,omitempty"`   // would be fetched from a registry
	Key    Digest   `json:"key,omitempty"`    // "" while a layer below is not built: the key depends on it
	Digest Digest   `json:"digest,omitempty"` // of a cached layer
	Size   int64    `json:"size,omitempty"`   // of a cached layer, or one that would be pulled as far as it is known, bytes
	Why    []Change `json:"why,omitempty"`    // what makes it differ from the layer of the last bake
}

// Change is an input that is not what it was.
type Change struct {
	Input string `json:"input"`         // for people: "dist/hello", "env A", "the layer below"
	Old   string `json:"old,omitempty"` // a digest or value; "" if it was not there
	New   string `json:"new,omitempty"` // "" if it is gone, or not known yet
}

// Lock pins the packages of a layer: what was installed into it, so that building it again installs the same.
type Lock struct {
	Packages []LockedPackage `json:"packages"`          // by name and architecture
	Sources  string          `json:"sources,omitempty"` // of a Debian base: the lines of its sources.list
}

// LockedPackage is one Debian package. Its .deb is kept as a blob while an image is locked to it.
type LockedPackage struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Digest       Digest `json:"digest"` // of the .deb
	Size         int64  `json:"size"`   // of the .deb, bytes
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

// RebuildRequest asks to verify that an image comes out the same again.
type RebuildRequest struct {
	Application string `json:"application"`
	Image       string `json:"image,omitempty"`   // as in DeployRequest
	Secrets     string `json:"secrets,omitempty"` // as in BakeRequest: values of secrets are not recorded
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
	Request     Digest      `json:"request,omitempty"` // of the blob that is the BakeRequest
	Rebuild     Digest      `json:"rebuild,omitempty"` // set on a bake that only verifies: the image that is built again and compared
	Base        *Base       `json:"base,omitempty"`    // what From was found to mean
	Image       Digest      `json:"image,omitempty"`   // set once baked, also when its tests failed
	Layers      []LayerBake `json:"layers,omitempty"`
	Differences []string    `json:"differences,omitempty"` // of a rebuild: the files that came out otherwise, by layer
	Kept        string      `json:"kept,omitempty"`        // how to enter the sandbox of the script that failed
	Tests       *TestReport `json:"tests,omitempty"`
	Error       *Error      `json:"error,omitempty"`
	Started     time.Time   `json:"started"`
	Finished    time.Time   `json:"finished,omitzero"`
}

// LayerBake says how one layer of a bake came about.
type LayerBake struct {
	LayerInfo
	Index  int           `json:"index"` // of the step: 0 for what the image starts from, which may be several layers
	Cached bool          `json:"cached"`
	Took   time.Duration `json:"took_ns"`
}
