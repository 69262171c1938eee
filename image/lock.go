package image

import (
	"context"

	"github.com/slipway-sh/slipway"
)

// WriteLock stores the lock of a layer's packages, durably, and returns the digest for [slipway.LayerInfo]. The same lock has the same
// digest. The packages themselves are blobs that must be stored for as long as the lock is meant to be of use.
func (s *Store) WriteLock(ctx context.Context, lock slipway.Lock) (slipway.Digest, error) {
	if lock.Packages == nil {
		lock.Packages = []slipway.LockedPackage{}
	}
	desc, err := s.putJSON(ctx, "", lock)
	return slipway.Digest(desc.Digest), err
}

// ReadLock returns a stored lock. NotFound if it is not stored, Corrupt if it is not what was stored.
func (s *Store) ReadLock(ctx context.Context, d slipway.Digest) (lock slipway.Lock, err error) {
	err = s.getJSON(ctx, d, &lock)
	return lock, err
}
