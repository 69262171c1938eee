package slipway

import (
	"context"
	"strings"
	"time"
)

// ExecutionState says how far an execution is.
type ExecutionState string

// The states of an execution.
const (
	ExecutionQueued    ExecutionState = "queued" // waits for another execution of its pipeline to end
	ExecutionRunning   ExecutionState = "running"
	ExecutionSucceeded ExecutionState = "succeeded"
	ExecutionFailed    ExecutionState = "failed"
	ExecutionAborted   ExecutionState = "aborted"
)

// Done reports whether s is final.
func (s ExecutionState) Done() bool { return s != ExecutionRunning && s != ExecutionQueued }

// Execution is one run of bake, test and deploy as a whole: what `slipway ship` starts. One with a Pipeline runs the stages of that, as they
// were when it began.
type Execution struct {
	ID           string         `json:"id"` // "x-…"
	Application  string         `json:"application"`
	Pipeline     string         `json:"pipeline,omitempty"` // its name; "" for a ship to named environments
	Environments []string       `json:"environments"`       // deployed to one after the other
	State        ExecutionState `json:"state"`
	Bake         string         `json:"bake,omitempty"`
	Image        Digest         `json:"image,omitempty"`
	Deployments  []string       `json:"deployments"`
	Error        *Error         `json:"error,omitempty"`
	Started      time.Time      `json:"started"`
	Finished     time.Time      `json:"finished,omitzero"`

	Request    Digest            `json:"request,omitempty"`    // of the blob that is the BakeRequest with the slipway.yaml it follows
	Definition *Pipeline         `json:"definition,omitempty"` // the pipeline as it was when the execution began; editing it changes nothing here
	Parameters map[string]string `json:"parameters,omitempty"`
	Cause      Cause             `json:"cause,omitzero"`
	Principal  Principal         `json:"principal,omitzero"` // who has started it, and must have the right to what a stage does when that begins
	Attempt    int               `json:"attempt,omitempty"`  // 1, and one more with each restart
	Asked      string            `json:"asked,omitempty"`    // the request that the last restart was asked for with, if it had a key
	Behind     string            `json:"behind,omitempty"`   // of one that is queued: the execution it waits for
	Stages     []StageRecord     `json:"stages,omitempty"`
}

// Stage returns the stage of the ID, nil if there is none.
func (x *Execution) Stage(id string) *StageRecord {
	for i := range x.Stages {
		if x.Stages[i].ID == id {
			return &x.Stages[i]
		}
	}
	return nil
}

// StageLogs keeps what the commands of stages print. Methods are safe for concurrent use.
type StageLogs interface {
	// PutStageLog stores the output of a stage, of which the last MaxStageLog bytes are kept, in place of what an earlier try of it printed.
	PutStageLog(ctx context.Context, execution, stage, text string) error
	// StageLog returns it; NotFound if there is none.
	StageLog(ctx context.Context, execution, stage string) (string, error)
}

// MaxStageLog is how much of the output of a stage is kept, bytes.
const MaxStageLog = 256 << 10

// PipelineTurns decides which executions of a pipeline may run: the one that asked first. Methods are safe for concurrent use.
type PipelineTurns interface {
	// JoinTurn puts an execution at the end of its pipeline's line; one that stands in it already keeps its place.
	JoinTurn(ctx context.Context, application, pipeline, execution string, now time.Time) error
	// Turns returns who stands in the line, whose turn it is first.
	Turns(ctx context.Context, application, pipeline string) ([]Turn, error)
	// LeaveTurn takes an execution out of the line; nil if it is in none.
	LeaveTurn(ctx context.Context, execution string) error
}

// Turn is a place in a pipeline's line.
type Turn struct {
	Execution string    `json:"execution"`
	Since     time.Time `json:"since"`
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

// LastOfLog returns the end of text, of at most MaxStageLog bytes, that begins with a line.
func LastOfLog(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxStageLog {
		return text
	}
	text = text[len(text)-MaxStageLog:]
	if _, whole, ok := strings.Cut(text, "\n"); ok {
		return whole
	}
	return strings.ToValidUTF8(text, "")
}
