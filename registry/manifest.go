package registry

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// platformOS is what machines run.
const platformOS = "linux"

// maxLayer bounds what a layer says it is long, in bytes.
const maxLayer = 1 << 40

// Resolve implements [slipway.Registry].
func (c *Client) Resolve(ctx context.Context, ref string) (slipway.Digest, error) {
	r, err := c.parse(ref)
	if err != nil {
		return "", err
	}
	if d, ok := r.(name.Digest); ok {
		return slipway.Digest(d.DigestStr()), nil
	}
	desc, err := c.manifest(ctx, purpose{"look up", ref, r}, r)
	if err != nil {
		return "", err
	}
	chosen, err := choose(ref, desc)
	if err != nil {
		return "", err
	}
	return chosen, chosen.Validate()
}

// Layers implements [slipway.Registry].
func (c *Client) Layers(ctx context.Context, ref string, manifest slipway.Digest) ([]slipway.RemoteLayer, error) {
	r, err := c.parse(ref)
	if err != nil {
		return nil, err
	}
	m, err := c.imageManifest(ctx, ref, r, manifest)
	if err != nil {
		return nil, err
	}
	if m.ArtifactType == image.ArtifactType || string(m.Config.MediaType) == image.ConfigMediaType {
		return nil, slipway.Errorf(slipway.Invalid,
			"cannot start from %s: it is a machine image of Slipway; take it with `slipway image pull %s` and write image.from: image:<application>",
			ref, ref)
	}
	layers := make([]slipway.RemoteLayer, len(m.Layers))
	for i, l := range m.Layers {
		layers[i] = slipway.RemoteLayer{Digest: slipway.Digest(l.Digest.String()), Size: l.Size, MediaType: string(l.MediaType)}
		if err := usable(l); err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot start from %s: layer %d of %d: %s", ref, i+1, len(m.Layers), err)
		}
	}
	return layers, nil
}

// imageManifest returns the manifest of an image, or, if the digest is that of an index, of the index's image for this host.
func (c *Client) imageManifest(ctx context.Context, ref string, r name.Reference, digest slipway.Digest) (*v1.Manifest, error) {
	doing := purpose{"look up", ref, r}
	desc, err := c.manifest(ctx, doing, at(r, digest))
	if err != nil {
		return nil, err
	}
	chosen, err := choose(ref, desc)
	if err != nil {
		return nil, err
	}
	if chosen != digest {
		if desc, err = c.manifest(ctx, doing, at(r, chosen)); err != nil {
			return nil, err
		}
		if !desc.MediaType.IsImage() {
			return nil, slipway.Errorf(slipway.Invalid, "cannot use %s: what its index lists for this host is no image but %q", ref, desc.MediaType)
		}
	}
	m, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use %s: its manifest cannot be read: %w", ref, err)
	}
	return m, nil
}

// manifest gets a manifest and looks whether it is what the digest names, if r has one.
func (c *Client) manifest(ctx context.Context, doing purpose, r name.Reference) (*remote.Descriptor, error) {
	puller, err := c.puller()
	if err != nil {
		return nil, fmt.Errorf("speak to registries: %w", err)
	}
	var desc *remote.Descriptor
	err = c.attempt(ctx, doing, func(ctx context.Context) error {
		return watched(ctx, c.patience.Answer, func(ctx context.Context, _ func()) (err error) {
			desc, err = puller.Get(ctx, r)
			return err
		})
	})
	return desc, err
}

// choose returns the digest of an image's own manifest, or of that which an index lists for this host.
func choose(ref string, desc *remote.Descriptor) (slipway.Digest, error) {
	switch {
	case desc.MediaType.IsImage():
		return slipway.Digest(desc.Digest.String()), nil
	case desc.MediaType.IsSchema1():
		return "", slipway.Errorf(slipway.Invalid,
			"cannot use %s: its manifest is of Docker's old form (schema 1), which has no digests to rely on; push it anew with a current tool", ref)
	case !desc.MediaType.IsIndex():
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s: it is no image but %q", ref, said(string(desc.MediaType)))
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s: its index cannot be read: %w", ref, err)
	}
	var has []string
	for _, m := range index.Manifests {
		if m.Platform == nil || m.Platform.OS == "unknown" { // attestations of BuildKit call themselves that
			continue
		}
		if m.Platform.OS == platformOS && m.Platform.Architecture == runtime.GOARCH {
			return slipway.Digest(m.Digest.String()), nil
		}
		has = append(has, said(m.Platform.String()))
	}
	slices.Sort(has)
	return "", slipway.Errorf(slipway.Invalid, "cannot use %s: it has no image for %s/%s, only for: %s",
		ref, platformOS, runtime.GOARCH, strings.Join(slices.Compact(has), ", "))
}

// usable returns why a layer cannot be unpacked.
func usable(l v1.Descriptor) error {
	switch l.MediaType {
	case types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer, types.DockerLayer, types.DockerUncompressedLayer:
	case types.OCIRestrictedLayer, types.OCIUncompressedRestrictedLayer, types.DockerForeignLayer:
		return fmt.Errorf("it must not be distributed (%s), and is kept elsewhere", l.MediaType)
	default:
		return fmt.Errorf("it is no tar archive but %q", said(string(l.MediaType)))
	}
	if l.Size < 0 || l.Size > maxLayer {
		return fmt.Errorf("it cannot be %d bytes long", l.Size)
	}
	return slipway.Digest(l.Digest.String()).Validate()
}
