package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Lists = (*Store)(nil)

// ListBakes implements [slipway.Lists].
func (s *Store) ListBakes(_ context.Context, f slipway.BakeFilter, after slipway.Mark, limit int) ([]slipway.Bake, error) {
	return list(s, s.bakes, limit, func(b slipway.Bake) bool {
		return is(f.Application, b.Application) && oneOf(f.States, b.State) && beyond(after, b.Started, b.ID)
	}, func(a, b slipway.Bake) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// ListDeployments implements [slipway.Lists].
func (s *Store) ListDeployments(_ context.Context, f slipway.DeploymentFilter, after slipway.Mark, limit int) ([]slipway.Deployment, error) {
	return list(s, s.deployments, limit, func(d slipway.Deployment) bool {
		return is(f.Cluster.Application, d.Cluster.Application) && is(f.Cluster.Environment, d.Cluster.Environment) && oneOf(f.States, d.State) &&
			is(string(f.Kind), string(d.Kind)) && is(string(f.Image), string(d.Image)) && is(f.Execution, d.Execution) && is(f.By, d.By) &&
			beyond(after, d.Started, d.ID)
	}, func(a, b slipway.Deployment) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// ListExecutions implements [slipway.Lists].
func (s *Store) ListExecutions(_ context.Context, f slipway.ExecutionFilter, after slipway.Mark, limit int) ([]slipway.Execution, error) {
	return list(s, s.executions, limit, func(e slipway.Execution) bool {
		return is(f.Application, e.Application) && oneOf(f.States, e.State) && is(string(f.Image), string(e.Image)) && beyond(after, e.Started, e.ID)
	}, func(a, b slipway.Execution) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// ListImages implements [slipway.Lists].
func (s *Store) ListImages(_ context.Context, f slipway.ImageFilter, after slipway.Mark, limit int) ([]slipway.Image, error) {
	return list(s, s.images, limit, func(i slipway.Image) bool {
		return is(f.Application, i.Application) && oneOf(f.States, i.State) && (!f.Revoked || i.Revoked != nil) && beyond(after, i.Created, string(i.Digest))
	}, func(a, b slipway.Image) int { return newest(a.Created, b.Created, string(a.Digest), string(b.Digest)) }), nil
}

// ListReleases implements [slipway.Lists].
func (s *Store) ListReleases(_ context.Context, f slipway.ReleaseFilter, after slipway.Mark, limit int) ([]slipway.Release, error) {
	return list(s, s.releases, limit, func(r slipway.Release) bool {
		return is(f.Environment, r.Environment) && oneOf(f.States, r.State) && beyond(after, r.Started, r.ID)
	}, func(a, b slipway.Release) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// beyond reports whether what has the time and the ID comes after the mark.
func beyond(after slipway.Mark, at time.Time, id string) bool {
	return after.IsZero() || newest(after.Time, at, after.ID, id) < 0
}

// oneOf reports whether got is one of those wanted, or all are.
func oneOf[T comparable](want []T, got T) bool { return len(want) == 0 || slices.Contains(want, got) }
