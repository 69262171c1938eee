package httpapi

import (
	"context"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
)

type missingInput struct {
	Body struct {
		Digests []slipway.Digest `json:"digests" maxItems:"200000"`
	}
}

type missingOutput struct {
	Body struct {
		Missing []slipway.Digest `json:"missing" nullable:"false"`
	}
}

func (a *api) missingBlobs(ctx context.Context, in *missingInput) (*missingOutput, error) {
	for _, d := range in.Body.Digests {
		if err := d.Validate(); err != nil {
			return nil, err
		}
	}
	missing, err := a.Blobs.Missing(ctx, in.Body.Digests)
	if err != nil {
		return nil, err
	}
	out := &missingOutput{}
	out.Body.Missing = append([]slipway.Digest{}, missing...)
	return out, nil
}

type blobInput struct {
	Digest slipway.Digest `path:"digest"`

	body io.Reader
	size int64
}

// Resolve implements [huma.Resolver]: it takes the body as it comes, so that it is never in memory as a whole.
func (in *blobInput) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	in.body, in.size = r.Body, r.ContentLength
	return nil
}

func (a *api) putBlob(ctx context.Context, in *blobInput) (*struct{}, error) {
	if err := in.Digest.Validate(); err != nil {
		return nil, err
	}
	return nil, a.Blobs.PutBlob(ctx, in.Digest, in.size, in.body)
}
