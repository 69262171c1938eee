package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// What the parts of an image are called in its OCI manifest.
const (
	ArtifactType    = "application/vnd.slipway.machine.v1"
	ConfigMediaType = "application/vnd.slipway.machine.config.v1+json"
	LayerMediaType  = "application/vnd.slipway.layer.v1.erofs"

	annotationApplication = "dev.slipway.application"
	annotationStep        = "dev.slipway.step"
)

// maxManifest bounds what is read as a manifest or config.
const maxManifest = 16 << 20

// config is the config blob of an image: what of [slipway.Image] its layers do not say and its digest covers.
type config struct {
	Application  string          `json:"application"`
	From         string          `json:"from"`
	Service      slipway.Service `json:"service"`
	Irreversible bool            `json:"irreversible,omitempty"`
	Layers       []configLayer   `json:"layers"`
}

type configLayer struct {
	Step string         `json:"step"`
	Key  slipway.Digest `json:"key"`
	Lock slipway.Digest `json:"lock,omitempty"` // of the blob that is the Lock of the layer's packages
}

// WriteImage stores the config and manifest of an image whose layers are stored, lists it in the layout's index, and returns
// its digest. The digest depends on the application, base, layers, service and irreversibility alone. Writing an image again is a no-op.
// NotFound if a layer is not stored.
func (s *Store) WriteImage(ctx context.Context, image slipway.Image) (slipway.Digest, error) {
	c := config{Application: image.Application, From: image.From, Service: image.Service, Irreversible: image.Irreversible, Layers: []configLayer{}}
	layers := []specs.Descriptor{}
	for _, l := range image.Layers {
		if err := l.Digest.Validate(); err != nil {
			return "", err
		}
		if !s.Has(l.Digest) { // whoever has built it holds it
			return "", slipway.Errorf(slipway.NotFound, "cannot write the image: its layer %s is not stored", l.Digest)
		}
		c.Layers = append(c.Layers, configLayer{l.Step, l.Key, l.Lock})
		d := specs.Descriptor{MediaType: LayerMediaType, Digest: digest.Digest(l.Digest), Size: l.Size}
		if l.Step != "" {
			d.Annotations = map[string]string{annotationStep: l.Step}
		}
		layers = append(layers, d)
	}
	configDesc, err := s.putJSON(ctx, ConfigMediaType, c)
	if err != nil {
		return "", err
	}
	desc, err := s.putJSON(ctx, specs.MediaTypeImageManifest, specs.Manifest{
		Versioned:    oci.Versioned{SchemaVersion: 2},
		MediaType:    specs.MediaTypeImageManifest,
		ArtifactType: ArtifactType,
		Config:       configDesc,
		Layers:       layers,
		Annotations:  map[string]string{annotationApplication: image.Application},
	})
	if err != nil {
		return "", err
	}
	desc.ArtifactType = ArtifactType
	return slipway.Digest(desc.Digest), s.list(desc)
}

// ReadImage returns what the digest covers: application, base, layers, service and irreversibility. NotFound if the image is not stored, Corrupt
// if its manifest or config is not what was stored, Invalid if the blob is no machine image. It does not look at the layers.
func (s *Store) ReadImage(ctx context.Context, d slipway.Digest) (slipway.Image, error) {
	var m specs.Manifest
	if err := s.getJSON(ctx, d, &m); err != nil {
		return slipway.Image{}, err
	}
	if m.ArtifactType != ArtifactType || m.Config.MediaType != ConfigMediaType {
		return slipway.Image{}, slipway.Errorf(slipway.Invalid, "cannot use %s: it is no machine image", d)
	}
	var c config
	if err := s.getJSON(ctx, slipway.Digest(m.Config.Digest), &c); err != nil {
		return slipway.Image{}, err
	}
	if len(c.Layers) != len(m.Layers) {
		return slipway.Image{}, slipway.Errorf(slipway.Invalid, "cannot use %s: it has %d layers and describes %d", d, len(m.Layers), len(c.Layers))
	}
	image := slipway.Image{Digest: d, Application: c.Application, From: c.From, Service: c.Service, Irreversible: c.Irreversible}
	for i, l := range m.Layers {
		if err := slipway.Digest(l.Digest).Validate(); err != nil {
			return slipway.Image{}, err
		}
		image.Layers = append(image.Layers, slipway.LayerInfo{
			Digest: slipway.Digest(l.Digest), Size: l.Size, Step: c.Layers[i].Step, Key: c.Layers[i].Key, Lock: c.Layers[i].Lock,
		})
	}
	return image, nil
}

// putJSON stores v, durably. encoding/json sorts the keys of maps, so the same v always has the same digest.
func (s *Store) putJSON(ctx context.Context, mediaType string, v any) (specs.Descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return specs.Descriptor{}, fmt.Errorf("write image: %w", err)
	}
	return s.putText(ctx, mediaType, text)
}

// putText stores a text, durably. What is stored under its digest and is not what was stored is replaced, so that baking an image again
// heals it.
func (s *Store) putText(ctx context.Context, mediaType string, text []byte) (specs.Descriptor, error) {
	desc := specs.Descriptor{MediaType: mediaType, Digest: digest.Digest(slipway.DigestOf(text)), Size: int64(len(text))}
	if _, err := s.use(slipway.Digest(desc.Digest)); err != nil {
		return desc, err
	}
	switch err := s.Check(ctx, slipway.Digest(desc.Digest)); slipway.CodeOf(err) {
	case "":
		return desc, nil
	case slipway.NotFound, slipway.Corrupt:
	default:
		return desc, err
	}
	b, err := s.newBlob(ctx, true)
	if err != nil {
		return specs.Descriptor{}, err
	}
	defer b.discard()
	if _, err := b.Write(text); err != nil {
		return specs.Descriptor{}, s.writeError("the image", err)
	}
	return desc, b.commit()
}

// list adds the manifest to the layout's index.
func (s *Store) list(desc specs.Descriptor) error {
	if err := s.index.add(desc); err != nil {
		return s.writeError("index.json", err)
	}
	return nil
}

func (s *Store) getJSON(ctx context.Context, d slipway.Digest, v any) error {
	f, err := s.openFile(d)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(withContext{ctx, f}, maxManifest))
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	if got := slipway.DigestOf(text); got != d {
		return slipway.Errorf(slipway.Corrupt, "cannot read image part %s: its content has the digest %s", d, got)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot use %s: it is no machine image: %w", d, err)
	}
	return nil
}
