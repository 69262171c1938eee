package httpapi

import (
	"context"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

func (a *api) getInstance(ctx context.Context, in *idInput) (*output[slipway.Instance], error) {
	return found(a.Provider.Instance(ctx, in.ID))
}

type logsInput struct {
	ID     string `path:"id"`
	Lines  int    `query:"lines" minimum:"1" maximum:"100000" default:"100" doc:"How many of the last lines."`
	Follow bool   `query:"follow" doc:"Go on with what comes until the machine is gone."`
}

func (a *api) instanceLogs(ctx context.Context, in *logsInput) (*huma.StreamResponse, error) {
	logs, err := a.Provider.Logs(ctx, in.ID, in.Lines, in.Follow)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer logs.Close()
		out := newFlow(c, "text/plain; charset=utf-8")
		if _, err := io.Copy(out, logs); err != nil && ctx.Err() == nil {
			a.Log.Warn("an instance's log ends early", "instance", in.ID, "error", err)
		}
	}}, nil
}
