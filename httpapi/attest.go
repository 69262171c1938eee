package httpapi

import (
	"context"
	"encoding/json"

	"github.com/slipway-sh/slipway"
)

func (a *api) verifyImage(ctx context.Context, in *ImageInput) (*output[slipway.Verification], error) {
	image, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	return found(a.Statements.VerifyImage(ctx, image.Digest))
}

type statementInput struct {
	ImageInput
	Kind slipway.StatementKind `path:"kind" enum:"provenance,tests,sbom"`
}

func (a *api) getStatement(ctx context.Context, in *statementInput) (*output[json.RawMessage], error) {
	image, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	text, err := a.Statements.Statement(ctx, image.Digest, in.Kind)
	return found(json.RawMessage(text), err)
}

type keysInput struct{ PageInput }

func (a *api) listKeys(ctx context.Context, in *keysInput) (*listOutput[slipway.PublicKey], error) {
	all, err := a.Statements.Keys(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(k slipway.PublicKey) string { return k.ID })
}
