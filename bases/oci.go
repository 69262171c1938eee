package bases

import (
	"context"
	"io"
	"strings"

	"github.com/slipway-sh/slipway"
)

// oci resolves "oci:<ref>".
func (r *Resolver) oci(ctx context.Context, ref string, previous *slipway.Base, refresh bool) (slipway.Base, error) {
	digest, err := r.manifest(ctx, ref, previous, refresh)
	if err != nil {
		return slipway.Base{}, missingIsInvalid(err)
	}
	layers, err := r.Layers(ctx, ref, digest)
	if err != nil {
		return slipway.Base{}, err
	}
	return slipway.Base{Digest: digest, Layers: len(layers)}, nil
}

// manifest returns the digest of what ref means.
func (r *Resolver) manifest(ctx context.Context, ref string, previous *slipway.Base, refresh bool) (slipway.Digest, error) {
	switch digest, known := r.memory.digest(ref); {
	case refresh || strings.Contains(ref, "@"):
	case previous != nil:
		return previous.Digest, nil
	case known:
		return digest, nil
	}
	digest, err := r.registry.Resolve(ctx, ref)
	if err != nil {
		return "", err
	}
	return digest, r.memory.keepDigest(ref, digest)
}

// Layers returns the layers of a registry's image, as [slipway.Registry] has it, and asks the registry only once: a manifest never changes.
func (r *Resolver) Layers(ctx context.Context, ref string, manifest slipway.Digest) ([]slipway.RemoteLayer, error) {
	if layers, known := r.memory.layers(manifest); known {
		return layers, nil
	}
	layers, err := r.registry.Layers(ctx, ref, manifest)
	if err != nil {
		return nil, missingIsInvalid(err)
	}
	return layers, r.memory.keepLayers(manifest, layers)
}

// FetchLayer fetches a layer from the registry, as [slipway.Registry] has it.
func (r *Resolver) FetchLayer(ctx context.Context, ref string, layer slipway.RemoteLayer, take func(io.Reader) error) error {
	return r.registry.FetchLayer(ctx, ref, layer, take)
}

// missingIsInvalid makes of a registry that has no such image a mistake in the specification.
func missingIsInvalid(err error) error {
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Errorf(slipway.Invalid, "%w", err)
	}
	return err
}
