package slipway

import (
	"encoding/json"
	"time"
)

// Event says that something happened. Events are stored in order and never changed.
type Event struct {
	Seq         int64           `json:"seq"` // grows by one; the place to resume from
	Time        time.Time       `json:"time"`
	Kind        EventKind       `json:"kind"`
	Message     string          `json:"message"` // for people
	Application string          `json:"application,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Execution   string          `json:"execution,omitempty"`
	Bake        string          `json:"bake,omitempty"`
	Deployment  string          `json:"deployment,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"` // the Bake, Deployment or Execution as it was then, on started and finished; the TestResult on bake.test; a LayerBake on bake.layer.started, bake.layer and bake.output
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	ExecutionStarted   EventKind = "execution.started"
	ExecutionFinished  EventKind = "execution.finished"
	ExecutionWaiting   EventKind = "execution.waiting" // for its turn
	StageStarted       EventKind = "stage.started"
	StageWaits         EventKind = "stage.waiting" // for people, for a time, or before it is tried again
	StageOutput        EventKind = "stage.output"  // lines that the command of a stage printed
	StageFinished      EventKind = "stage.finished"
	BakeStarted        EventKind = "bake.started"
	BakeLayerStarted   EventKind = "bake.layer.started"
	BakeLayer          EventKind = "bake.layer"  // a layer is there, built or from the cache
	BakeOutput         EventKind = "bake.output" // lines a run or packages layer printed
	BakeTest           EventKind = "bake.test"
	BakeFinished       EventKind = "bake.finished"
	DeploymentStarted  EventKind = "deployment.started"
	DeploymentStep     EventKind = "deployment.step"
	DeploymentShifted  EventKind = "deployment.shifted" // the data plane proved that all traffic is on the target
	DeploymentFinished EventKind = "deployment.finished"
	DeploymentCommand  EventKind = "deployment.command" // a person told it something; or a restriction or the guard was overridden
	DeploymentWaiting  EventKind = "deployment.waiting" // for a person
	ReleaseStarted     EventKind = "release.started"
	ReleaseFinished    EventKind = "release.finished"
	Restricted         EventKind = "restriction.made"
	RestrictionLifted  EventKind = "restriction.lifted"
	GuardOverridden    EventKind = "guard.overridden" // the last serving machines were removed, on purpose
	InstanceLost       EventKind = "instance.lost"    // died or turned unhealthy
	AbortRequested     EventKind = "abort.requested"
	ImageRevoked       EventKind = "image.revoked" // or its revocation lifted
	ImageRemoved       EventKind = "image.removed" // by retention
	ChannelMoved       EventKind = "channel.moved"

	ArtifactPushed       EventKind = "artifact.pushed"
	TriggerFired         EventKind = "trigger.fired"
	TriggerFailed        EventKind = "trigger.failed"   // it was pulled, and nothing could be started
	TriggerRejected      EventKind = "trigger.rejected" // a webhook that was forged, replayed or no webhook; told at most once a minute
	DeliveryGivenUp      EventKind = "notification.dead"
	SubscriptionDisabled EventKind = "notification.disabled" // nothing got through for too long

	PromotionStarted  EventKind = "promotion.started" // Data is the Promotion, of these three
	PromotionWaits    EventKind = "promotion.waiting"
	PromotionFinished EventKind = "promotion.finished"

	ApprovalAsked   EventKind = "approval.asked"   // Data is the Approval, of these three
	ApprovalVoted   EventKind = "approval.voted"   // somebody answered
	ApprovalDecided EventKind = "approval.decided" // granted, rejected, expired or canceled

	ConfigChanged       EventKind = "config.changed"       // there is a new version
	InstanceDisabled    EventKind = "instance.disabled"    // taken out of traffic by a person
	InstanceEnabled     EventKind = "instance.enabled"     // given back to it
	InstanceProtected   EventKind = "instance.protected"   // from being removed
	InstanceUnprotected EventKind = "instance.unprotected" // any more
	InstanceTainted     EventKind = "instance.tainted"     // its root was written to
	InstanceStarted     EventKind = "instance.started"     // a throw-away machine, by a person
	GroupResized        EventKind = "group.resized"        // by a person
	GroupKept           EventKind = "group.kept"           // a deployment left it there, as a machine of it is protected
)

// EventFilter selects events. Zero fields select all.
type EventFilter struct {
	After       int64  `json:"after,omitempty"`  // only events with a greater Seq
	Before      int64  `json:"before,omitempty"` // only events with a smaller Seq; 0: all
	Application string `json:"application,omitempty"`
	Environment string `json:"environment,omitempty"`
	Execution   string `json:"execution,omitempty"`
	Bake        string `json:"bake,omitempty"`
	Deployment  string `json:"deployment,omitempty"`
	// Newest has a limit keep the newest of the events instead of the oldest. Their order is the same.
	Newest bool `json:"newest,omitempty"`
}

// Matches reports whether the filter selects e.
func (f EventFilter) Matches(e Event) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return e.Seq > f.After && (f.Before == 0 || e.Seq < f.Before) && is(f.Application, e.Application) && is(f.Environment, e.Environment) &&
		is(f.Execution, e.Execution) && is(f.Bake, e.Bake) && is(f.Deployment, e.Deployment)
}
