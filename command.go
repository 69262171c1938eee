package slipway

// Verb is what a person tells a deployment that is under way.
type Verb string

// The verbs.
const (
	VerbPause   Verb = "pause"   // no further step; what has traffic is watched on, and deadlines stand still
	VerbResume  Verb = "resume"  // go on
	VerbPromote Verb = "promote" // do not wait any longer: skip what remains of waiting, watching, observing and smaller shares
	VerbRetry   Verb = "retry"   // of one that is held: replace the machines that failed, and do the step that failed again
	VerbApprove Verb = "approve" // what it waits for
	VerbReject  Verb = "reject"  // what it waits for: it is undone
)

// Verbs lists every verb.
var Verbs = []Verb{VerbPause, VerbResume, VerbPromote, VerbRetry, VerbApprove, VerbReject}

// Command tells a deployment something.
type Command struct {
	Verb   Verb   `json:"verb"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}
