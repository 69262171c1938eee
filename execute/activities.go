package execute

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/pipeline"
	"github.com/slipway-sh/slipway/ship"
)

// Config is what executions work with.
type Config struct {
	Parts    ship.Parts
	Turns    slipway.PipelineTurns
	Logs     slipway.StageLogs
	Operator *ship.Operator    // accepts bakes
	Measurer check.Measurer    // makes checks
	HTTP     http.RoundTripper // posts to webhooks; nil: http.DefaultTransport
	Promoter slipway.Promoter
	Runner   slipway.Pipelines // runs child pipelines; nil: an Operator of this Config
}

// Activities are the steps of executions as they touch the world. Each may be run again at any time.
type Activities struct{ Config }

// PrepareStage decides whether a stage runs, and fills in its texts. It touches nothing.
func (a *Activities) PrepareStage(ctx context.Context, v pipeline.Values, s slipway.Step) (pipeline.Prepared, error) {
	prepared, err := pipeline.Prepare(ctx, s, v)
	return prepared, durable.Encode(err)
}

// RecordStages stores the execution as it is now, and tells of what has changed.
func (a *Activities) RecordStages(ctx context.Context, x slipway.Execution) error {
	stored, err := a.Parts.Store.Execution(ctx, x.ID)
	fresh := slipway.CodeOf(err) == slipway.NotFound
	switch {
	case fresh:
	case err != nil:
		return err
	case stored.Attempt == x.Attempt && stored.State.Done():
		return nil // finished: this is a try that was taken for lost
	}
	again := !fresh && stored.Attempt != x.Attempt
	if x.Definition == nil {
		x.Definition = stored.Definition
	}
	if again {
		stored.Stages = slices.Clone(x.Stages)
	}
	if err := a.Parts.Store.PutExecution(ctx, x); err != nil {
		return durable.Passing(err)
	}
	switch {
	case fresh:
		a.tell(ctx, x, slipway.ExecutionStarted, "running pipeline "+x.Pipeline+" of "+x.Application, x)
	case again:
		a.tell(ctx, x, slipway.ExecutionStarted, "running pipeline "+x.Pipeline+" of "+x.Application+" again", x)
	}
	if x.State == slipway.ExecutionQueued && (fresh || again || stored.Behind != x.Behind) {
		a.tell(ctx, x, slipway.ExecutionWaiting, "waits for "+x.Behind+" to end", x)
	}
	a.changes(ctx, stored, x)
	return nil
}

// FinishStages stores the execution in its final state and returns it.
func (a *Activities) FinishStages(ctx context.Context, x slipway.Execution) (slipway.Execution, error) {
	stored, err := a.Parts.Store.Execution(ctx, x.ID)
	switch {
	case err != nil && slipway.CodeOf(err) != slipway.NotFound:
		return x, durable.Passing(err)
	case err == nil && stored.Attempt == x.Attempt && stored.State.Done():
		return stored, durable.Passing(a.leave(ctx, stored)) // an earlier try stored it
	}
	if x.Definition == nil {
		x.Definition = stored.Definition
	}
	x.Finished = time.Now().UTC()
	if err := a.Parts.Store.PutExecution(ctx, x); err != nil {
		return x, durable.Passing(err)
	}
	a.changes(ctx, stored, x)
	message := "pipeline " + x.Pipeline + " of " + x.Application + " succeeded"
	if x.Error != nil {
		message = firstLine(x.Error.Message)
	}
	a.tell(ctx, x, slipway.ExecutionFinished, message, x)
	return x, durable.Passing(a.leave(ctx, x))
}

// changes tells what has become of stages.
func (a *Activities) changes(ctx context.Context, before, now slipway.Execution) {
	for _, s := range now.Stages {
		old := slipway.StageRecord{State: slipway.StagePending}
		if o := before.Stage(s.ID); o != nil {
			old = *o
		}
		switch {
		case s.State == slipway.StagePending || s.State == old.State && s.Attempt == old.Attempt && s.Reason == old.Reason:
		case s.State == slipway.StageRunning && s.Attempt <= 1:
			a.tell(ctx, now, slipway.StageStarted, s.ID+" begins", s)
		case s.State == slipway.StageRunning:
			a.tell(ctx, now, slipway.StageStarted, s.ID+" is tried again, for the "+ordinal(s.Attempt)+" time", s)
		case s.State == slipway.StageWaiting && s.Error != nil:
			a.tell(ctx, now, slipway.StageWaits, s.ID+" failed ("+firstLine(s.Error.Message)+") and is "+s.Reason, s)
		case s.State == slipway.StageWaiting:
			a.tell(ctx, now, slipway.StageWaits, s.ID+" waits for "+s.Reason, s)
		default:
			a.tell(ctx, now, slipway.StageFinished, s.ID+" "+ended(s), s)
		}
	}
}

// ended says what became of a stage.
func ended(s slipway.StageRecord) string {
	text := map[slipway.StageState]string{
		slipway.StageSucceeded: "succeeded", slipway.StageFailed: "failed", slipway.StageSkipped: "is skipped", slipway.StageAborted: "was aborted",
		slipway.StageRolledBack: "was rolled back",
	}[s.State]
	if !s.Started.IsZero() && s.State != slipway.StageSkipped && s.State != slipway.StageRolledBack {
		text += " after " + took(s.Finished.Sub(s.Started))
	}
	switch {
	case s.Error != nil:
		text += ": " + firstLine(s.Error.Message)
	case s.Reason != "":
		text += ": " + s.Reason
	}
	if s.Ignored {
		text += " (which is borne with)"
	}
	return text
}

// tell stores an event and sends it to whoever listens. Work does not fail because it could not tell of itself.
func (c *Config) tell(ctx context.Context, x slipway.Execution, kind slipway.EventKind, message string, data any) {
	e := slipway.Event{Time: time.Now().UTC(), Kind: kind, Message: message, Application: x.Application, Execution: x.ID}
	if s, ok := data.(slipway.StageRecord); ok {
		e.Environment = s.Environment
	}
	e.Data, _ = json.Marshal(data) // records always can be
	stored, err := c.Parts.Store.AppendEvent(ctx, e)
	if err == nil {
		err = c.Parts.Bus.Publish(ctx, stored)
	}
	if err != nil {
		c.Parts.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
}

func digits(n int) string { return strconv.Itoa(n) }

func ordinal(n int) string {
	switch n {
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return strconv.Itoa(n) + "th"
}
