package memstore

import (
	"context"

	"github.com/slipway-sh/slipway"
)

// CreateDeployment implements [slipway.Store].
func (s *Store) CreateDeployment(_ context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, ok := s.deployments[d.ID]
	turn := stored.State == slipway.DeploymentQueued && d.State != slipway.DeploymentQueued // it has waited, and begins
	if ok && !turn {
		return Copied(stored), nil
	}
	image, ok := s.images[d.Image]
	if !ok {
		return slipway.Deployment{}, missing("image " + string(d.Image))
	}
	if err := image.NotRevoked("deploy " + d.Cluster.Application + " to " + d.Cluster.Environment); err != nil {
		return slipway.Deployment{}, err
	}
	if d.State != slipway.DeploymentQueued && d.Target == "" {
		if err := s.nameGroups(&d); err != nil {
			return slipway.Deployment{}, err
		}
	}
	s.deployments[d.ID] = Copied(d)
	return Copied(d), nil
}

// PutDeployment implements [slipway.Store].
func (s *Store) PutDeployment(_ context.Context, d slipway.Deployment) error {
	put(s, s.deployments, d.ID, d)
	return nil
}

// Deployment implements [slipway.Store].
func (s *Store) Deployment(_ context.Context, id string) (slipway.Deployment, error) {
	return get(s, s.deployments, id, "deployment "+quote(id))
}

// Deployments implements [slipway.Store]; without bound for a limit below 1.
func (s *Store) Deployments(_ context.Context, cluster slipway.Cluster, limit int) ([]slipway.Deployment, error) {
	return list(s, s.deployments, limit,
		func(d slipway.Deployment) bool {
			return is(cluster.Application, d.Cluster.Application) && is(cluster.Environment, d.Cluster.Environment)
		},
		func(a, b slipway.Deployment) int { return newest(a.Started, b.Started, a.ID, b.ID) }), nil
}

// nameGroups gives a deployment the names of the server groups that it will make. mu must be held.
func (s *Store) nameGroups(d *slipway.Deployment) error {
	for other := range s.numbers {
		if other.String() == d.Cluster.String() && other != d.Cluster {
			return slipway.Errorf(slipway.Conflict, "cannot name a server group %s: those of %s in %s are called so",
				d.Cluster.GroupName(1), other.Application, other.Environment)
		}
	}
	s.numbers[d.Cluster]++
	d.Target = d.Cluster.GroupName(s.numbers[d.Cluster])
	if d.Environment.Strategy.HasBaseline() && d.Kind != slipway.KindRollback {
		s.numbers[d.Cluster]++
		d.Baseline = d.Cluster.GroupName(s.numbers[d.Cluster])
	}
	return nil
}
