package slipway

import "time"

// DeploymentState says how far a deployment is.
type DeploymentState string

// The states of a deployment:
//
//	running ──▶ succeeded
//	   │──────▶ rolled_back      a check failed; the source serves, nothing of the target is left in traffic
//	   │──────▶ aborted          a person ended it; as above
//	   └──────▶ needs_attention  it failed and undoing it failed too; Undo lists what remains
const (
	DeploymentRunning        DeploymentState = "running"
	DeploymentSucceeded      DeploymentState = "succeeded"
	DeploymentRolledBack     DeploymentState = "rolled_back"
	DeploymentAborted        DeploymentState = "aborted"
	DeploymentNeedsAttention DeploymentState = "needs_attention"
)

// Done reports whether s is final.
func (s DeploymentState) Done() bool { return s != DeploymentRunning }

// DeploymentKind says why a deployment was made.
type DeploymentKind string

// The kinds.
const (
	KindDeploy   DeploymentKind = "deploy"
	KindRollback DeploymentKind = "rollback"
)

// Deployment moves one cluster to one image by one strategy. What it will do next lives in its workflow alone; this record says what was asked and what came of it.
type Deployment struct {
	ID          string          `json:"id"`                  // "d-…"
	Execution   string          `json:"execution,omitempty"` // that it is part of
	Kind        DeploymentKind  `json:"kind"`
	Cluster     Cluster         `json:"cluster"`
	Image       Digest          `json:"image"`
	Environment Environment     `json:"environment"` // the policy as it was when the deployment started
	State       DeploymentState `json:"state"`
	Step        string          `json:"step"`             // what it is doing, or did last
	Source      string          `json:"source,omitempty"` // exact server group that served when it started; empty for the first
	Target      string          `json:"target,omitempty"` // server group it moves traffic to
	Clone       string          `json:"clone,omitempty"`  // of a rollback whose destination is gone: that group, which Target is made like
	Undo        []Undo          `json:"undo"`             // temporary changes not yet undone; empty in every final state but needs_attention
	Error       *Error          `json:"error,omitempty"`
	Started     time.Time       `json:"started"`
	Deadline    time.Time       `json:"deadline,omitzero"` // until when the step it is at may take or will take
	Shifted     time.Time       `json:"shifted,omitzero"`  // when the data plane proved that all traffic is on Target
	Finished    time.Time       `json:"finished,omitzero"`
}

// Undo is a temporary change that was recorded before it was made.
type Undo struct {
	Kind  UndoKind `json:"kind"`
	Group string   `json:"group,omitempty"`
	Route *Route   `json:"route,omitempty"`
}

// UndoKind says what takes the change back.
type UndoKind string

// The kinds of undo.
const (
	UndoDestroyGroup UndoKind = "destroy_group" // the target was created
	UndoRestoreRoute UndoKind = "restore_route" // traffic was shifted away from what Route says
	UndoDisableGroup UndoKind = "disable_group" // a kept group of workers, at size zero, was started again
)

// DeployRequest asks for a deployment.
type DeployRequest struct {
	Cluster     Cluster      `json:"cluster"`
	Image       string       `json:"image"`                 // a channel, a version label, "sha256:…" or its first digits, or "latest"
	Environment *Environment `json:"environment,omitempty"` // default: as in the slipway.yaml last baked or deployed
}

// RollbackRequest asks to bring back what the cluster ran before.
type RollbackRequest struct {
	Cluster Cluster `json:"cluster"`
	Image   string  `json:"image,omitempty"` // default: the recorded source of the deployment that is now serving
}
