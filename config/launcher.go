// Package config keeps service configuration: versions, one after the other, of what an application is told in an environment. Secrets are
// encrypted where they are stored, and decrypted for machines that are launched alone.
package config

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Launcher implements [slipway.LaunchConfig].
type Launcher struct {
	Store slipway.ConfigStore
	Vault *Vault
}

var _ slipway.LaunchConfig = Launcher{}

// LaunchValues implements [slipway.LaunchConfig].
func (l Launcher) LaunchValues(ctx context.Context, cluster slipway.Cluster, number int) ([]slipway.LaunchValue, error) {
	if number == 0 {
		return nil, nil
	}
	version, err := l.Store.Config(ctx, cluster, number)
	if err != nil {
		return nil, err
	}
	secrets, err := open(ctx, l.Store, l.Vault, version)
	if err != nil {
		return nil, err
	}
	values := make([]slipway.LaunchValue, len(version.Entries))
	for i, e := range version.Entries {
		values[i] = slipway.LaunchValue{Key: e.Key, Deliver: e.Deliver, Value: e.Value}
		if e.Type == slipway.ConfigSecret {
			values[i].Value = secrets[e.Key]
		}
	}
	slices.SortFunc(values, func(a, b slipway.LaunchValue) int { return strings.Compare(a.Key, b.Key) })
	return values, nil
}

// open returns the secrets of a version, none of which is missing.
func open(ctx context.Context, store slipway.ConfigStore, vault *Vault, v slipway.ConfigVersion) (map[string]string, error) {
	if !hasSecrets(v) {
		return map[string]string{}, nil
	}
	sealed, err := store.SealedConfig(ctx, v.Cluster, v.Number)
	if err != nil {
		return nil, err
	}
	secrets, err := vault.Open(sealed)
	if err != nil {
		return nil, err
	}
	for _, e := range v.Entries {
		if _, ok := secrets[e.Key]; !ok && e.Type == slipway.ConfigSecret {
			return nil, slipway.Errorf(slipway.Corrupt, "cannot read the secret %s of version %d of the configuration of %s: it is missing in the store",
				e.Key, v.Number, v.Cluster)
		}
	}
	return secrets, nil
}

func hasSecrets(v slipway.ConfigVersion) bool {
	return slices.ContainsFunc(v.Entries, func(e slipway.ConfigEntry) bool { return e.Type == slipway.ConfigSecret })
}
