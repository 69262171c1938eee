package image

import (
	"context"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// AdoptImage lists an image whose manifest, config and layers are stored already, as they came from a registry, and returns it as
// [Store.ReadImage] does. They are on disk, and known to be whole, when it returns. Adopting again is a no-op. NotFound if a part is not
// stored, Corrupt if one is not what its digest names, Invalid if a layer has another size than the manifest says.
func (s *Store) AdoptImage(ctx context.Context, d slipway.Digest) (slipway.Image, error) {
	image, err := s.ReadImage(ctx, d)
	if err != nil {
		return slipway.Image{}, err
	}
	var m specs.Manifest
	if err := s.getJSON(ctx, d, &m); err != nil {
		return slipway.Image{}, err
	}
	for i, l := range image.Layers {
		size, err := s.size(l.Digest)
		if err != nil {
			return slipway.Image{}, err
		}
		if size != l.Size {
			return slipway.Image{}, slipway.Errorf(slipway.Invalid, "cannot use %s: its layer %d has %d bytes, its manifest says %d", d, i+1, size, l.Size)
		}
	}
	for _, part := range append([]specs.Descriptor{m.Config, {Digest: digest.Digest(d)}}, m.Layers...) {
		if err := s.Check(ctx, slipway.Digest(part.Digest)); err != nil {
			return slipway.Image{}, err
		}
		if err := s.settle(slipway.Digest(part.Digest)); err != nil {
			return slipway.Image{}, err
		}
	}
	if err := s.syncBlobs(); err != nil {
		return slipway.Image{}, err
	}
	size, err := s.size(d)
	if err != nil {
		return slipway.Image{}, err
	}
	return image, s.list(specs.Descriptor{MediaType: specs.MediaTypeImageManifest, Digest: digest.Digest(d), Size: size, ArtifactType: ArtifactType})
}

// settle waits until a blob that PutBlob stored is on disk.
func (s *Store) settle(d slipway.Digest) error {
	f, err := s.openFile(d)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return s.writeError("blob "+d.Short(), err)
	}
	return nil
}
