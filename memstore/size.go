package memstore

import (
	"context"

	"github.com/slipway-sh/slipway"
)

var _ slipway.SizeStore = (*Store)(nil)

// PutSize implements [slipway.SizeStore].
func (s *Store) PutSize(_ context.Context, r slipway.Resizing) error {
	put(s, s.sizes, r.Cluster, r)
	return nil
}

// Size implements [slipway.SizeStore].
func (s *Store) Size(_ context.Context, cluster slipway.Cluster) (slipway.Resizing, error) {
	return get(s, s.sizes, cluster, "a size that was set by hand of "+quote(cluster.Application)+" in "+quote(cluster.Environment))
}

// DeleteSize implements [slipway.SizeStore].
func (s *Store) DeleteSize(_ context.Context, cluster slipway.Cluster) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sizes, cluster)
	return nil
}
