package registry

import (
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/slipway-sh/slipway"
)

// parse reads a reference. Without a registry it means Docker Hub, without a tag "latest", as everywhere.
func (c *Client) parse(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err == nil && c.insecure[r.Context().RegistryStr()] {
		r, err = name.ParseReference(ref, name.Insecure)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid,
			"cannot use %q to name an image in a registry: want a form such as registry.example.com/team/base:1.2 or …@sha256:…", ref)
	}
	if d, ok := r.(name.Digest); ok {
		if err := slipway.Digest(d.DigestStr()).Validate(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// at returns the manifest with the digest, in the repository of r.
func at(r name.Reference, d slipway.Digest) name.Digest { return r.Context().Digest(string(d)) }
