package deploy

import (
	"cmp"
	"context"
	"fmt"

	"github.com/slipway-sh/slipway"
)

// Configured fixes the version of the service configuration that d's machines get: that one, the newest for 0, or none if there is none. What
// changes while d waits for its turn is not for d: what was asked for, and approved, is what runs.
func Configured(ctx context.Context, configs slipway.ConfigStore, d *slipway.Deployment, version int) error {
	if configs == nil {
		return nil
	}
	newest, err := configs.Config(ctx, d.Cluster, version)
	if slipway.CodeOf(err) == slipway.NotFound && version == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	d.ConfigVersion = newest.Number
	return nil
}

// Sized gives d the size that a person has given its cluster, as long as slipway.yaml says what it said then. declared is what it says now.
func Sized(ctx context.Context, sizes slipway.SizeStore, d *slipway.Deployment, declared slipway.Size) error {
	d.Declared = d.Environment.Size
	if sizes == nil {
		return nil
	}
	r, err := sizes.Size(ctx, d.Cluster)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil
	}
	if err == nil && r.Declared == declared {
		d.Environment.Size = r.Size
	}
	return err
}

// resized is [Sized] for what was planned a while ago: somebody may have resized the cluster since.
func resized(ctx context.Context, store slipway.Store, sizes slipway.SizeStore, d *slipway.Deployment) error {
	if sizes == nil || d.Declared == (slipway.Size{}) {
		return nil
	}
	d.Environment.Size = d.Declared
	declared := d.Declared
	if d.Kind == slipway.KindRollback {
		var err error
		if declared, err = Declared(ctx, store, *d); err != nil {
			return err
		}
	}
	return Sized(ctx, sizes, d, declared)
}

// Declared returns the size that the slipway.yaml baked last gives d's cluster; if it gives none, what it gave when d was planned.
func Declared(ctx context.Context, store slipway.Store, d slipway.Deployment) (slipway.Size, error) {
	then := cmp.Or(d.Declared, d.Environment.Size)
	spec, err := store.Application(ctx, d.Cluster.Application)
	if slipway.CodeOf(err) == slipway.NotFound {
		return then, nil
	}
	if err != nil {
		return slipway.Size{}, err
	}
	environment, ok := spec.Environments[d.Cluster.Environment]
	if !ok {
		return then, nil
	}
	return withDefaults(environment).Size, nil
}

// Reconfigure returns the request of a deployment that changes nothing but the version of the configuration: the image, the size and all else
// of the machines are those of the group that serves now, and slipway.yaml says how they are moved. If there is nothing to do, skipped says why.
func Reconfigure(ctx context.Context, store slipway.Store, provider slipway.Provider, cluster slipway.Cluster, version int) (req slipway.DeployRequest, skipped string, err error) {
	now, err := Serving(ctx, store, cluster)
	if err != nil {
		return req, "", err
	}
	if now == "" {
		return req, fmt.Sprintf("nothing serves %s in %s yet; what is deployed next gets it", cluster.Application, cluster.Environment), nil
	}
	group, err := provider.ServerGroup(ctx, now)
	if slipway.CodeOf(err) == slipway.NotFound {
		return req, now + ", which served last, is gone; what is deployed next gets it", nil
	}
	if err != nil {
		return req, "", err
	}
	if group.ConfigVersion == version {
		return req, fmt.Sprintf("%s has version %d already", now, version), nil
	}
	records, err := readHistory(ctx, store, cluster)
	if err != nil {
		return req, "", err
	}
	environment := slipway.Environment{Config: group.Config, Limits: group.Limits}
	if made, ok := records.maker(now); ok {
		environment = made.Environment
	}
	// How machines are moved is not what they are: that is as it was said last, and not as a person wanted it once.
	if declared, err := environmentOf(ctx, store, slipway.DeployRequest{Cluster: cluster}); err == nil {
		environment.Strategy, environment.Checks, environment.Healthy = declared.Strategy, declared.Checks, declared.Healthy
		environment.Policy, environment.Prometheus = declared.Policy, declared.Prometheus
	} else if slipway.CodeOf(err) != slipway.NotFound {
		return req, "", err
	}
	environment.Size = group.Size
	return slipway.DeployRequest{Cluster: cluster, Image: string(group.Image), Environment: &environment, ConfigVersion: version}, "", nil
}
