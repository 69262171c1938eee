package httpapi

import (
	"context"
	"encoding/json"

	"github.com/slipway-sh/slipway"
)

type groupsInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only this environment's."`
	PageInput
}

func (a *api) listGroups(ctx context.Context, in *groupsInput) (*listOutput[slipway.ServerGroup], error) {
	all, err := a.Provider.ServerGroups(ctx)
	var some []slipway.ServerGroup
	for _, g := range all {
		if matchesCluster(in.Application, in.Environment, g.Cluster) {
			some = append(some, g)
		}
	}
	return cut(a.page(ctx, &in.PageInput), some, err, func(g slipway.ServerGroup) string { return g.Name })
}

type groupInput struct {
	Name string `path:"name"`
}

type groupOutput struct {
	ETag string `header:"ETag"`
	Body slipway.ServerGroup
}

func (a *api) getGroup(ctx context.Context, in *groupInput) (*groupOutput, error) {
	g, err := a.Provider.ServerGroup(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	made, err := json.Marshal(g.ServerGroupSpec)
	if err != nil {
		return nil, err
	}
	return &groupOutput{ETag: tagOf(made), Body: g}, nil
}

// matchesCluster reports whether a cluster is of the application and the environment, each unless it is "".
func matchesCluster(application, environment string, c slipway.Cluster) bool {
	return (application == "" || application == c.Application) && (environment == "" || environment == c.Environment)
}
