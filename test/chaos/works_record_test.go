package chaos

import (
	"context"
	"testing"

	"github.com/slipway-sh/slipway"
)

// TestRecordWork has executions of pipelines end in every way that there is, and writes their histories down beside those of TestRecord.
// Without -chaos.record it does nothing.
func TestRecordWork(t *testing.T) {
	if *record == "" {
		t.Skip("-chaos.record says where to")
	}
	c := &recorder{rig: newWorks(t), names: map[string]string{}}
	agreeing, stop := context.WithCancel(t.Context())
	go c.agree(agreeing)
	c.execution(c.run("every-stage", "whole"), slipway.ExecutionSucceeded)
	c.serving = c.other()
	c.execution(c.run("rolled-back-for-a-stage", "undone"), slipway.ExecutionFailed)
	c.lift()
	stop()

	reconfigure(c.rig)
	first := c.run("aborted-while-it-asks", "whole")
	asks := func(x slipway.Execution) bool { s := x.Stage("approve-prod"); return s != nil && s.Approval != "" }
	c.executionIs(first, asks)
	behind := c.run("waited-for-its-turn", "whole")
	c.executionIs(behind, func(x slipway.Execution) bool { return x.State == slipway.ExecutionQueued })
	c.must(c.API.Abort(t.Context(), first))
	c.execution(first, slipway.ExecutionAborted)
	c.executionIs(behind, asks)
	c.must(c.API.Abort(t.Context(), behind))
	c.execution(behind, slipway.ExecutionAborted)
	c.write(*record, func(workflow string) bool { return workflow == "pipeline" })
}

// run begins an execution of a pipeline, whose history is to be called so.
func (c *recorder) run(name, pipeline string) string {
	c.t.Helper()
	id, err := runPipeline(pipeline)(c.rig)
	c.must(err)
	c.names[id] = name
	return id
}

// execution waits for the end of an execution.
func (c *recorder) execution(id string, want slipway.ExecutionState) {
	c.t.Helper()
	if x := c.executionIs(id, func(x slipway.Execution) bool { return x.State.Done() }); x.State != want {
		c.t.Fatalf("%s is %s, not %s: %v", id, x.State, want, x.Error)
	}
}

// executionIs returns an execution once it is so.
func (c *recorder) executionIs(id string, so func(slipway.Execution) bool) slipway.Execution {
	c.t.Helper()
	x, err := until(c.t.Context(), func(ctx context.Context) (slipway.Execution, error) { return c.API.Execution(ctx, id) }, so)
	if err != nil {
		c.t.Fatalf("%s is still %s: %v", id, x.State, err)
	}
	return x
}
