package slipway

import (
	"context"
	"io"
	"time"
)

// TriggerKind says what a trigger waits for.
type TriggerKind string

// The kinds of triggers.
const (
	TriggerGitHub   TriggerKind = "github"   // a webhook of GitHub's: a push, a release, a workflow that has run
	TriggerGitLab   TriggerKind = "gitlab"   // a webhook of GitLab's: a push, a tag, a release, a pipeline that has run
	TriggerWebhook  TriggerKind = "webhook"  // a webhook of anybody's, signed as Standard Webhooks says
	TriggerArtifact TriggerKind = "artifact" // a file that was pushed to slipwayd
	TriggerChannel  TriggerKind = "channel"  // a channel that names another image
	TriggerCron     TriggerKind = "cron"     // a time of day
	TriggerPipeline TriggerKind = "pipeline" // an execution that is over
)

// TriggerKinds lists every kind.
var TriggerKinds = []TriggerKind{
	TriggerGitHub, TriggerGitLab, TriggerWebhook, TriggerArtifact, TriggerChannel, TriggerCron, TriggerPipeline,
}

// Hook reports whether triggers of the kind are webhooks that come in, and so have a secret.
func (k TriggerKind) Hook() bool {
	return k == TriggerGitHub || k == TriggerGitLab || k == TriggerWebhook
}

// TriggerSpec says when something is to begin, and what. Lists of globs, in which * stands for all but slashes and ** for slashes too, select
// all where they are empty, unless it says otherwise.
type TriggerSpec struct {
	Application string      `json:"application"`
	Name        string      `json:"name"` // unique among the application's
	Kind        TriggerKind `json:"kind"`

	// What begins: a pipeline, or a deployment to Deploy if that is set.
	Pipeline   string            `json:"pipeline,omitempty"` // default: DefaultPipeline
	Deploy     string            `json:"deploy,omitempty"`   // an environment
	Image      string            `json:"image,omitempty"`    // channel, version or digest to start with; default: that of what happened, else the pipeline's own or the newest
	Parameters map[string]string `json:"parameters,omitempty"`

	// Of a webhook.
	Events    []string `json:"events,omitempty"`    // globs; default: push of GitHub's, push and tag_push of GitLab's, all of others
	Branches  []string `json:"branches,omitempty"`  // globs. Where Tags alone is set no branch is meant, and the other way round
	Tags      []string `json:"tags,omitempty"`      // globs
	Paths     []string `json:"paths,omitempty"`     // globs: of a push to a branch, one of the files that changed
	Workflows []string `json:"workflows,omitempty"` // globs: names of GitHub's workflows

	// Of an artifact, a channel or a pipeline.
	Artifacts []string         `json:"artifacts,omitempty"` // globs: names of artifacts
	Path      string           `json:"path,omitempty"`      // the file of the build context whose place the artifact takes; default: the one that has its name
	Channel   string           `json:"channel,omitempty"`
	From      string           `json:"from,omitempty"`      // whose channel or pipeline; default: the application's own
	Pipelines []string         `json:"pipelines,omitempty"` // globs: the pipelines that must be over
	States    []ExecutionState `json:"states,omitempty"`    // in which they must have ended; default: succeeded

	// Of a time of day.
	Schedule string `json:"schedule,omitempty"`  // five fields as cron has them, or @hourly, @daily, @weekly, @monthly, @every 6h
	TimeZone string `json:"time_zone,omitempty"` // such as Europe/Berlin; default: UTC
}

// Trigger starts work when something happens.
type Trigger struct {
	ID string `json:"id"` // "t-…"
	TriggerSpec
	Disabled bool      `json:"disabled,omitempty"`
	By       string    `json:"by,omitempty"`
	Owner    Principal `json:"owner,omitzero"` // whom it acts for: who made it, or has enabled it again
	Created  time.Time `json:"created"`
	Rotated  time.Time `json:"rotated,omitzero"` // when the secret was changed last
	Resumed  time.Time `json:"resumed,omitzero"` // when it was enabled again last
	Since    int64     `json:"-"`                // the Seq of the last event that it does not fire at
	Keys     []Sealed  `json:"-"`                // secrets that are taken, the newest first
}

// Source returns whose channel or pipeline the trigger waits for.
func (t TriggerSpec) Source() string {
	if t.From != "" {
		return t.From
	}
	return t.Application
}

// Does says what the trigger starts: "pipeline default", "a deployment to prod".
func (t TriggerSpec) Does() string {
	switch {
	case t.Deploy != "":
		return "a deployment to " + t.Deploy
	case t.Pipeline != "":
		return "pipeline " + t.Pipeline
	}
	return "pipeline " + DefaultPipeline
}

// Sealed is a secret that only this slipwayd can read.
type Sealed struct {
	Text  string    `json:"text"`           // what [Sealer.Seal] made of it
	Until time.Time `json:"until,omitzero"` // when it is not taken any more; zero: until it is replaced
}

// Sealer makes secrets unreadable for all but this slipwayd. Methods are safe for concurrent use.
type Sealer interface {
	Seal(secret []byte) (string, error)
	// Open returns what was sealed. Corrupt if it was not sealed here.
	Open(sealed string) ([]byte, error)
}

// NewTrigger is a trigger that was made, or whose secret was changed. The secret is shown this once.
type NewTrigger struct {
	Trigger
	Secret string `json:"secret,omitempty"` // of a webhook
	Hook   string `json:"hook,omitempty"`   // of a webhook: where it is sent to, below slipwayd's own address
}

// HookPath is where a webhook for the trigger is sent to.
func HookPath(trigger string) string { return "/v1/hooks/" + trigger }

// TriggerStatus is a trigger with what it did lately.
type TriggerStatus struct {
	Trigger
	Next    []time.Time `json:"next,omitempty"` // of a time of day
	Firings []Firing    `json:"firings"`        // newest first
}

// TriggerTest is what would happen if a webhook came in, or an event happened. Nothing does.
type TriggerTest struct {
	Fires      bool              `json:"fires"`
	Reason     string            `json:"reason,omitempty"` // why it would not
	Starts     string            `json:"starts,omitempty"`
	Image      string            `json:"image,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Cause      Cause             `json:"cause,omitzero"`
	Next       []time.Time       `json:"next,omitempty"` // of a time of day
}

// Triggers makes triggers, and lets them fire. Methods are safe for concurrent use.
type Triggers interface {
	// AddTrigger makes a trigger. A webhook gets the secret, or a random one if that is "". Conflict if the application has one of the name.
	AddTrigger(ctx context.Context, spec TriggerSpec, secret string) (NewTrigger, error)
	// GetTrigger returns one by its ID.
	GetTrigger(ctx context.Context, id string) (Trigger, error)
	ListTriggers(ctx context.Context, application string) ([]Trigger, error)
	TriggerStatus(ctx context.Context, id string, firings int) (TriggerStatus, error)
	// EnableTrigger lets a trigger fire, or no more. What happens while it does not is not made up for.
	EnableTrigger(ctx context.Context, id string, enabled bool) (Trigger, error)
	// RotateTrigger gives a webhook another secret, a random one if that is ""; the old one is taken for the time of overlap.
	RotateTrigger(ctx context.Context, id, secret string, overlap time.Duration) (NewTrigger, error)
	RemoveTrigger(ctx context.Context, id string) (Trigger, error)
	// TestTrigger says what a webhook of that event and payload would do. The signature is not looked at, and nothing is done.
	TestTrigger(ctx context.Context, id, event string, payload []byte) (TriggerTest, error)
	// Receive takes a webhook that came in. Unauthenticated if the signature is not right, Refused if it is too old, Conflict if it has come
	// in before.
	Receive(ctx context.Context, id string, header map[string][]string, body []byte) (Firing, error)
	// PushArtifact stores a file, and lets the triggers fire that wait for it. If the digest is not known, "", it is computed.
	PushArtifact(ctx context.Context, a Artifact, content io.Reader) (PushedArtifact, error)
	ListArtifacts(ctx context.Context, filter ArtifactFilter, limit int) ([]Artifact, error)
}
