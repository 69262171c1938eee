package httpapi

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

type instancesInput struct {
	Group string   `query:"group" doc:"Only this server group's."`
	Image string   `query:"image" doc:"Only those of this image: a whole digest."`
	State []string `query:"state" enum:"starting,healthy,unhealthy,stopping,dead" doc:"Only those in one of these states."`
	PageInput
}

func (a *api) listInstances(ctx context.Context, in *instancesInput) (*listOutput[slipway.Instance], error) {
	all, err := a.Provider.Instances(ctx)
	some := slices.DeleteFunc(all, func(i slipway.Instance) bool {
		return in.Group != "" && i.Group != in.Group || in.Image != "" && string(i.Image) != in.Image ||
			len(in.State) > 0 && !slices.Contains(in.State, string(i.State))
	})
	// Those of a group stay together, as providers list them.
	key := func(i slipway.Instance) string { return i.Group + "\x00" + i.ID }
	slices.SortFunc(some, func(x, y slipway.Instance) int { return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.ID, y.ID)) })
	return cut(&in.PageInput, some, err, key)
}

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
