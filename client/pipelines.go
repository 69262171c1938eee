package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// RunPipeline starts an execution of a pipeline.
func (c *Client) RunPipeline(ctx context.Context, req slipway.PipelineRequest) (slipway.Execution, error) {
	return call[slipway.Execution](ctx, c, http.MethodPost, "/v1/pipelines/runs", req)
}

// PlanPipeline says what an execution of a pipeline would do. It does nothing.
func (c *Client) PlanPipeline(ctx context.Context, req slipway.PipelineRequest) (slipway.PipelinePlan, error) {
	return call[slipway.PipelinePlan](ctx, c, http.MethodPost, "/v1/pipelines/plans", req)
}

// RestartExecution runs an execution of a pipeline again from a stage.
func (c *Client) RestartExecution(ctx context.Context, id string, req slipway.RestartRequest) (slipway.Execution, error) {
	return call[slipway.Execution](ctx, c, http.MethodPost, "/v1/executions/"+url.PathEscape(id)+"/restart", req)
}

// Executions returns an application's executions, newest first; all applications' for "".
func (c *Client) Executions(ctx context.Context, application string, limit int) ([]slipway.Execution, error) {
	return list[slipway.Execution](ctx, c, "/v1/executions", query("application", application), limit)
}

// StageLog returns the end of what the command of a stage printed.
func (c *Client) StageLog(ctx context.Context, execution, stage string) (string, error) {
	log, err := call[struct {
		Log string `json:"log"`
	}](ctx, c, http.MethodGet, "/v1/executions/"+url.PathEscape(execution)+"/stages/"+url.PathEscape(stage)+"/log", nil)
	return log.Log, err
}
