package slipway

// Cause is why an execution began: what CI and the triggers know of what changed. It decides nothing by itself, rides along, and is what
// expressions of a pipeline see.
type Cause struct {
	Trigger  string `json:"trigger"`             // "ship", "webhook", "schedule", "channel", "artifact", "pipeline", "restart", "api"
	Name     string `json:"name,omitempty"`      // of the trigger
	By       string `json:"by,omitempty"`        // the principal that asked
	BuildKey string `json:"build,omitempty"`     // CI's name of the build
	Build    string `json:"build_url,omitempty"` // where CI shows it
	Commit   string `json:"commit,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Author   string `json:"author,omitempty"`
	Event    string `json:"event,omitempty"`  // "push", "release", …: of a webhook
	Parent   string `json:"parent,omitempty"` // the execution that started this one
}

// PipelineRequest asks to run a pipeline as the application's newest slipway.yaml has it.
type PipelineRequest struct {
	Application string            `json:"application"`
	Pipeline    string            `json:"pipeline,omitempty"` // default: the one that is called as DefaultPipeline says
	Image       string            `json:"image,omitempty"`    // channel, version or digest to start with; default: what its bake stage makes
	Parameters  map[string]string `json:"parameters,omitempty"`
	Cause       Cause             `json:"cause,omitzero"`
	// Key, if set, makes the request idempotent: a second one of the same key returns the execution that the first has started.
	Key string `json:"key,omitempty"`
}

// DefaultPipeline is the name of an application's only pipeline.
const DefaultPipeline = "default"
