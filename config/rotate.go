package config

import (
	"context"

	"filippo.io/age"

	"github.com/slipway-sh/slipway"
)

// Rotate seals all secrets for a new key, and removes the old one when nothing is sealed for it any more. It returns how many versions
// it has sealed anew. No process may use the vault meanwhile. It may be cut off at any moment and done again: until its end the file
// has both keys.
func Rotate(ctx context.Context, v *Vault, store slipway.ConfigStore) (versions int, err error) {
	v.mu.Lock()
	old := v.identities
	v.mu.Unlock()
	all, err := store.Configs(ctx, slipway.Cluster{}, 0)
	if err != nil {
		return 0, err
	}
	// Before anything is changed: all of it can be opened.
	for _, c := range all {
		sealed, err := store.SealedConfig(ctx, c.Cluster, c.Number)
		if err != nil {
			return 0, err
		}
		if _, err := v.Open(sealed); err != nil {
			return 0, err
		}
	}
	next, err := age.GenerateX25519Identity()
	if err != nil {
		return 0, err
	}
	if err := v.replace(append([]*age.X25519Identity{next}, old...)...); err != nil {
		return 0, err
	}
	for _, c := range all {
		sealed, err := store.SealedConfig(ctx, c.Cluster, c.Number)
		if err != nil || len(sealed) == 0 {
			if err == nil {
				continue
			}
			return versions, err
		}
		values, err := v.Open(sealed)
		if err != nil {
			return versions, err
		}
		if sealed, err = v.Seal(values, false); err != nil {
			return versions, err
		}
		if err := store.ResealConfig(ctx, c.Cluster, c.Number, sealed); err != nil {
			return versions, err
		}
		versions++
	}
	return versions, v.replace(next)
}

func (v *Vault) replace(identities ...*age.X25519Identity) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.store(identities...)
}
