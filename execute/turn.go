package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// What executions of a pipeline tell each other: that it is another's turn, and that one is superseded.
const (
	signalTurn       = "turn"
	signalSuperseded = "superseded"
)

// One that waits looks for itself when it has not been told anything for a while, at first soon and then more and more rarely.
const (
	lookSoon   = 2 * time.Second
	lookRarely = time.Minute
)

// lost is how long an execution may stand in its pipeline's line without a workflow: between the two slipwayd may have been killed.
const lost = 15 * time.Second

// Place is where an execution stands in its pipeline's line.
type Place struct {
	Turn   bool   `json:"turn"`
	Behind string `json:"behind,omitempty"` // whose turn it is
}

// awaitTurn returns nil once no execution of the pipeline that came first is under way.
func (r *run) awaitTurn(ctx workflow.Context) error {
	told, pause := workflow.GetSignalChannel(ctx, signalTurn), lookSoon
	for {
		var place Place
		if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.TakeTurn, r.x.ID, r.x.Application, r.x.Pipeline, r.x.Definition.Concurrency).Get(ctx, &place); err != nil {
			return err
		}
		if place.Turn {
			return nil
		}
		if r.x.State != slipway.ExecutionQueued || r.x.Behind != place.Behind {
			r.x.State, r.x.Behind = slipway.ExecutionQueued, place.Behind
			r.note()
		}
		timing, stop := workflow.WithCancel(ctx)
		heard := false
		workflow.NewSelector(ctx).AddFuture(workflow.NewTimer(timing, pause), func(workflow.Future) {}).
			AddReceive(told, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil); heard = true }).
			AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).Select(ctx)
		stop()
		if err := ctx.Err(); err != nil {
			return err
		}
		if pause = min(2*pause, lookRarely); heard {
			pause = lookSoon
		}
	}
}

// TakeTurn puts an execution into its pipeline's line, unless it stands there, and says where. One that supersedes ends those before it.
func (a *Activities) TakeTurn(ctx context.Context, id, application, name string, policy slipway.ConcurrencyPolicy) (Place, error) {
	if err := a.Turns.JoinTurn(ctx, application, name, id, time.Now()); err != nil {
		return Place{}, err
	}
	return a.place(ctx, id, application, name, policy == slipway.ConcurrencySupersede)
}

// place returns where an execution stands in a line, out of which it takes what is lost.
func (c *Config) place(ctx context.Context, id, application, name string, supersede bool) (Place, error) {
	line, err := c.Turns.Turns(ctx, application, name)
	if err != nil {
		return Place{}, err
	}
	var place Place
	for _, turn := range line {
		if turn.Execution == id {
			place.Turn = place.Behind == ""
			return place, nil
		}
		alive, err := c.alive(ctx, turn)
		switch {
		case err != nil:
			return place, err
		case !alive:
			if err := c.Turns.LeaveTurn(ctx, turn.Execution); err != nil {
				return place, err
			}
			continue
		case place.Behind == "":
			place.Behind = turn.Execution
		}
		if supersede {
			if err := c.supersede(ctx, turn.Execution, id); err != nil {
				return place, err
			}
		}
	}
	place.Turn = place.Behind == ""
	return place, nil
}

// alive reports whether the workflow of an execution is under way, or may be about to be.
func (c *Config) alive(ctx context.Context, turn slipway.Turn) (bool, error) {
	found, err := c.Parts.Temporal.DescribeWorkflowExecution(ctx, turn.Execution, "")
	switch {
	case isNotFound(err):
		return time.Since(turn.Since) < lost, nil
	case err != nil:
		return false, fmt.Errorf("look for workflow %s: %w", turn.Execution, err)
	}
	if found.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return true, nil
	}
	// A restart takes its place before its workflow begins again.
	return time.Since(turn.Since) < lost && turn.Since.After(found.GetWorkflowExecutionInfo().GetCloseTime().AsTime()), nil
}

// supersede aborts an execution in favour of another.
func (c *Config) supersede(ctx context.Context, id, by string) error {
	err := c.Parts.Temporal.SignalWorkflow(ctx, id, "", signalSuperseded, by)
	if err == nil {
		err = c.Parts.Temporal.CancelWorkflow(ctx, id, "")
	}
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("supersede %s: %w", id, err)
	}
	return nil
}

// leave takes an execution that is over out of the line, and tells the next that it is its turn. What it cannot tell that one sees for itself.
func (a *Activities) leave(ctx context.Context, x slipway.Execution) error {
	if err := a.Turns.LeaveTurn(ctx, x.ID); err != nil {
		return err
	}
	line, err := a.Turns.Turns(ctx, x.Application, x.Pipeline)
	if err != nil {
		return err
	}
	if len(line) > 0 {
		if err := a.Parts.Temporal.SignalWorkflow(ctx, line[0].Execution, "", signalTurn, nil); err != nil && !isNotFound(err) {
			a.Parts.Log.Warn("cannot tell an execution that it is its turn", "execution", line[0].Execution, "error", err)
		}
	}
	return nil
}

func isNotFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}
