package ship

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/deploy/durable"
)

// shipWorkflow is the type of the workflow that is an execution.
const shipWorkflow = "ship"

// ShipInput is what the workflow of an execution works from.
type ShipInput struct {
	Execution slipway.Execution     `json:"execution"`
	Bake      BakeInput             `json:"bake"`
	Deploy    slipway.DeployOptions `json:"deploy,omitzero"`
}

func shipStart(x slipway.Execution) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                  x.ID,
		TaskQueue:           durable.TaskQueue,
		WorkflowTaskTimeout: durable.TaskTimeout,
		Memo:                map[string]any{deploy.MemoID: x.ID},
	}
}

// Ship is the workflow of an execution: a bake, then deployments in order, until one fails. It returns the execution in its final
// state; one that fails is no failure of the workflow. Cancelling the workflow aborts what is under way.
func Ship(ctx workflow.Context, in ShipInput) (slipway.Execution, error) {
	s := &shipment{x: in.Execution}
	switch err := s.run(ctx, in); {
	case err == nil:
		s.x.State = slipway.ExecutionSucceeded
	case temporal.IsCanceledError(err) || durable.Error(err).Code == slipway.ClosedByAbort:
		s.x.State, s.x.Error = slipway.ExecutionAborted, slipway.Errorf(slipway.ClosedByAbort, "shipping %s was aborted", s.x.Application)
	default:
		s.x.State, s.x.Error = slipway.ExecutionFailed, durable.Error(err)
	}
	rest, _ := workflow.NewDisconnectedContext(ctx)
	err := workflow.ExecuteActivity(durable.Tries(rest, briefly, 0), acts.FinishExecution, s.x).Get(rest, &s.x)
	return s.x, err
}

// shipment is an execution being carried out.
type shipment struct {
	x slipway.Execution
}

func (s *shipment) run(ctx workflow.Context, in ShipInput) error {
	if err := s.record(ctx); err != nil {
		return err
	}
	if err := s.bake(ctx, in.Bake); err != nil {
		return err
	}
	for _, environment := range s.x.Environments {
		if err := s.deploy(ctx, in, environment); err != nil {
			return err
		}
	}
	return nil
}

func (s *shipment) record(ctx workflow.Context) error {
	return workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordExecution, s.x).Get(ctx, nil)
}

// bake runs the bake as a child.
func (s *shipment) bake(ctx workflow.Context, in BakeInput) error {
	done, err := BakeChild(ctx, in)
	if err != nil {
		return err
	}
	s.x.Image = done.Image
	if done.State != slipway.BakeSucceeded {
		return done.Error
	}
	return nil
}

// deploy runs the deployment to one environment as a child.
func (s *shipment) deploy(ctx workflow.Context, in ShipInput, environment string) error {
	var d slipway.Deployment
	if err := workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.PlanDeployment, s.x, in.Bake.Request, environment, in.Deploy).Get(ctx, &d); err != nil {
		return err
	}
	var recorded workflow.Future
	d, err := DeployChild(ctx, d, func() {
		s.x.Deployments = append(s.x.Deployments, d.ID)
		recorded = workflow.ExecuteActivity(durable.Step(ctx, briefly), acts.RecordExecution, s.x)
	})
	if err != nil {
		return err
	}
	if err := recorded.Get(ctx, nil); err != nil {
		return err
	}
	return Ended(d)
}
