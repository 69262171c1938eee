package slipway

import (
	"context"
	"time"
)

// FiringState says what has become of a firing.
type FiringState string

// The states of a firing. All but pending are final.
const (
	FiringPending  FiringState = "pending"  // it is about to be started
	FiringStarted  FiringState = "started"  // an execution or a deployment has begun
	FiringFiltered FiringState = "filtered" // it was not what the trigger waits for
	FiringFailed   FiringState = "failed"   // nothing could be started
)

// Done reports whether s is final.
func (s FiringState) Done() bool { return s != FiringPending }

// Firing is one time that a trigger was pulled, and what came of it.
type Firing struct {
	ID          string            `json:"id"` // "tf-…"
	Trigger     string            `json:"trigger"`
	Application string            `json:"application"`
	State       FiringState       `json:"state"`
	Reason      string            `json:"reason,omitempty"` // why it was filtered
	Image       string            `json:"image,omitempty"`
	Parameters  map[string]string `json:"parameters,omitempty"`
	Artifact    string            `json:"artifact,omitempty"` // the ID of what was pushed
	Cause       Cause             `json:"cause,omitzero"`
	Bake        string            `json:"bake,omitempty"` // of the image with the artifact
	Execution   string            `json:"execution,omitempty"`
	Deployment  string            `json:"deployment,omitempty"`
	Error       *Error            `json:"error,omitempty"`
	Tries       int               `json:"tries,omitempty"`
	At          time.Time         `json:"at"`
	Due         time.Time         `json:"-"` // when a pending one is to be tried; whoever tries it moves that first
	Finished    time.Time         `json:"finished,omitzero"`
	Keys        []string          `json:"-"` // by which it is known if it comes again
}

// CursorMove moves a cursor, a named number that only grows, if it is where the caller believes.
type CursorMove struct {
	Name     string
	From, To int64
}

// Cursors remember how far events were read. Methods are safe for concurrent use.
type Cursors interface {
	// StartCursor returns where the cursor of the name is. If there is none it is at the given place from now on.
	StartCursor(ctx context.Context, name string, at int64) (int64, error)
}

// ScheduleCursor is the name of the cursor that is at the last time, in seconds since 1970, at which a trigger of a time of day has fired.
func ScheduleCursor(trigger string) string { return "schedule:" + trigger }

// TriggerStore keeps triggers and their firings. Methods are safe for concurrent use, in several processes too.
type TriggerStore interface {
	Cursors
	// PutTrigger inserts a trigger or replaces the one of its ID. Conflict if another of the application has its name.
	PutTrigger(ctx context.Context, t Trigger) error
	Trigger(ctx context.Context, id string) (Trigger, error)
	// Triggers returns an application's triggers by name; all applications' for "".
	Triggers(ctx context.Context, application string) ([]Trigger, error)
	// DeleteTrigger removes a trigger with its firings and its ScheduleCursor, and returns it.
	DeleteTrigger(ctx context.Context, id string) (Trigger, error)

	// AddFiring stores a new firing. Conflict, and nothing is stored, if one of its keys has been seen with the trigger.
	AddFiring(ctx context.Context, f Firing) error
	// AddFirings stores new firings and moves the cursor, both or neither. It returns false, and does nothing, if the cursor is elsewhere: then
	// somebody else has stored them.
	AddFirings(ctx context.Context, move CursorMove, firings []Firing) (bool, error)
	// ClaimFirings returns up to limit pending firings that are due, and lets them be due again at a later time: until then they are the caller's.
	ClaimFirings(ctx context.Context, now, until time.Time, limit int) ([]Firing, error)
	// PutFiring replaces a firing; its keys are not looked at. nil, and nothing is stored, if its trigger was removed meanwhile.
	PutFiring(ctx context.Context, f Firing) error
	Firing(ctx context.Context, id string) (Firing, error)
	// Firings returns a trigger's firings, newest first.
	Firings(ctx context.Context, trigger string, limit int) ([]Firing, error)
	// DropFirings removes those that were over before a time, and forgets the keys that were seen before another.
	DropFirings(ctx context.Context, over, seen time.Time) error

	// PutArtifact records a file that was pushed.
	PutArtifact(ctx context.Context, a Artifact) error
	Artifact(ctx context.Context, id string) (Artifact, error)
	// Artifacts returns artifacts, newest first, without bound for a limit below 1.
	Artifacts(ctx context.Context, filter ArtifactFilter, limit int) ([]Artifact, error)
}
