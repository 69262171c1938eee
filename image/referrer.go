package image

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// Referrer is a document about an image as it is stored: an OCI manifest that has the image's as its subject and the document as its
// only layer.
type Referrer struct {
	Manifest    slipway.Digest
	Type        string
	Body        slipway.Digest
	Size        int64 // of the body, bytes
	Annotations map[string]string
}

// PutReferrer stores a document about the image, durably, and returns the digest of its manifest, which depends on subject, type, body
// and annotations alone. Storing it again is a no-op. NotFound if the image is not stored.
func (s *Store) PutReferrer(
	ctx context.Context, subject slipway.Digest, artifactType string, body []byte, annotations map[string]string,
) (slipway.Digest, error) {
	desc, err := s.writeReferrer(ctx, subject, slipway.Document{Type: artifactType, Body: body, Annotations: annotations})
	if err != nil {
		return "", err
	}
	return slipway.Digest(desc.Digest), s.amendReferrers(ctx, subject, func(list []specs.Descriptor) []specs.Descriptor {
		return append(list, desc)
	})
}

// ReplaceReferrers stores documents about the image, durably and all or none, in place of those it has of the same types. NotFound if the
// image is not stored.
func (s *Store) ReplaceReferrers(ctx context.Context, subject slipway.Digest, documents ...slipway.Document) error {
	fresh := make([]specs.Descriptor, len(documents))
	// Side by side, so that the disk's journal takes them together.
	writing, writeCtx := errgroup.WithContext(ctx)
	for i, d := range documents {
		writing.Go(func() (err error) {
			fresh[i], err = s.writeReferrer(writeCtx, subject, d)
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	return s.amendReferrers(ctx, subject, func(list []specs.Descriptor) []specs.Descriptor {
		list = slices.DeleteFunc(list, func(old specs.Descriptor) bool {
			return slices.ContainsFunc(fresh, func(d specs.Descriptor) bool { return d.ArtifactType == old.ArtifactType })
		})
		return append(list, fresh...)
	})
}

// AdoptReferrer lists a document about the image whose manifest and blobs are stored already, as they came from a registry. Invalid if
// the manifest has another subject.
func (s *Store) AdoptReferrer(ctx context.Context, subject, manifest slipway.Digest) error {
	var m specs.Manifest
	if err := s.getJSON(ctx, manifest, &m); err != nil {
		return err
	}
	if m.Subject == nil || slipway.Digest(m.Subject.Digest) != subject {
		return slipway.Errorf(slipway.Invalid, "cannot use %s: it says nothing about image %s", manifest, subject)
	}
	size, err := s.size(manifest)
	if err != nil {
		return err
	}
	desc := specs.Descriptor{
		MediaType: specs.MediaTypeImageManifest, Digest: digest.Digest(manifest), Size: size,
		ArtifactType: cmp.Or(m.ArtifactType, m.Config.MediaType), Annotations: m.Annotations,
	}
	return s.amendReferrers(ctx, subject, func(list []specs.Descriptor) []specs.Descriptor { return append(list, desc) })
}

// Referrers returns the documents about the image, all or those of one type, by type and digest. Corrupt if the list or a manifest on it
// is not what was stored.
func (s *Store) Referrers(ctx context.Context, subject slipway.Digest, artifactType string) ([]Referrer, error) {
	list, err := s.referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	var found []Referrer
	for _, desc := range list {
		if artifactType != "" && desc.ArtifactType != artifactType {
			continue
		}
		var m specs.Manifest
		if err := s.getJSON(ctx, slipway.Digest(desc.Digest), &m); err != nil {
			return nil, err
		}
		r := Referrer{Manifest: slipway.Digest(desc.Digest), Type: desc.ArtifactType, Annotations: m.Annotations}
		if len(m.Layers) == 1 {
			r.Body, r.Size = slipway.Digest(m.Layers[0].Digest), m.Layers[0].Size
		}
		found = append(found, r)
	}
	return found, nil
}

// ReferrerManifests returns the digests of the manifests of all documents about the image.
func (s *Store) ReferrerManifests(ctx context.Context, subject slipway.Digest) ([]slipway.Digest, error) {
	list, err := s.referrers(ctx, subject)
	var manifests []slipway.Digest
	for _, desc := range list {
		manifests = append(manifests, slipway.Digest(desc.Digest))
	}
	return manifests, err
}

// ReferrerBlob returns the body of a document. Corrupt if it is not what was stored, Invalid if it is larger than any document is.
func (s *Store) ReferrerBlob(ctx context.Context, r Referrer) ([]byte, error) {
	f, err := s.openFile(r.Body)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(withContext{ctx, f}, maxDocument+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxDocument:
		return nil, slipway.Errorf(slipway.Invalid, "cannot read document %s: it has more than %d bytes", r.Body, maxDocument)
	case slipway.DigestOf(body) != r.Body:
		return nil, slipway.Errorf(slipway.Corrupt, "cannot read document %s: its content has the digest %s", r.Body, slipway.DigestOf(body))
	}
	return body, nil
}

// ReferrerParts returns the digests of all blobs that the documents about the image consist of, their list included. It is what has to be
// kept with the image.
func (s *Store) ReferrerParts(ctx context.Context, subject slipway.Digest) ([]slipway.Digest, error) {
	root, err := s.index.find(referrersName(subject))
	if err != nil || root == "" {
		return nil, err
	}
	list, err := s.referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	parts := []slipway.Digest{root}
	for _, desc := range list {
		var m specs.Manifest
		if err := s.getJSON(ctx, slipway.Digest(desc.Digest), &m); err != nil {
			return nil, err
		}
		parts = append(parts, slipway.Digest(desc.Digest), slipway.Digest(m.Config.Digest))
		for _, l := range m.Layers {
			parts = append(parts, slipway.Digest(l.Digest))
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts), nil
}

// Unlist takes the image and all documents about it off the layout's index. Their blobs stay, for whoever collects what nothing needs.
// nil if it is not listed.
func (s *Store) Unlist(_ context.Context, image slipway.Digest) error {
	referrers, err := s.index.find(referrersName(image))
	if err == nil {
		err = s.index.remove(image, referrers)
	}
	if err != nil {
		return s.writeError("index.json", err)
	}
	return nil
}

// maxDocument bounds what is read as a document, bytes. The list of what is in a big image is a few megabytes.
const maxDocument = 64 << 20

// referrersName is what the list of an image's documents is called in the layout's index: the tag that OCI's distribution specification
// has for it where a registry cannot be asked for referrers.
func referrersName(subject slipway.Digest) string { return "sha256-" + subject.Hex() }

// writeReferrer stores a document and its manifest. It lists neither.
func (s *Store) writeReferrer(ctx context.Context, subject slipway.Digest, d slipway.Document) (specs.Descriptor, error) {
	if err := subject.Validate(); err != nil {
		return specs.Descriptor{}, err
	}
	size, err := s.size(subject)
	if err != nil {
		return specs.Descriptor{}, err
	}
	body, err := s.putText(ctx, d.Type, d.Body)
	if err != nil {
		return specs.Descriptor{}, err
	}
	if _, err := s.putText(ctx, specs.DescriptorEmptyJSON.MediaType, specs.DescriptorEmptyJSON.Data); err != nil {
		return specs.Descriptor{}, err
	}
	empty := specs.DescriptorEmptyJSON
	desc, err := s.putJSON(ctx, specs.MediaTypeImageManifest, specs.Manifest{
		Versioned:    oci.Versioned{SchemaVersion: 2},
		MediaType:    specs.MediaTypeImageManifest,
		ArtifactType: d.Type,
		Config:       empty,
		Layers:       []specs.Descriptor{body},
		Subject:      &specs.Descriptor{MediaType: specs.MediaTypeImageManifest, Digest: digest.Digest(subject), Size: size},
		Annotations:  d.Annotations,
	})
	desc.ArtifactType, desc.Annotations = d.Type, d.Annotations
	return desc, err
}

// referrers returns the list of the image's documents.
func (s *Store) referrers(ctx context.Context, subject slipway.Digest) ([]specs.Descriptor, error) {
	d, err := s.index.find(referrersName(subject))
	if err != nil || d == "" {
		return nil, err
	}
	var list specs.Index
	err = s.getJSON(ctx, d, &list)
	return list.Manifests, err
}

// amendReferrers replaces the list of the image's documents by what change makes of it.
func (s *Store) amendReferrers(ctx context.Context, subject slipway.Digest, change func([]specs.Descriptor) []specs.Descriptor) error {
	s.amending.Lock()
	defer s.amending.Unlock()
	list, err := s.referrers(ctx, subject)
	if code := slipway.CodeOf(err); err != nil && code != slipway.Corrupt && code != slipway.NotFound {
		return err // a list that is damaged or gone is begun anew
	}
	if list = change(slices.Clone(list)); len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b specs.Descriptor) int {
		return cmp.Or(cmp.Compare(a.ArtifactType, b.ArtifactType), cmp.Compare(a.Digest, b.Digest))
	})
	list = slices.CompactFunc(list, func(a, b specs.Descriptor) bool { return a.Digest == b.Digest })
	desc, err := s.putJSON(ctx, specs.MediaTypeImageIndex, specs.Index{
		Versioned: oci.Versioned{SchemaVersion: 2}, MediaType: specs.MediaTypeImageIndex, Manifests: list,
	})
	if err != nil {
		return err
	}
	desc.Annotations = map[string]string{specs.AnnotationRefName: referrersName(subject)}
	return s.list(desc)
}

// size returns the bytes of a stored blob.
func (s *Store) size(d slipway.Digest) (int64, error) {
	f, err := s.openFile(d)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	at, err := stampOf(f)
	return at.size, err
}
