package slipway

import (
	"context"
	"time"
)

// PromotionState says how far a promotion is.
type PromotionState string

// The states of a promotion. docs/promotion.md draws them.
const (
	PromotionWaiting   PromotionState = "waiting"   // for people, or for time to pass
	PromotionDeploying PromotionState = "deploying" // its deployment is under way
	PromotionSucceeded PromotionState = "succeeded"
	PromotionRefused   PromotionState = "refused" // something is not met that waiting does not mend, or was rejected; nothing was changed
	PromotionFailed    PromotionState = "failed"  // its deployment failed: that says what became of the target
	PromotionAborted   PromotionState = "aborted"
)

// PromotionStates lists every state.
var PromotionStates = []PromotionState{PromotionWaiting, PromotionDeploying, PromotionSucceeded, PromotionRefused, PromotionFailed, PromotionAborted}

// Done reports whether s is final.
func (s PromotionState) Done() bool { return s != PromotionWaiting && s != PromotionDeploying }

// Promotion moves the very image that serves in one environment of an application to another. What it does next lives in its workflow.
type Promotion struct {
	ID          string         `json:"id"` // "m-…"
	Application string         `json:"application"`
	From        string         `json:"from"` // environments
	To          string         `json:"to"`
	Image       Digest         `json:"image"`
	Replaces    Digest         `json:"replaces,omitempty"` // what served in To when it was asked for; empty: nothing did
	State       PromotionState `json:"state"`
	Constraints []Constraint   `json:"constraints"`          // as they were when they were looked at last
	Waiting     *Waiting       `json:"waiting,omitempty"`    // for what, while it does
	Approval    string         `json:"approval,omitempty"`   // that was asked for, or that counts
	Deployment  string         `json:"deployment,omitempty"` // that it started
	Execution   string         `json:"execution,omitempty"`  // that it is part of
	Reason      string         `json:"reason,omitempty"`
	By          string         `json:"by,omitempty"`
	Principal   Principal      `json:"principal,omitzero"` // who has asked for it, and must have the right to it when it deploys
	Error       *Error         `json:"error,omitempty"`
	Started     time.Time      `json:"started"`
	Finished    time.Time      `json:"finished,omitzero"`
}

// Cluster returns what it moves to.
func (p Promotion) Cluster() Cluster { return Cluster{Application: p.Application, Environment: p.To} }

// ConstraintKind says what kind of condition a promotion has to meet.
type ConstraintKind string

// The kinds. Those up to veto cannot be overridden.
const (
	ConstraintImage     ConstraintKind = "image"      // it may be deployed at all: its tests have not failed, it is not revoked, it runs something
	ConstraintSigned    ConstraintKind = "signed"     // it is what was baked, and a trusted key says so
	ConstraintVeto      ConstraintKind = "veto"       // it was not rolled back there
	ConstraintFrom      ConstraintKind = "from"       // it serves where it comes from
	ConstraintTested    ConstraintKind = "tested"     // it has tests, and they have passed
	ConstraintRan       ConstraintKind = "ran"        // it has served long enough where it comes from
	ConstraintApprovals ConstraintKind = "approvals"  // enough people agree
	ConstraintWindow    ConstraintKind = "window"     // it is the time of the week for it
	ConstraintDependsOn ConstraintKind = "depends_on" // another application serves what it needs
	ConstraintFreeze    ConstraintKind = "freeze"     // nothing is frozen
	ConstraintPin       ConstraintKind = "pin"        // the target is not pinned to another image
)

// ConstraintKinds lists every kind, in the order in which they are told.
var ConstraintKinds = []ConstraintKind{
	ConstraintImage, ConstraintSigned, ConstraintTested, ConstraintFrom, ConstraintRan, ConstraintDependsOn, ConstraintApprovals, ConstraintWindow,
	ConstraintFreeze, ConstraintPin, ConstraintVeto,
}

// Overridable reports whether an operator may go on in spite of what is not met.
func (k ConstraintKind) Overridable() bool {
	return k != ConstraintImage && k != ConstraintSigned && k != ConstraintVeto
}

// Constraint is a condition, and how it stands.
type Constraint struct {
	Kind       ConstraintKind `json:"kind"`
	Met        bool           `json:"met"`
	Message    string         `json:"message"`              // how it stands: "served in staging for 12m of 30m"
	Unblocks   string         `json:"unblocks,omitempty"`   // what would meet it
	At         time.Time      `json:"at,omitzero"`          // when it is met by itself, if all stays as it is; zero: never, or not known
	Overridden bool           `json:"overridden,omitempty"` // it is not met, and the promotion goes on all the same
}

// Holds reports whether the constraint keeps the promotion from going on.
func (c Constraint) Holds() bool { return !c.Met && !c.Overridden }

// Mendable reports whether waiting meets it: people may answer, or time passes.
func (c Constraint) Mendable() bool {
	return c.Kind == ConstraintApprovals || !c.At.IsZero() && (c.Kind == ConstraintRan || c.Kind == ConstraintWindow)
}

// PromoteRequest asks for a promotion.
type PromoteRequest struct {
	// ID, if set, makes the request idempotent: a second one of the same ID returns the promotion that the first has started. "m-…"
	ID            string         `json:"id,omitempty"`
	Application   string         `json:"application"`
	From          string         `json:"from,omitempty"`            // default: what To's policy says
	To            string         `json:"to"`                        //
	Image         string         `json:"image,omitempty"`           // default: what serves in From; another is refused: this says which was meant
	Reason        string         `json:"reason,omitempty"`          // wanted by Override
	By            string         `json:"by,omitempty"`              //
	Execution     string         `json:"execution,omitempty"`       // that it is part of
	WaitForRan    bool           `json:"wait_for_ran,omitempty"`    // for the time that it must have served in From
	WaitForWindow bool           `json:"wait_for_window,omitempty"` // for a window to open
	Override      bool           `json:"override,omitempty"`        // goes on in spite of what is not met, as far as that may be, and says so in the audit
	OnConflict    ConflictPolicy `json:"on_conflict,omitempty"`     // default: the environment's
	Strategy      *Strategy      `json:"strategy,omitempty"`        // default: the environment's
}

// PromotionPlan is what a promotion would do, and all that it has to meet.
type PromotionPlan struct {
	Application string `json:"application"`
	From        string `json:"from"`
	To          string `json:"to"`
	Image       Digest `json:"image"`
	Version     string `json:"version,omitempty"`
	Replaces    Digest `json:"replaces,omitempty"` // what serves in To now
	// Config is the version of the service configuration that machines would be told in To, and ConfigReplaces the one that what serves there has
	// been told; 0: none.
	Config         int          `json:"config,omitempty"`
	ConfigReplaces int          `json:"config_replaces,omitempty"`
	Constraints    []Constraint `json:"constraints"`
	Ready          bool         `json:"ready"`       // nothing is unmet: it would deploy at once
	At             time.Time    `json:"at,omitzero"` // when all is met by itself, but for approvals; zero: now, or never
}

// Promoter moves images from environment to environment. Methods are safe for concurrent use.
type Promoter interface {
	// PlanPromotion says what a promotion would do, and what is not met. It changes nothing.
	PlanPromotion(ctx context.Context, req PromoteRequest) (PromotionPlan, error)
	// Promote starts a promotion, and returns it as soon as it is durably accepted. Refused, naming all that is unmet, if something is that
	// waiting does not mend, or that it is not to wait for. Approvals are asked for and waited on. NotFound if nothing serves in From.
	Promote(ctx context.Context, req PromoteRequest) (Promotion, error)
	// AwaitPromotion returns the promotion once it is over, or ctx's error.
	AwaitPromotion(ctx context.Context, id string) (Promotion, error)
	// AbortPromotion ends a promotion, and its deployment, which is undone. It returns when the wish is recorded; nil if it is over already.
	AbortPromotion(ctx context.Context, id string) error
	// Promotion returns a promotion; NotFound if there is none.
	Promotion(ctx context.Context, id string) (Promotion, error)
	// Promotions returns promotions, newest first, without bound for a limit below 1.
	Promotions(ctx context.Context, filter PromotionFilter, limit int) ([]Promotion, error)
}

// PromotionFilter selects promotions. Zero fields select all.
type PromotionFilter struct {
	To    Cluster
	After Mark // only those that come after it; a promotion's time is when it was started
}

// PromotionStore keeps the records of promotions. Methods are safe for concurrent use; what they have written is durable when they return.
type PromotionStore interface {
	// PutPromotion inserts a promotion or replaces the one of the same ID.
	PutPromotion(ctx context.Context, p Promotion) error
	// Promotion returns a promotion; NotFound if there is none.
	Promotion(ctx context.Context, id string) (Promotion, error)
	// Promotions returns promotions, newest first, without bound for a limit below 1.
	Promotions(ctx context.Context, filter PromotionFilter, limit int) ([]Promotion, error)
}
