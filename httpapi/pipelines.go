package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type pipelineInput struct{ Body slipway.PipelineRequest }

func (a *api) runPipeline(ctx context.Context, in *pipelineInput) (*output[slipway.Execution], error) {
	return found(a.Pipelines.RunPipeline(ctx, in.Body))
}

func (a *api) planPipeline(ctx context.Context, in *pipelineInput) (*output[slipway.PipelinePlan], error) {
	return found(a.Pipelines.PlanPipeline(ctx, in.Body))
}

type restartInput struct {
	ID   string `path:"id"`
	Body slipway.RestartRequest
}

func (a *api) restartExecution(ctx context.Context, in *restartInput) (*output[slipway.Execution], error) {
	return found(a.Pipelines.RestartExecution(ctx, in.ID, in.Body))
}

type stageInput struct {
	ID    string `path:"id"`
	Stage string `path:"stage"`
}

// stageLog is what a stage printed.
type stageLog struct {
	Execution string `json:"execution"`
	Stage     string `json:"stage"`
	Log       string `json:"log"`
}

func (a *api) stageLog(ctx context.Context, in *stageInput) (*output[stageLog], error) {
	text, err := a.StageLogs.StageLog(ctx, in.ID, in.Stage)
	return found(stageLog{in.ID, in.Stage, text}, err)
}
