package deploy

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/restrict"
)

// PlanDeploy returns the deployment that req asks for, to be given an ID and started. NotFound if the image or the
// environment is unknown, Refused if the image is not ready, revoked or vetoed, or if a freeze or a pin forbids it and is not overridden,
// Conflict as [Nameable].
func PlanDeploy(ctx context.Context, store slipway.Store, req slipway.DeployRequest) (slipway.Deployment, error) {
	d := slipway.Deployment{Kind: slipway.KindDeploy, Cluster: req.Cluster, Hotfix: req.Hotfix, Reason: req.Reason, By: req.By}
	if err := Nameable(ctx, store, req.Cluster); err != nil {
		return d, err
	}
	image, err := store.FindImage(ctx, req.Cluster.Application, req.Image)
	if err != nil {
		return d, err
	}
	if err := deployable(image, What(d)); err != nil {
		return d, err
	}
	environment, err := environmentOf(ctx, store, req)
	if err != nil {
		return d, err
	}
	if req.Strategy != nil {
		environment.Strategy = *req.Strategy
		if err := environment.Validate(); err != nil {
			return d, err
		}
	}
	if req.OnConflict != "" {
		environment.Policy.OnConflict = req.OnConflict
	}
	if environment.LoadBalancer != nil && image.Service.Port == 0 {
		return d, slipway.Errorf(slipway.Invalid, "cannot deploy %s to %s: it is behind a load balancer and the service of image %s has no port",
			req.Cluster.Application, req.Cluster.Environment, image.Digest.Short())
	}
	d.Image, d.Environment, d.Irreversible = image.Digest, withDefaults(environment), image.Irreversible
	return d, admitted(ctx, store, &d, req.Override, req.Force)
}

// admitted returns a Refused error if something forbids the deployment, unless it is to be overridden, which is noted in d.
func admitted(ctx context.Context, store slipway.Store, d *slipway.Deployment, override, force bool) error {
	if (override || force || d.Hotfix) && d.Reason == "" {
		return slipway.Errorf(slipway.Invalid, "cannot %s: to override, to force and to jump the queue want a reason", What(*d)).At("reason")
	}
	if force {
		d.Forced = d.Reason
	}
	if override {
		all, err := store.Restrictions(ctx)
		if err != nil {
			return err
		}
		for _, r := range restrict.Forbids(all, restrict.Subject{Cluster: d.Cluster, Image: d.Image, Kind: d.Kind}, time.Now()) {
			if r.Kind != slipway.RestrictionVeto {
				d.Override = append(d.Override, fmt.Sprintf("%s %s (%s): %s", r.Kind, r.ID, r.Reason, d.Reason))
			}
		}
	}
	return Admit(ctx, store, *d, time.Now())
}

// Nameable returns a Conflict if another cluster has the names that this one's load balancer and server groups would have, as "a-b"
// in "c" has those of "a" in "b-c". The store lets only one of them have a server group, should both begin at once.
func Nameable(ctx context.Context, store slipway.Store, cluster slipway.Cluster) error {
	name := cluster.String()
	for i := range len(name) {
		if name[i] != '-' || i == 0 || i == len(name)-1 || i == len(cluster.Application) {
			continue
		}
		other := slipway.Cluster{Application: name[:i], Environment: name[i+1:]}
		records, err := readHistory(ctx, store, other)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(records, func(d slipway.Deployment) bool { return d.Target != "" }) {
			return slipway.Errorf(slipway.Conflict, "cannot deploy %s to %s: its load balancer and server groups would be called %s, as those of %s in %s are; rename the application or the environment",
				cluster.Application, cluster.Environment, name, other.Application, other.Environment)
		}
	}
	return nil
}

// environmentOf returns the environment that req brings along, or that of the slipway.yaml baked last.
func environmentOf(ctx context.Context, store slipway.Store, req slipway.DeployRequest) (slipway.Environment, error) {
	if req.Environment != nil {
		return *req.Environment, nil
	}
	spec, err := store.Application(ctx, req.Cluster.Application)
	if err != nil {
		return slipway.Environment{}, err
	}
	environment, ok := spec.Environments[req.Cluster.Environment]
	if !ok {
		return environment, slipway.Errorf(slipway.NotFound, "cannot deploy %s to %s: its slipway.yaml defines no such environment", req.Cluster.Application, req.Cluster.Environment)
	}
	return environment, nil
}

// PlanRollback returns the deployment that brings back what the cluster ran before, to be given an ID and started: to the recorded source
// of the deployment that made the group that serves now, or, if req names an image, to the group that served it last. Its
// Target is that very group, or empty if the group is gone or broken and must be made again. Refused if there is nothing to
// roll back to. What it went back to and failed is planned again by naming the group.
func PlanRollback(ctx context.Context, store slipway.Store, provider slipway.Provider, req slipway.RollbackRequest) (slipway.Deployment, error) {
	cluster := req.Cluster
	refuse := func(format string, args ...any) (slipway.Deployment, error) {
		e := slipway.Errorf(slipway.Refused, format, args...)
		e.Message = "cannot " + What(slipway.Deployment{Kind: slipway.KindRollback, Cluster: cluster}) + ": " + e.Message
		return slipway.Deployment{}, e
	}
	now, _, err := serving(ctx, store, cluster)
	if err != nil {
		return slipway.Deployment{}, err
	}
	records, err := readHistory(ctx, store, cluster)
	if err != nil {
		return slipway.Deployment{}, err
	}
	if len(records) == 0 {
		return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot roll %s back in %s: it was never deployed there", cluster.Application, cluster.Environment)
	}
	if now == "" {
		return refuse("nothing serves there")
	}
	made, _ := records.maker(now)

	destination := req.Group
	switch {
	case destination == now:
		return refuse("%s serves already", now)
	case destination != "":
	case req.Image == "":
		line := records.lineage(now)
		if len(line) == 0 {
			return refuse("there is nothing to roll back to, %s came first", now)
		}
		destination = line[0]
		for _, group := range line { // what was deployed again and again is left at once
			if was, ok := records.maker(group); !ok || !same(was, made) {
				destination = group
				break
			}
		}
	default:
		image, err := store.FindImage(ctx, cluster.Application, req.Image)
		if err != nil {
			return slipway.Deployment{}, err
		}
		if image.Digest == made.Image {
			return refuse("image %s serves already, as %s", image.Digest.Short(), now)
		}
		if destination = records.ran(image.Digest); destination == "" {
			return refuse("image %s never served there; deploy it", image.Digest.Short())
		}
	}
	was, ok := records.maker(destination)
	if !ok {
		return refuse("the record of %s is gone; deploy the image you want", destination)
	}
	if same(was, made) {
		return refuse("%s is of the same image and configuration as %s", destination, now)
	}
	image, err := store.Image(ctx, was.Image)
	if err != nil {
		return slipway.Deployment{}, err
	}
	d := slipway.Deployment{
		Kind: slipway.KindRollback, Cluster: cluster, Image: was.Image, Environment: was.Environment, ConfigVersion: was.ConfigVersion, Source: now,
		Reason: req.Reason, By: req.By,
	}
	if err := deployable(image, What(d)); err != nil {
		return slipway.Deployment{}, err
	}
	group, err := provider.ServerGroup(ctx, destination)
	switch {
	case err != nil && slipway.CodeOf(err) != slipway.NotFound:
		return slipway.Deployment{}, err
	case err == nil && startable(group, was.Environment):
		d.Target = destination
	default:
		d.Clone = destination
	}
	return d, admitted(ctx, store, &d, req.Override, req.Force)
}

// ran returns the group that served the image last, "" if none did.
func (h history) ran(image slipway.Digest) string {
	for _, d := range h {
		if d.State == slipway.DeploymentSucceeded && d.Image == image && took(d) {
			return d.Target
		}
	}
	return ""
}

// deployable returns a Refused error unless the image is tested and not revoked. doing follows "cannot".
func deployable(image slipway.Image, doing string) error {
	switch image.State {
	case slipway.ImageReady:
		if image.IsBase() {
			return slipway.Errorf(slipway.Refused, "cannot deploy %s image %s: it runs nothing, it is a base that other images start from", image.Application, image.Digest.Short())
		}
		return image.NotRevoked(doing)
	case slipway.ImageFailed:
		return slipway.Errorf(slipway.Refused, "cannot deploy %s image %s: its tests failed", image.Application, image.Digest.Short())
	default:
		return slipway.Errorf(slipway.Refused, "cannot deploy %s image %s: it is not tested yet", image.Application, image.Digest.Short())
	}
}

// startable reports whether the group can serve as it is, or, one of workers at size zero, as soon as it is resized.
func startable(group slipway.ServerGroup, environment slipway.Environment) bool {
	if environment.LoadBalancer == nil && group.Size.Desired == 0 {
		return true
	}
	return group.Size.Desired > 0 && group.Healthy() >= group.Size.Desired
}

// same reports whether the groups that two deployments made are alike in all that decides what they do.
func same(a, b slipway.Deployment) bool {
	return a.Image == b.Image && a.ConfigVersion == b.ConfigVersion && maps.Equal(a.Environment.Config, b.Environment.Config) && a.Environment.Limits == b.Environment.Limits &&
		a.Environment.Size == b.Environment.Size && reflect.DeepEqual(a.Environment.LoadBalancer, b.Environment.LoadBalancer)
}

func withDefaults(e slipway.Environment) slipway.Environment {
	if e.Size == (slipway.Size{}) {
		e.Size = slipway.Size{Min: 1, Desired: 1, Max: 1}
	}
	e.Healthy = slipway.Duration(e.Healthy.Or(defaultHealthy))
	return e
}
