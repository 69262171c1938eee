package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// ConfigPath says whose configuration it is. It is exported so that huma sees its fields where it is embedded.
type ConfigPath struct {
	Application string `path:"application" example:"hello"`
	Environment string `path:"environment" example:"prod"`
}

func (p ConfigPath) cluster() (slipway.Cluster, error) {
	if err := slipway.ValidateName("application", p.Application); err != nil {
		return slipway.Cluster{}, err
	}
	return slipway.Cluster{Application: p.Application, Environment: p.Environment}, slipway.ValidateName("environment", p.Environment)
}

func (a *api) getConfig(ctx context.Context, in *struct{ ConfigPath }) (*output[slipway.ConfigVersion], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	v, err := a.Configs.Config(ctx, cluster, 0)
	if slipway.CodeOf(err) == slipway.NotFound {
		v, err = slipway.ConfigVersion{Cluster: cluster, Entries: []slipway.ConfigEntry{}, Set: []string{}, Unset: []string{}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &output[slipway.ConfigVersion]{Body: v}, nil
}

type configVersionInput struct {
	ConfigPath
	Number int `path:"number" minimum:"1" example:"3"`
}

func (a *api) getConfigVersion(ctx context.Context, in *configVersionInput) (*output[slipway.ConfigVersion], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	return found(a.Configs.Config(ctx, cluster, in.Number))
}

type configsInput struct {
	ConfigPath
	PageInput
}

func (a *api) listConfigs(ctx context.Context, in *configsInput) (*listOutput[slipway.ConfigVersion], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	all, err := a.Configs.Configs(ctx, cluster, 0)
	return cut(a.page(ctx, &in.PageInput), all, err, func(v slipway.ConfigVersion) string { return fmt.Sprintf("%010d", math.MaxInt32-v.Number) })
}

type configDiffInput struct {
	ConfigPath
	From int `query:"from" minimum:"0" doc:"Version; 0: nothing." example:"3"`
	To   int `query:"to" minimum:"0" doc:"Version; default: the newest." example:"4"`
}

func (a *api) diffConfigs(ctx context.Context, in *configDiffInput) (*output[slipway.ConfigDiff], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	var from slipway.ConfigVersion
	if in.From > 0 {
		if from, err = a.Configs.Config(ctx, cluster, in.From); err != nil {
			return nil, err
		}
	}
	to, err := a.Configs.Config(ctx, cluster, in.To)
	if err != nil {
		return nil, err
	}
	return &output[slipway.ConfigDiff]{Body: from.Diff(to)}, nil
}

type changeConfigInput struct {
	ConfigPath
	Body slipway.ConfigChange
}

func (a *api) changeConfig(ctx context.Context, in *changeConfigInput) (*output[slipway.ConfigOutcome], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	c := in.Body
	c.Cluster, c.By = cluster, by(ctx, c.By)
	return found(a.Configs.ChangeConfig(ctx, c))
}

// by returns who asks: who it is certain to be, and what the client says only where nobody is known.
func by(ctx context.Context, claimed string) string {
	if p := slipway.PrincipalOf(ctx); p.Kind != slipway.PrincipalSystem {
		return p.Name
	}
	return cmp.Or(claimed, slipway.PrincipalOf(ctx).Name)
}

type (
	configTypeSchema     struct{}
	configDeliverySchema struct{}
)

func (configTypeSchema) Schema(huma.Registry) *huma.Schema { return enum(slipway.ConfigTypes...) }

func (configDeliverySchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.DeliverEnv, slipway.DeliverFile)
}
