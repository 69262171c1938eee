package httpapi

import (
	"context"
	"io"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
)

type pushArtifactInput struct {
	Application string         `path:"application"`
	Name        string         `path:"name" doc:"Of a file, without directories." example:"hello"`
	Version     string         `query:"version" doc:"Label of the image that is baked with it: CI's build key."`
	Digest      slipway.Digest `query:"digest" doc:"Of the body. Without it the body is read twice."`
	Mode        string         `query:"mode" doc:"Permission bits that the file gets, octal; default: those of the file whose place it takes." example:"755"`
	Repository  string         `query:"repository" doc:"Where it was built from."`
	Commit      string         `query:"commit"`
	Branch      string         `query:"branch"`
	Author      string         `query:"author"`
	Build       string         `query:"build" doc:"Where CI shows the build."`

	body io.Reader
	size int64
}

// Resolve implements [huma.Resolver]: it takes the body as it comes, so that it is never in memory as a whole.
func (in *pushArtifactInput) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	in.body, in.size = r.Body, r.ContentLength
	return nil
}

func (a *api) pushArtifact(ctx context.Context, in *pushArtifactInput) (*output[slipway.PushedArtifact], error) {
	artifact := slipway.Artifact{Application: in.Application, Name: in.Name, Version: in.Version, Digest: in.Digest, Size: max(in.size, 0)}
	if in.Mode != "" {
		mode, err := strconv.ParseUint(in.Mode, 8, 32)
		if err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use %q as mode: want permission bits such as 755", in.Mode).At("mode")
		}
		artifact.Mode = uint32(mode)
	}
	source := slipway.Source{Repository: in.Repository, Commit: in.Commit, Branch: in.Branch, Author: in.Author, Build: in.Build}
	if source != (slipway.Source{}) {
		artifact.Source = &source
	}
	return found(a.Triggers.PushArtifact(ctx, artifact, in.body))
}

type artifactsInput struct {
	Application string `path:"application"`
	PageInput
}

func (a *api) listArtifacts(ctx context.Context, in *artifactsInput) (*listOutput[slipway.Artifact], error) {
	filter := slipway.ArtifactFilter{Application: in.Application}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Artifact, error) {
		filter.After = after
		return a.Triggers.ListArtifacts(ctx, filter, limit)
	}, func(x slipway.Artifact) slipway.Mark { return slipway.Mark{Time: x.Pushed, ID: x.ID} })
}
