package registry

import (
	"context"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
)

// keychain takes credentials from Docker's configuration, and tells its own trouble from the registry's.
type keychain struct{}

var _ authn.ContextKeychain = keychain{}

// Resolve implements authn.Keychain.
func (k keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements authn.ContextKeychain.
func (keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	found, err := authn.Resolve(ctx, authn.DefaultKeychain, target)
	if err != nil {
		return nil, credentialsError{err}
	}
	return found, nil
}

// credentialsError says that the file of credentials, or a program that it names, is of no use.
type credentialsError struct{ err error }

func (e credentialsError) Error() string { return e.err.Error() }

func (e credentialsError) Unwrap() error { return e.err }

// credentials returns the file that credentials are looked for in.
func credentials() string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "$DOCKER_CONFIG/config.json"
		}
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json")
}
