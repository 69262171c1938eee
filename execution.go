package slipway

import "time"

// ExecutionState says how far an execution is.
type ExecutionState string

// The states of an execution.
const (
	ExecutionRunning   ExecutionState = "running"
	ExecutionSucceeded ExecutionState = "succeeded"
	ExecutionFailed    ExecutionState = "failed"
	ExecutionAborted   ExecutionState = "aborted"
)

// Done reports whether s is final.
func (s ExecutionState) Done() bool { return s != ExecutionRunning }

// Execution is one run of bake, test and deploy as a whole: what `slipway ship` starts.
type Execution struct {
	ID           string         `json:"id"` // "x-…"
	Application  string         `json:"application"`
	Environments []string       `json:"environments"` // deployed to one after the other
	State        ExecutionState `json:"state"`
	Bake         string         `json:"bake,omitempty"`
	Image        Digest         `json:"image,omitempty"`
	Deployments  []string       `json:"deployments"`
	Error        *Error         `json:"error,omitempty"`
	Started      time.Time      `json:"started"`
	Finished     time.Time      `json:"finished,omitzero"`
}

// ShipRequest asks to bake and then deploy.
type ShipRequest struct {
	BakeRequest
	Environments []string      `json:"environments"`
	Deploy       DeployOptions `json:"deploy,omitzero"`
}

// DeployOptions say how an image is deployed, where that is not as its environment says. All are as in [DeployRequest].
type DeployOptions struct {
	Strategy   *Strategy      `json:"strategy,omitempty"`
	OnConflict ConflictPolicy `json:"on_conflict,omitempty"`
	Hotfix     bool           `json:"hotfix,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	By         string         `json:"by,omitempty"`
	Override   bool           `json:"override,omitempty"`
	Force      bool           `json:"force,omitempty"`
}
