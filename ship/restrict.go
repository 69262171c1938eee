package ship

import (
	"context"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
	"github.com/slipway-sh/slipway/restrict"
)

// Restrict implements [slipway.Operator].
func (o *Operator) Restrict(ctx context.Context, req slipway.RestrictionRequest) (slipway.Restriction, error) {
	return o.keeper.Restrict(ctx, req)
}

// Lift implements [slipway.Operator].
func (o *Operator) Lift(ctx context.Context, req slipway.LiftRequest) (slipway.Restriction, error) {
	return o.keeper.Lift(ctx, req)
}

func newKeeper(p Parts) *restrict.Keeper {
	return restrict.New(restrict.Config{
		Store: p.Store, Bus: p.Bus, Log: p.Log,
		Serving: func(ctx context.Context, cluster slipway.Cluster) (slipway.Digest, error) {
			name, err := deploy.Serving(ctx, p.Store, cluster)
			if err != nil || name == "" {
				return "", err
			}
			group, err := p.Provider.ServerGroup(ctx, name)
			if slipway.CodeOf(err) == slipway.NotFound {
				return "", nil
			}
			return group.Image, err
		},
	})
}
