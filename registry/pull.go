package registry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

const (
	// maxPart bounds what a blob that is no layer says it is long, bytes.
	maxPart = 64 << 20
	// maxDocuments bounds how many documents about an image are taken with it.
	maxDocuments = 100
	// maxDocument bounds what a document is long, all its parts together, bytes; maxDocumentParts how many these are. Anyone who may write
	// to the repository may say something about an image there, and must not fill the disk of who takes it.
	maxDocument      = 128 << 20
	maxDocumentParts = 16
	// maxDocumentManifest bounds the manifest of a document, bytes: what it is annotated with is also in the list of the image's documents.
	maxDocumentManifest = 64 << 10
)

// Pull takes one of our images, and the documents about it, from a registry, and registers it. It is refused, as Conflict, if it is of
// another application than the one named, "" for any.
//
// An image that was not known before is ready only if documents signed with a key that is trusted say how it was made and that its tests
// passed; else it is untested, and may be looked at but not deployed. One that is known keeps what is known of it.
//
// tell hears how far it is, from one goroutine at a time. Errors are those of [slipway.Registry]. When ctx ends, or anything is not what
// it should be, Pull registers nothing.
func (e *Exchange) Pull(ctx context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Image, error) {
	r, err := e.parse(from)
	if err != nil {
		return slipway.Image{}, err
	}
	puller, err := e.puller()
	if err != nil {
		return slipway.Image{}, fmt.Errorf("speak to registries: %w", err)
	}
	t := &taking{Exchange: e, puller: puller, from: r, doing: purpose{"pull", from, r}, here: map[slipway.Digest]bool{}}
	t.transfer.tell = tell
	img, err := t.image(ctx, application)
	if err != nil {
		return slipway.Image{}, err
	}
	if err := t.documents(ctx, img.Digest); err != nil {
		return slipway.Image{}, err
	}
	return t.register(ctx, img)
}

// taking is one image on its way from a registry.
type taking struct {
	*Exchange
	transfer
	puller *remote.Puller
	from   name.Reference
	doing  purpose
	here   map[slipway.Digest]bool // taken or found by this transfer
}

// image takes the manifest, then the config, which says what the rest would be, and only then the layers.
func (t *taking) image(ctx context.Context, application string) (slipway.Image, error) {
	desc, err := t.manifest(ctx, t.doing, t.from)
	if err != nil {
		return slipway.Image{}, err
	}
	m, err := t.machineImage(desc)
	if err != nil {
		return slipway.Image{}, err
	}
	digest := slipway.DigestOf(desc.Manifest)
	parts := storedManifest{desc.Manifest, *m}.parts(nil)
	config, layers := parts[:1], parts[1:]
	if err := t.parts(ctx, config, maxPart); err != nil {
		return slipway.Image{}, err
	}
	if err := t.images.PutBlob(ctx, digest, int64(len(desc.Manifest)), bytes.NewReader(desc.Manifest)); err != nil {
		return slipway.Image{}, err
	}
	img, err := t.images.ReadImage(ctx, digest)
	if err != nil {
		return slipway.Image{}, err
	}
	if err := t.acceptable(img, application); err != nil {
		return slipway.Image{}, err
	}
	for i := range layers {
		layers[i].name = img.Layers[i].Step
	}
	if err := t.parts(ctx, layers, maxLayer); err != nil {
		return slipway.Image{}, err
	}
	img, err = t.images.AdoptImage(ctx, digest)
	if err != nil {
		return slipway.Image{}, err
	}
	return img, t.remember(t.from.Context(), parts)
}

// machineImage returns the manifest if it is one of our images.
func (t *taking) machineImage(desc *remote.Descriptor) (*v1.Manifest, error) {
	if !desc.MediaType.IsImage() {
		return nil, slipway.Errorf(slipway.Invalid, "cannot pull %s: it is no machine image of Slipway but %q", t.doing.what, said(string(desc.MediaType)))
	}
	m, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot pull %s: its manifest cannot be read: %w", t.doing.what, err)
	}
	if m.ArtifactType != image.ArtifactType || m.Config.MediaType != image.ConfigMediaType {
		return nil, slipway.Errorf(slipway.Invalid,
			"cannot pull %s: it is no machine image of Slipway; to start one from it write image.from: oci:%s", t.doing.what, t.doing.what)
	}
	for i, l := range m.Layers {
		if l.MediaType != image.LayerMediaType {
			return nil, slipway.Errorf(slipway.Invalid, "cannot pull %s: its layer %d is %q, which this version does not know",
				t.doing.what, i+1, said(string(l.MediaType)))
		}
	}
	return m, nil
}

// acceptable looks at what an image says of itself before all of it is taken.
func (t *taking) acceptable(img slipway.Image, application string) error {
	if application != "" && img.Application != application {
		return slipway.Errorf(slipway.Conflict, "cannot pull %s for %s: it is an image of %s", t.doing.what, application, said(img.Application))
	}
	spec := slipway.Spec{Application: img.Application, Image: slipway.ImageSpec{From: img.From, Service: img.Service, Irreversible: img.Irreversible}}
	if err := spec.Validate(); err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot pull %s: what it says of itself cannot be: %s", t.doing.what, said(err.Error()))
	}
	return nil
}

// parts takes the blobs that are not here, side by side.
func (t *taking) parts(ctx context.Context, parts []part, largest int64) error {
	parts = slices.DeleteFunc(unique(parts), func(p part) bool { return t.here[p.digest] })
	for _, p := range parts {
		if err := p.digest.Validate(); err != nil {
			return err
		}
		if p.size < 0 || p.size > largest {
			return slipway.Errorf(slipway.Invalid, "cannot pull %s: a part of it cannot be %d bytes long", t.doing.what, p.size)
		}
	}
	t.expect(parts)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(blobsAtOnce)
	for _, p := range parts {
		t.here[p.digest] = true
		group.Go(func() error { return t.part(gctx, p) })
	}
	return group.Wait()
}

// part takes one blob, unless it is here.
func (t *taking) part(ctx context.Context, p part) error {
	missing, err := t.images.Missing(ctx, []slipway.Digest{p.digest})
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		t.done(p, true)
		return nil
	}
	err = t.fetch(ctx, t.puller, t.from, p.digest, p.size, func(r io.Reader) error {
		counted := &takenReader{r: r, t: t}
		err := t.images.PutBlob(ctx, p.digest, p.size, counted)
		if err != nil {
			t.moved(-counted.n)
		}
		return err
	})
	if err != nil {
		return err
	}
	t.done(p, false)
	if p.name != "" {
		t.say("took %s, %s", said(p.name), megabytes(p.size))
	}
	return nil
}

// takenReader counts what is taken.
type takenReader struct {
	r io.Reader
	t *taking
	n int64
}

func (c *takenReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.t.moved(int64(n))
	return n, err
}

// documents takes the documents about an image that the registry has.
func (t *taking) documents(ctx context.Context, subject slipway.Digest) error {
	var index *v1.IndexManifest
	err := t.attempt(ctx, t.doing, func(ctx context.Context) error {
		return watched(ctx, t.patience.Answer, func(ctx context.Context, _ func()) error {
			list, err := remote.Referrers(at(t.from, subject), slices.Concat(t.options, []remote.Option{remote.WithContext(ctx)})...)
			if err != nil {
				return err
			}
			index, err = list.IndexManifest()
			return err
		})
	})
	if err != nil {
		return err
	}
	if len(index.Manifests) > maxDocuments {
		return slipway.Errorf(slipway.Invalid, "cannot pull %s: there are %d documents about it; want at most %d",
			t.doing.what, len(index.Manifests), maxDocuments)
	}
	for _, d := range index.Manifests {
		if !d.MediaType.IsImage() || d.Size > maxManifest {
			continue // of some other tool
		}
		if err := t.document(ctx, subject, slipway.Digest(d.Digest.String())); err != nil {
			return err
		}
	}
	return nil
}

// document takes one.
func (t *taking) document(ctx context.Context, subject, manifest slipway.Digest) error {
	if err := manifest.Validate(); err != nil {
		return err
	}
	desc, err := t.manifest(ctx, t.doing, at(t.from, manifest))
	if err != nil {
		return err
	}
	m, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
	if err != nil || m.Subject == nil || slipway.Digest(m.Subject.Digest.String()) != subject {
		return nil //nolint:nilerr // it says nothing about this image, whatever the list says
	}
	parts := storedManifest{desc.Manifest, *m}.parts(nil)
	if size := together(parts); len(desc.Manifest) > maxDocumentManifest || len(parts) > maxDocumentParts || size > maxDocument {
		t.say("passed over the document %s: it has %d parts of %s, and a manifest of %s",
			documentType(m), len(parts), megabytes(size), megabytes(int64(len(desc.Manifest))))
		return nil
	}
	if err := t.parts(ctx, parts, maxPart); err != nil {
		return err
	}
	if err := t.images.PutBlob(ctx, manifest, int64(len(desc.Manifest)), bytes.NewReader(desc.Manifest)); err != nil {
		return err
	}
	if err := t.images.AdoptReferrer(ctx, subject, manifest); err != nil {
		return err
	}
	t.say("took the document %s", documentType(m))
	return nil
}

func documentType(m *v1.Manifest) string {
	return said(cmp.Or(m.ArtifactType, string(m.Config.MediaType)))
}

// together returns the bytes that parts say they have, at most a little more than matters.
func together(parts []part) int64 {
	var size int64
	for _, p := range parts {
		size += min(p.size, maxLayer)
	}
	return size
}

// register records the image as what its documents prove it to be.
func (t *taking) register(ctx context.Context, img slipway.Image) (slipway.Image, error) {
	known, err := t.store.Image(ctx, img.Digest)
	switch {
	case err == nil:
		img = known
	case slipway.CodeOf(err) == slipway.NotFound:
		img.State, img.Created = slipway.ImageUntested, time.Now().UTC()
		if tag, ok := t.from.(name.Tag); ok && tag.TagStr() != "latest" && slipway.ValidateVersion(tag.TagStr()) == nil {
			img.Version = tag.TagStr()
		}
		if err := t.forgetLocks(ctx, &img); err != nil {
			return slipway.Image{}, err
		}
	default:
		return slipway.Image{}, err
	}
	if img.State == slipway.ImageUntested && t.trust != nil {
		switch _, err := t.trust.VerifyImage(ctx, img.Digest); slipway.CodeOf(err) {
		case "":
			img.State = slipway.ImageReady
		case slipway.Refused, slipway.NotFound:
			t.say("the image stays untested: %s", slipway.MessageOf(err))
		default:
			return slipway.Image{}, err
		}
	}
	if err := t.store.PutImage(ctx, img); err != nil {
		return slipway.Image{}, err
	}
	stored, err := t.store.Image(ctx, img.Digest)
	return stored, err
}

// forgetLocks leaves out which packages layers are locked to where only the baker of the image knows.
func (t *taking) forgetLocks(ctx context.Context, img *slipway.Image) error {
	for i := range img.Layers {
		lock := &img.Layers[i].Lock
		if *lock == "" {
			continue
		}
		missing, err := t.images.Missing(ctx, []slipway.Digest{*lock})
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			*lock = ""
		}
	}
	return nil
}
