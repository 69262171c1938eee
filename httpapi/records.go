package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type bakesInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"20"`
}

func (a *api) listBakes(ctx context.Context, in *bakesInput) (*listOutput[slipway.Bake], error) {
	return listed(a.Store.Bakes(ctx, in.Application, in.Limit))
}

func (a *api) getBake(ctx context.Context, in *idInput) (*output[slipway.Bake], error) {
	return found(a.Store.Bake(ctx, in.ID))
}

func (a *api) getExecution(ctx context.Context, in *idInput) (*output[slipway.Execution], error) {
	return found(a.Store.Execution(ctx, in.ID))
}

type deploymentsInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only this environment's."`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"20"`
}

func (a *api) listDeployments(ctx context.Context, in *deploymentsInput) (*listOutput[slipway.Deployment], error) {
	return listed(a.Store.Deployments(ctx, slipway.Cluster{Application: in.Application, Environment: in.Environment}, in.Limit))
}

func (a *api) getDeployment(ctx context.Context, in *idInput) (*output[slipway.Deployment], error) {
	return found(a.Store.Deployment(ctx, in.ID))
}

func (a *api) listApplications(ctx context.Context, _ *struct{}) (*listOutput[slipway.Spec], error) {
	return listed(a.Store.Applications(ctx))
}

type applicationInput struct {
	Application string `path:"application"`
}

func (a *api) getApplication(ctx context.Context, in *applicationInput) (*output[slipway.Spec], error) {
	return found(a.Store.Application(ctx, in.Application))
}

type imagesInput struct {
	Application string `query:"application" doc:"Only this application's."`
}

func (a *api) listImages(ctx context.Context, in *imagesInput) (*listOutput[slipway.Image], error) {
	return listed(a.Store.Images(ctx, in.Application))
}

// ImageInput names an image in a path. It is exported so that huma sees its fields where it is embedded.
type ImageInput struct {
	Application string `path:"application"`
	Ref         string `path:"ref" doc:"A channel, a version label, a digest, at least six of its first digits, or latest."`
}

func (a *api) getImage(ctx context.Context, in *ImageInput) (*output[slipway.Image], error) {
	return found(a.Store.FindImage(ctx, in.Application, in.Ref))
}
