package memstore

import (
	"cmp"
	"context"

	"github.com/slipway-sh/slipway"
)

// PutRestriction implements [slipway.Store]. Another is in force if it is when r begins.
func (s *Store) PutRestriction(_ context.Context, r slipway.Restriction) (slipway.Restriction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first *slipway.Restriction
	for _, other := range s.restrictions {
		alike := other.Kind == r.Kind && other.Cluster == r.Cluster && other.Image == r.Image && other.ID != r.ID
		if alike && other.Holds(r.Since) && (first == nil || oldest(other, *first) < 0) {
			first = &other
		}
	}
	if first != nil {
		return *first, nil
	}
	s.restrictions[r.ID] = r
	return r, nil
}

// DeleteRestriction implements [slipway.Store].
func (s *Store) DeleteRestriction(_ context.Context, id string) (slipway.Restriction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := find(s.restrictions, id, "restriction "+quote(id))
	delete(s.restrictions, id)
	return r, err
}

// Restrictions implements [slipway.Store].
func (s *Store) Restrictions(context.Context) ([]slipway.Restriction, error) {
	return list(s, s.restrictions, 0, nil, oldest), nil
}

func oldest(a, b slipway.Restriction) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}
