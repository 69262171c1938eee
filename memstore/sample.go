package memstore

import (
	"cmp"
	"context"
	"time"

	"github.com/slipway-sh/slipway"
)

type sampleKey struct {
	time  int64
	group string
}

// PutSamples implements [slipway.Store].
func (s *Store) PutSamples(_ context.Context, deployment string, samples []slipway.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.samples[deployment]
	if stored == nil {
		stored = map[sampleKey]slipway.Sample{}
		s.samples[deployment] = stored
	}
	for _, m := range samples {
		stored[sampleKey{m.Time.UnixNano(), m.Group}] = m
	}
	return nil
}

// Samples implements [slipway.Store]; those of one time by group.
func (s *Store) Samples(_ context.Context, deployment string, from, to time.Time) ([]slipway.Sample, error) {
	s.mu.RLock()
	stored := s.samples[deployment]
	s.mu.RUnlock()
	return list(s, stored, 0,
		func(m slipway.Sample) bool {
			return (from.IsZero() || !m.Time.Before(from)) && (to.IsZero() || m.Time.Before(to))
		},
		func(a, b slipway.Sample) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Group, b.Group)) }), nil
}
