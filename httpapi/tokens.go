package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
)

type tokensInput struct{ PageInput }

func (a *api) listTokens(ctx context.Context, in *tokensInput) (*listOutput[slipway.Token], error) {
	all, err := a.Access.Tokens(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(t slipway.Token) string { return t.Name + "\x00" + t.ID })
}

type tokenInput struct{ Body slipway.TokenRequest }

func (a *api) createToken(ctx context.Context, in *tokenInput) (*output[slipway.NewToken], error) {
	if err := a.checkVerbs("verbs", in.Body.Verbs); err != nil {
		return nil, err
	}
	return found(a.Access.CreateToken(ctx, in.Body))
}

// TokenInput names a token in a path. It is exported so that huma sees its fields where it is embedded.
type TokenInput struct {
	Token string `path:"token" doc:"The token's ID or name."`
}

type rotateTokenInput struct {
	TokenInput
	Body slipway.TokenRotation
}

func (a *api) rotateToken(ctx context.Context, in *rotateTokenInput) (*output[slipway.NewToken], error) {
	return found(a.Access.RotateToken(ctx, in.Token, in.Body))
}

func (a *api) revokeToken(ctx context.Context, in *TokenInput) (*output[slipway.Token], error) {
	return found(a.Access.RevokeToken(ctx, in.Token))
}

// aboutToken is the scope of a token: who administers that may revoke it.
func aboutToken(ctx context.Context, a *api, r request) ([]auth.Ask, error) {
	t, err := a.Access.Token(ctx, r.path("token"))
	return []auth.Ask{{Scope: t.Scope}}, err
}
