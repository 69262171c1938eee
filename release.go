package slipway

import "time"

// ReleaseState says how far a release is.
type ReleaseState string

// The states of a release.
const (
	ReleaseRunning        ReleaseState = "running"
	ReleaseSucceeded      ReleaseState = "succeeded"
	ReleaseRolledBack     ReleaseState = "rolled_back" // a member failed, and every member is as it was before
	ReleaseAborted        ReleaseState = "aborted"
	ReleaseNeedsAttention ReleaseState = "needs_attention"
)

// Done reports whether s is final.
func (s ReleaseState) Done() bool { return s != ReleaseRunning }

// Release moves several applications of an environment as one: all of them, or none.
type Release struct {
	ID          string          `json:"id"` // "r-…"
	Environment string          `json:"environment"`
	Members     []ReleaseMember `json:"members"` // in order
	Parallel    bool            `json:"parallel,omitempty"`
	State       ReleaseState    `json:"state"`
	Reason      string          `json:"reason,omitempty"`
	By          string          `json:"by,omitempty"`
	Error       *Error          `json:"error,omitempty"`
	Started     time.Time       `json:"started"`
	Finished    time.Time       `json:"finished,omitzero"`
}

// ReleaseMember is one application of a release.
type ReleaseMember struct {
	Application string          `json:"application"`
	Image       Digest          `json:"image"`
	Deployment  string          `json:"deployment,omitempty"` // once it has begun
	State       DeploymentState `json:"state,omitempty"`      // of its deployment
}

// ReleaseRequest asks for a release. Images are as in [DeployRequest].
type ReleaseRequest struct {
	Environment string          `json:"environment"`
	Members     []ReleaseTarget `json:"members"`
	Parallel    bool            `json:"parallel,omitempty"` // all at once, rather than one after the other
	Reason      string          `json:"reason,omitempty"`
	By          string          `json:"by,omitempty"`
}

// ReleaseTarget is an application and the image it goes to.
type ReleaseTarget struct {
	Application string `json:"application"`
	Image       string `json:"image"`
}
