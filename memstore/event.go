package memstore

import (
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

// AppendEvent implements [slipway.Store].
func (s *Store) AppendEvent(_ context.Context, e slipway.Event) (slipway.Event, error) {
	e = Copied(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Seq = int64(len(s.events) + 1)
	s.events = append(s.events, e)
	return Copied(e), nil
}

// Events implements [slipway.Store]; without bound for a limit below 1.
func (s *Store) Events(_ context.Context, filter slipway.EventFilter, limit int) ([]slipway.Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := []slipway.Event{}
	from := min(max(filter.After, 0), int64(len(s.events))) // they are numbered from one
	for _, e := range s.events[from:] {
		if filter.Matches(e) {
			found = append(found, e)
		}
		if limit > 0 && len(found) == limit && !filter.Newest {
			break
		}
	}
	if limit > 0 && len(found) > limit {
		found = slices.Clone(found[len(found)-limit:])
	}
	return Copied(found), nil
}
