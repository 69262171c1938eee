package slipway

import "time"

// Artifact is a file that CI has built and pushed here. Its content is a blob.
type Artifact struct {
	ID          string    `json:"id"` // "af-…"
	Application string    `json:"application"`
	Name        string    `json:"name"`
	Version     string    `json:"version,omitempty"` // label of the images that are made with it
	Digest      Digest    `json:"digest"`
	Size        int64     `json:"size"`
	Mode        uint32    `json:"mode,omitempty"` // permission bits it gets in the build context; 0: those of the file whose place it takes
	Source      *Source   `json:"source,omitempty"`
	By          string    `json:"by,omitempty"`
	Pushed      time.Time `json:"pushed"`
}

// ArtifactFilter selects artifacts. Zero fields select all.
type ArtifactFilter struct {
	Application string
	After       Mark // only those that come after it; an artifact's time is when it was pushed
}

// PushedArtifact is an artifact with what its push has started.
type PushedArtifact struct {
	Artifact
	Firings []Firing `json:"firings"`
}
