package slipway

import (
	"encoding/json"
	"strings"
	"time"
)

// StageKind says what a stage does.
type StageKind string

// The kinds of stages.
const (
	StageBake     StageKind = "bake"
	StageTest     StageKind = "test"
	StageDeploy   StageKind = "deploy"
	StageCheck    StageKind = "check"
	StageApprove  StageKind = "approve"
	StageWait     StageKind = "wait"
	StageRun      StageKind = "run"
	StageWebhook  StageKind = "webhook"
	StageAnalysis StageKind = "analysis"
	StagePipeline StageKind = "pipeline"
	StagePromote  StageKind = "promote"
	StageRollback StageKind = "rollback"
)

// StageKinds lists every kind.
var StageKinds = []StageKind{
	StageBake, StageTest, StageDeploy, StageCheck, StageApprove, StageWait, StageRun, StageWebhook, StageAnalysis, StagePipeline, StagePromote, StageRollback,
}

// Stage is one stage of a pipeline. In YAML it is the name of a kind that needs no more ("bake", "test"), or an object.
type Stage struct {
	Step
	OnFailure *OnFailure `json:"on_failure,omitempty"` // default: the pipeline's
}

// Step is what a stage does, and when. Exactly one of its kinds is set.
type Step struct {
	ID      string   `json:"id,omitempty"`      // default: its kind, and the environment where there is one: "deploy-prod"
	Needs   []string `json:"needs,omitzero"`    // stages that must be over before it begins; default: the one that is written before it; [] for none
	When    string   `json:"when,omitempty"`    // an expression; unless it is true the stage is skipped
	Retries int      `json:"retries,omitempty"` // how often it is tried again when it has failed
	Backoff Duration `json:"backoff,omitempty"` // before the first retry, and twice as long before each that follows; default 5s
	Timeout Duration `json:"timeout,omitempty"` // of one try

	Bake     *BakeStage     `json:"bake,omitempty"`
	Test     *TestStage     `json:"test,omitempty"`
	Deploy   *DeployStage   `json:"deploy,omitempty"`
	Check    *CheckStage    `json:"check,omitempty"`
	Approve  *ApproveStage  `json:"approve,omitempty"`
	Wait     *WaitStage     `json:"wait,omitempty"`
	Run      *RunStage      `json:"run,omitempty"`
	Webhook  *WebhookStage  `json:"webhook,omitempty"`
	Analysis *AnalysisStage `json:"analysis,omitempty"`
	Pipeline *PipelineStage `json:"pipeline,omitempty"`
	Promote  *PromoteStage  `json:"promote,omitempty"`
	Rollback *RollbackStage `json:"rollback,omitempty"`
}

// BakeStage bakes and tests the image that the stages after it work with. It is skipped in an execution that began with an image.
type BakeStage struct{}

// TestStage runs tests on a machine of the image. The image's own, if the very same have not passed already.
type TestStage struct {
	Suite []Test `json:"suite,omitempty"` // tests to run instead of the image's own
	Again bool   `json:"again,omitempty"` // also if the image has passed them already
}

// DeployStage deploys the image. In YAML it is the environment alone, or an object.
type DeployStage struct {
	Environment string         `json:"environment"`
	Image       string         `json:"image,omitempty"`       // a channel, version or digest; default: the image of the execution
	Strategy    *Strategy      `json:"strategy,omitempty"`    // default: the environment's
	OnConflict  ConflictPolicy `json:"on_conflict,omitempty"` // default: the environment's
}

// CheckStage makes a check of what serves in an environment, until it has passed as often as it says, or failed more often than is borne with.
type CheckStage struct {
	Environment string `json:"environment"`
	Check
}

// ApproveStage waits for people. In YAML it is who, or an object.
type ApproveStage struct {
	By          Names    `json:"by,omitempty"`          // names or groups of principals; default: everyone who is an approver there
	Needed      int      `json:"needed,omitempty"`      // so many must approve; default 1
	Message     string   `json:"message,omitempty"`     // what is asked
	Environment string   `json:"environment,omitempty"` // what it is about
	Expires     Duration `json:"expires,omitempty"`     // default 72h
}

// WaitStage waits. In YAML it is a duration, or an object. Exactly one of For and Until is set.
type WaitStage struct {
	For   Duration `json:"for,omitempty"`
	Until string   `json:"until,omitempty"` // "18:00", the next time it is that, or a moment such as 2026-01-02T15:04:05Z
	Zone  string   `json:"zone,omitempty"`  // of "18:00": a name such as Europe/Berlin; default UTC
}

// RunStage runs a command in a throw-away machine of the image: a suite of smoke, QA or load tests. Exit status 0 passes.
type RunStage struct {
	Command   []string          `json:"command"`              // the first word is a path in the build context if it has a slash and is not absolute
	Inputs    []string          `json:"inputs,omitempty"`     // globs in the build context; what they match is in the command's working directory
	Env       map[string]string `json:"env,omitempty"`        // on top of SLIPWAY_EXECUTION, SLIPWAY_STAGE, SLIPWAY_IMAGE, SLIPWAY_ADDRESS and SLIPWAY_PARAM_<NAME>
	User      string            `json:"user,omitempty"`       // as Service.User; default root
	NoService bool              `json:"no_service,omitempty"` // the machine's service is not started
}

// WebhookStage posts what is going on, as JSON, and takes the answer {"result": "pass" | "fail" | "inconclusive", "message": "…"}. Inconclusive,
// any other answer and none are asked again until the stage's timeout (default 5m) is over.
type WebhookStage struct {
	WebhookCheck
	Interval Duration `json:"interval,omitempty"` // between two questions; default 5s
}

// AnalysisStage compares two server groups of an environment, as a canary is compared with its baseline.
type AnalysisStage struct {
	Environment string   `json:"environment"`
	Canary      string   `json:"canary,omitempty"`  // server group; default: the target of the environment's last deployment
	Control     string   `json:"control,omitempty"` // server group; default: the baseline or source of that deployment
	For         Duration `json:"for,omitempty"`     // observed from when the stage begins; default: what has been while that deployment was under way
	Analysis
}

// PipelineStage runs another pipeline and waits for it. In YAML it is the pipeline's name, or an object.
type PipelineStage struct {
	Name        string            `json:"name,omitempty"`        // default: the default pipeline, of another application
	Application string            `json:"application,omitempty"` // default: the same
	Image       string            `json:"image,omitempty"`       // default: the image of the execution, if the application is the same
	Parameters  map[string]string `json:"parameters,omitempty"`
}

// PromoteStage brings the image that runs in one environment to another, when all that is demanded of it is met. In YAML it is the
// environment it is brought to, or an object.
type PromoteStage struct {
	From string `json:"from,omitempty"` // environment; default: as the promotion policy of To says
	To   string `json:"to"`             // environment
}

// RollbackStage brings back what an environment ran before. In YAML it is the environment, or an object.
type RollbackStage struct {
	Environment string `json:"environment"`
	Image       string `json:"image,omitempty"` // default: what was there before
}

// Kind returns what the stage does, "" if nothing is set.
func (s Step) Kind() StageKind {
	for _, k := range StageKinds {
		if s.has(k) {
			return k
		}
	}
	return ""
}

func (s Step) has(k StageKind) bool {
	switch k {
	case StageBake:
		return s.Bake != nil
	case StageTest:
		return s.Test != nil
	case StageDeploy:
		return s.Deploy != nil
	case StageCheck:
		return s.Check != nil
	case StageApprove:
		return s.Approve != nil
	case StageWait:
		return s.Wait != nil
	case StageRun:
		return s.Run != nil
	case StageWebhook:
		return s.Webhook != nil
	case StageAnalysis:
		return s.Analysis != nil
	case StagePipeline:
		return s.Pipeline != nil
	case StagePromote:
		return s.Promote != nil
	case StageRollback:
		return s.Rollback != nil
	}
	return false
}

// Environment returns the environment that the stage has to do with, "" if none.
func (s Step) Environment() string {
	switch {
	case s.Deploy != nil:
		return s.Deploy.Environment
	case s.Check != nil:
		return s.Check.Environment
	case s.Approve != nil:
		return s.Approve.Environment
	case s.Analysis != nil:
		return s.Analysis.Environment
	case s.Promote != nil:
		return s.Promote.To
	case s.Rollback != nil:
		return s.Rollback.Environment
	}
	return ""
}

// UnmarshalJSON accepts a kind that needs no more, or an object.
func (s *Step) UnmarshalJSON(b []byte) error {
	if done, err := s.word(b); done {
		return err
	}
	type plain Step
	return strict(s.filled(b), (*plain)(s), wantStage)
}

// UnmarshalJSON accepts a kind that needs no more, or an object.
func (s *Stage) UnmarshalJSON(b []byte) error {
	if done, err := s.Step.word(b); done {
		return err
	}
	type fields Step // without the method, which would take the whole object
	var v struct {
		fields
		OnFailure *OnFailure `json:"on_failure"`
	}
	if err := strict(s.filled(b), &v, wantStage); err != nil {
		return err
	}
	*s = Stage{Step: Step(v.fields), OnFailure: v.OnFailure}
	return nil
}

const wantStage = "bake, test, or an object with the key of a stage's kind"

// word reads a stage that is one word, and reports whether it is one.
func (s *Step) word(b []byte) (bool, error) {
	var kind StageKind
	if json.Unmarshal(b, &kind) != nil || string(b) == "null" {
		return false, nil
	}
	*s = Step{}
	switch kind {
	case StageBake:
		s.Bake = &BakeStage{}
	case StageTest:
		s.Test = &TestStage{}
	case StageApprove:
		s.Approve = &ApproveStage{}
	default:
		for _, k := range StageKinds {
			if k == kind {
				return true, Errorf(Invalid, "cannot tell what %s is about: write an object such as {%s: …}", kind, kind)
			}
		}
		return true, Errorf(Invalid, "cannot do the stage %q: want one of %s", kind, list(StageKinds))
	}
	return true, nil
}

// filled returns b with null, which YAML has for "bake:" without more, replaced by an object.
func (s *Step) filled(b []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return b
	}
	for _, k := range []StageKind{StageBake, StageTest, StageApprove} {
		if string(fields[string(k)]) == "null" {
			fields[string(k)] = json.RawMessage("{}")
		}
	}
	full, err := json.Marshal(fields)
	if err != nil {
		return b
	}
	return full
}

// UnmarshalJSON accepts the environment or an object.
func (s *DeployStage) UnmarshalJSON(b []byte) error {
	type plain DeployStage
	return oneWord(b, &s.Environment, (*plain)(s), "an environment, or {environment: …}")
}

// UnmarshalJSON accepts the name of who approves or an object.
func (s *ApproveStage) UnmarshalJSON(b []byte) error {
	var who string
	if json.Unmarshal(b, &who) == nil && string(b) != "null" {
		*s = ApproveStage{By: Names{who}}
		return nil
	}
	type plain ApproveStage
	return strict(b, (*plain)(s), "who approves, or {by, needed, message, environment, expires}")
}

// Names are names. In YAML one alone may stand for a list of one.
type Names []string

// UnmarshalJSON accepts a name or a list of names.
func (n *Names) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*n = Names{one}
		return nil
	}
	var all []string
	if err := strict(b, &all, "a name or a list of names"); err != nil {
		return err
	}
	*n = all
	return nil
}

// UnmarshalJSON accepts a duration or an object.
func (s *WaitStage) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"`) {
		*s = WaitStage{}
		return s.For.UnmarshalJSON(b)
	}
	type plain WaitStage
	return strict(b, (*plain)(s), `a duration such as "10m", or {for: …} or {until: …}`)
}

// UnmarshalJSON accepts the pipeline's name or an object.
func (s *PipelineStage) UnmarshalJSON(b []byte) error {
	type plain PipelineStage
	return oneWord(b, &s.Name, (*plain)(s), "a pipeline's name, or {name, application, image, parameters}")
}

// UnmarshalJSON accepts the environment that is promoted to or an object.
func (s *PromoteStage) UnmarshalJSON(b []byte) error {
	type plain PromoteStage
	return oneWord(b, &s.To, (*plain)(s), "an environment, or {from: …, to: …}")
}

// UnmarshalJSON accepts the environment or an object.
func (s *RollbackStage) UnmarshalJSON(b []byte) error {
	type plain RollbackStage
	return oneWord(b, &s.Environment, (*plain)(s), "an environment, or {environment: …}")
}

// oneWord decodes text into word, or an object into all.
func oneWord(b []byte, word *string, all any, want string) error {
	if json.Unmarshal(b, word) == nil && string(b) != "null" {
		return nil
	}
	return strict(b, all, want)
}

// StageState says how far a stage is.
type StageState string

// The states of a stage.
const (
	StagePending    StageState = "pending" // what it needs is not over
	StageRunning    StageState = "running"
	StageWaiting    StageState = "waiting" // for people, for a time, or before it is tried again
	StageSucceeded  StageState = "succeeded"
	StageFailed     StageState = "failed"
	StageSkipped    StageState = "skipped" // Reason says why
	StageAborted    StageState = "aborted"
	StageRolledBack StageState = "rolled_back" // it had succeeded, and what it deployed was taken back
)

// Done reports whether s is final.
func (s StageState) Done() bool {
	return s != StagePending && s != StageRunning && s != StageWaiting
}

// StageRecord is one stage of an execution: what came of it.
type StageRecord struct {
	ID          string            `json:"id"`
	Kind        StageKind         `json:"kind"`
	Environment string            `json:"environment,omitempty"`
	Needs       []string          `json:"needs"`
	State       StageState        `json:"state"`
	Reason      string            `json:"reason,omitempty"`  // why it is skipped, or what it waits for
	Attempt     int               `json:"attempt,omitempty"` // which try it is in, or was the last
	Output      map[string]string `json:"output,omitempty"`  // what expressions of later stages see
	Bake        string            `json:"bake,omitempty"`
	Deployments []string          `json:"deployments,omitempty"` // one a try; the last is what it came to
	Approval    string            `json:"approval,omitempty"`
	Promotion   string            `json:"promotion,omitempty"`
	Child       string            `json:"child,omitempty"`    // the execution that it started
	Log         bool              `json:"log,omitempty"`      // there is output of a command, kept apart
	Recovery    bool              `json:"recovery,omitempty"` // it is run only because another stage failed
	Ignored     bool              `json:"ignored,omitempty"`  // it failed, and that is borne with
	Error       *Error            `json:"error,omitempty"`
	Started     time.Time         `json:"started,omitzero"`
	Finished    time.Time         `json:"finished,omitzero"`
}
