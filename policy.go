package slipway

import "time"

// Policy says what may be done to a cluster, and what is done when a deployment fails.
type Policy struct {
	MinHealthy Amount         `json:"min_healthy,omitzero"`  // machines that serve at any time, as the load balancer sees them; default: the size's min
	OnFailure  FailurePolicy  `json:"on_failure,omitempty"`  // default rollback
	Hold       Duration       `json:"hold,omitempty"`        // how long a failed deployment is held for a person before it is undone all the same; default 1h
	OnConflict ConflictPolicy `json:"on_conflict,omitempty"` // what becomes of a deployment that comes while another is under way; default refuse
	// Promotion says what an image must have been through; nil: nothing but what every image must.
	Promotion *PromotionPolicy `json:"promotion,omitempty"`
}

// FailurePolicy says what a deployment does that has failed.
type FailurePolicy string

// The policies.
const (
	FailureRollback FailurePolicy = "rollback" // undoes what it did
	FailureHold     FailurePolicy = "hold"     // stops where it is, traffic included, until it is retried or aborted, or Policy.Hold is over
)

// FailurePolicies lists every policy.
var FailurePolicies = []FailurePolicy{FailureRollback, FailureHold}

// DefaultHold is how long a failed deployment is held.
const DefaultHold = time.Hour

// ConflictPolicy says what becomes of a deployment that comes while another of the cluster is under way.
type ConflictPolicy string

// The policies.
const (
	ConflictRefuse    ConflictPolicy = "refuse"    // it is refused
	ConflictQueue     ConflictPolicy = "queue"     // it waits for its turn
	ConflictSupersede ConflictPolicy = "supersede" // what is under way, and what waits, is aborted, and it follows
)

// ConflictPolicies lists every policy.
var ConflictPolicies = []ConflictPolicy{ConflictRefuse, ConflictQueue, ConflictSupersede}
