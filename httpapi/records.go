package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type bakesInput struct {
	Application string   `query:"application" doc:"Only this application's."`
	State       []string `query:"state" enum:"running,succeeded,failed,aborted" doc:"Only those in one of these states."`
	PageInput
}

func (a *api) listBakes(ctx context.Context, in *bakesInput) (*listOutput[slipway.Bake], error) {
	filter := slipway.BakeFilter{Application: in.Application, States: values[slipway.BakeState](in.State)}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Bake, error) {
		return a.Lists.ListBakes(ctx, filter, after, limit)
	}, func(b slipway.Bake) slipway.Mark { return slipway.Mark{Time: b.Started, ID: b.ID} })
}

func (a *api) getBake(ctx context.Context, in *idInput) (*output[slipway.Bake], error) {
	return found(a.Store.Bake(ctx, in.ID))
}

type executionsInput struct {
	Application string   `query:"application" doc:"Only this application's."`
	State       []string `query:"state" enum:"running,succeeded,failed,aborted" doc:"Only those in one of these states."`
	Image       string   `query:"image" doc:"Only those of this image: a whole digest."`
	PageInput
}

func (a *api) listExecutions(ctx context.Context, in *executionsInput) (*listOutput[slipway.Execution], error) {
	filter := slipway.ExecutionFilter{Application: in.Application, States: values[slipway.ExecutionState](in.State), Image: slipway.Digest(in.Image)}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Execution, error) {
		return a.Lists.ListExecutions(ctx, filter, after, limit)
	}, func(e slipway.Execution) slipway.Mark { return slipway.Mark{Time: e.Started, ID: e.ID} })
}

func (a *api) getExecution(ctx context.Context, in *idInput) (*output[slipway.Execution], error) {
	return found(a.Store.Execution(ctx, in.ID))
}

type deploymentsInput struct {
	Application string   `query:"application" doc:"Only this application's."`
	Environment string   `query:"environment" doc:"Only this environment's."`
	State       []string `query:"state" enum:"queued,running,held,undoing,succeeded,rolled_back,aborted,needs_attention" doc:"Only those in one of these states."`
	Kind        string   `query:"kind" enum:"deploy,rollback" doc:"Only this kind."`
	Image       string   `query:"image" doc:"Only those of this image: a whole digest."`
	Execution   string   `query:"execution" doc:"Only those that are part of this execution."`
	By          string   `query:"by" doc:"Only those that this person or machine asked for."`
	PageInput
}

func (a *api) listDeployments(ctx context.Context, in *deploymentsInput) (*listOutput[slipway.Deployment], error) {
	filter := slipway.DeploymentFilter{
		Cluster: slipway.Cluster{Application: in.Application, Environment: in.Environment}, States: values[slipway.DeploymentState](in.State),
		Kind: slipway.DeploymentKind(in.Kind), Image: slipway.Digest(in.Image), Execution: in.Execution, By: in.By,
	}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Deployment, error) {
		return a.Lists.ListDeployments(ctx, filter, after, limit)
	}, func(d slipway.Deployment) slipway.Mark { return slipway.Mark{Time: d.Started, ID: d.ID} })
}

func (a *api) getDeployment(ctx context.Context, in *idInput) (*output[slipway.Deployment], error) {
	return found(a.Store.Deployment(ctx, in.ID))
}

type applicationsInput struct{ PageInput }

func (a *api) listApplications(ctx context.Context, in *applicationsInput) (*listOutput[slipway.Spec], error) {
	all, err := a.Store.Applications(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(s slipway.Spec) string { return s.Application })
}

type applicationInput struct {
	Application string `path:"application"`
}

func (a *api) getApplication(ctx context.Context, in *applicationInput) (*output[slipway.Spec], error) {
	return found(a.Store.Application(ctx, in.Application))
}

type imagesInput struct {
	Application string   `query:"application" doc:"Only this application's."`
	State       []string `query:"state" enum:"untested,ready,failed" doc:"Only those in one of these states."`
	Revoked     bool     `query:"revoked" doc:"Only those that are revoked."`
	PageInput
}

func (a *api) listImages(ctx context.Context, in *imagesInput) (*listOutput[slipway.Image], error) {
	filter := slipway.ImageFilter{Application: in.Application, States: values[slipway.ImageState](in.State), Revoked: in.Revoked}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Image, error) {
		return a.Lists.ListImages(ctx, filter, after, limit)
	}, func(i slipway.Image) slipway.Mark { return slipway.Mark{Time: i.Created, ID: string(i.Digest)} })
}

// ImageInput names an image in a path. It is exported so that huma sees its fields where it is embedded.
type ImageInput struct {
	Application string `path:"application"`
	Ref         string `path:"ref" doc:"A channel, a version label, a digest, at least six of its first digits, or latest."`
}

func (a *api) getImage(ctx context.Context, in *ImageInput) (*output[slipway.Image], error) {
	return found(a.Store.FindImage(ctx, in.Application, in.Ref))
}

// values are a query's words as the domain has them.
func values[T ~string](words []string) []T {
	var all []T
	for _, w := range words {
		all = append(all, T(w))
	}
	return all
}
