package slipway

import "time"

// DeploymentState says how far a deployment is.
type DeploymentState string

// The states of a deployment. docs/deploying.md draws them.
const (
	DeploymentQueued         DeploymentState = "queued"  // waits for its turn
	DeploymentRunning        DeploymentState = "running" // paused, if Paused says so
	DeploymentHeld           DeploymentState = "held"    // it failed, and waits for a person where it is
	DeploymentUndoing        DeploymentState = "undoing" // it failed or was aborted, and takes back what Undo lists
	DeploymentSucceeded      DeploymentState = "succeeded"
	DeploymentRolledBack     DeploymentState = "rolled_back"     // it failed; the source serves, nothing of the target is left in traffic
	DeploymentAborted        DeploymentState = "aborted"         // a person, or a newer deployment, ended it; as above
	DeploymentNeedsAttention DeploymentState = "needs_attention" // it failed, and Undo lists what remains: undoing failed too, or its image is irreversible
)

// Done reports whether s is final.
func (s DeploymentState) Done() bool {
	switch s {
	case DeploymentSucceeded, DeploymentRolledBack, DeploymentAborted, DeploymentNeedsAttention:
		return true
	}
	return false
}

// DeploymentKind says why a deployment was made.
type DeploymentKind string

// The kinds.
const (
	KindDeploy   DeploymentKind = "deploy"
	KindRollback DeploymentKind = "rollback"
)

// Deployment moves one cluster to one image by one strategy. What it will do next lives in its workflow alone; this record says what was asked and what came of it.
type Deployment struct {
	ID          string         `json:"id"`                  // "d-…"
	Execution   string         `json:"execution,omitempty"` // that it is part of
	Release     string         `json:"release,omitempty"`   // that it is part of: it settles only with all the others
	Promotion   string         `json:"promotion,omitempty"` // that started it
	Kind        DeploymentKind `json:"kind"`
	Cluster     Cluster        `json:"cluster"`
	Image       Digest         `json:"image"`
	Environment Environment    `json:"environment"` // the policy as it was when the deployment started
	// Declared is the size that it would have if nobody had resized the cluster by hand: that of slipway.yaml, of a rollback that of its group.
	Declared Size `json:"declared,omitzero"`
	// ConfigVersion is the version of the service configuration that the target's machines get; 0: none. Their values are not in here.
	ConfigVersion int             `json:"config_version,omitempty"`
	State         DeploymentState `json:"state"`
	Step          string          `json:"step"`               // what it is doing, or did last
	Waiting       *Waiting        `json:"waiting,omitempty"`  // for what, while it waits
	Paused        *Pause          `json:"paused,omitempty"`   // while it is
	Weight        int             `json:"weight,omitempty"`   // percent of the traffic that the target has, as last decided
	Source        string          `json:"source,omitempty"`   // exact server group that served when it started; empty for the first
	Target        string          `json:"target,omitempty"`   // server group it moves traffic to
	Baseline      string          `json:"baseline,omitempty"` // server group like the source that a canary is compared with
	Clone         string          `json:"clone,omitempty"`    // of a rollback whose destination is gone: that group, which Target is made like
	Undo          []Undo          `json:"undo"`               // temporary changes not yet undone; empty in every final state but needs_attention
	Reason        string          `json:"reason,omitempty"`   // why it was asked for
	By            string          `json:"by,omitempty"`       // who asked for it
	Hotfix        bool            `json:"hotfix,omitempty"`   // it jumps the queue
	Override      []string        `json:"override,omitempty"` // restrictions that were overridden, each with its reason
	Forced        string          `json:"forced,omitempty"`   // why the traffic guard was overridden
	// Irreversible says that the image changes something that going back does not change back, such as a database's schema: a failure is not undone.
	Irreversible bool          `json:"irreversible,omitempty"`
	Flags        []string      `json:"flags,omitempty"`        // what went on without proof: checks without data, canaries with too little traffic
	Measurements []Measurement `json:"measurements,omitempty"` // the last of each check
	Verdicts     []Verdict     `json:"verdicts,omitempty"`     // of a canary's steps
	Error        *Error        `json:"error,omitempty"`
	Started      time.Time     `json:"started"`
	Deadline     time.Time     `json:"deadline,omitzero"` // until when the step it is at may take or will take
	Shifted      time.Time     `json:"shifted,omitzero"`  // when the data plane proved that all traffic is on Target
	Finished     time.Time     `json:"finished,omitzero"`
}

// Waiting says what a deployment waits for.
type Waiting struct {
	For      string    `json:"for"`                // "hello-prod-v042 to become healthy"
	Unblocks string    `json:"unblocks,omitempty"` // what would end the waiting early
	Until    time.Time `json:"until,omitzero"`     // when it moves by itself; zero: it does not
	Then     string    `json:"then,omitempty"`     // what it does then
}

// Pause says who has paused a deployment.
type Pause struct {
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Undo is a temporary change that was recorded before it was made.
type Undo struct {
	Kind  UndoKind `json:"kind"`
	Group string   `json:"group,omitempty"`
	Image Digest   `json:"image,omitempty"` // of a group that is to be destroyed: one of the same name and another image is not ours
	Size  Size     `json:"size,omitzero"`   // to go back to
	Route *Route   `json:"route,omitempty"`
}

// UndoKind says what takes the change back.
type UndoKind string

// The kinds of undo.
const (
	UndoDestroyGroup UndoKind = "destroy_group" // a group was created: the target, or a baseline
	UndoRestoreRoute UndoKind = "restore_route" // traffic was shifted away from what Route says
	UndoResizeGroup  UndoKind = "resize_group"  // the source was shrunk, or a kept group was started again; it goes back to Size
)

// DeployRequest asks for a deployment.
type DeployRequest struct {
	Cluster     Cluster      `json:"cluster"`
	Image       string       `json:"image"`                 // a channel, a version label, "sha256:…" or its first digits, or "latest"
	Environment *Environment `json:"environment,omitempty"` // default: as in the slipway.yaml last baked or deployed
	// ConfigVersion is the version of the service configuration that it gets; default: the newest.
	ConfigVersion int            `json:"config_version,omitempty"`
	Strategy      *Strategy      `json:"strategy,omitempty"`    // default: the environment's
	OnConflict    ConflictPolicy `json:"on_conflict,omitempty"` // default: the environment's
	Hotfix        bool           `json:"hotfix,omitempty"`      // it waits before all others that wait, and is never refused because another is under way
	Reason        string         `json:"reason,omitempty"`      // wanted by Hotfix, Override and Force
	By            string         `json:"by,omitempty"`
	Override      bool           `json:"override,omitempty"` // goes on in spite of freezes and pins, and says so in the audit
	Force         bool           `json:"force,omitempty"`    // the traffic guard does not hold it
}

// RollbackRequest asks to bring back what the cluster ran before.
type RollbackRequest struct {
	Cluster  Cluster `json:"cluster"`
	Image    string  `json:"image,omitempty"` // default: the recorded source of the deployment that is now serving
	Reason   string  `json:"reason,omitempty"`
	By       string  `json:"by,omitempty"`
	Override bool    `json:"override,omitempty"`
	Force    bool    `json:"force,omitempty"`
	Group    string  `json:"-"` // the very server group to go back to, whatever its image: that of a rollback that is tried again
}
