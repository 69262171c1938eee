package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// Push sends an image, and the documents about it, to a registry, and returns a reference to it there that has its digest. Without a tag in
// it to gets the image's version label as tag, if it has one. The tag names the image when all of it is there, and not before.
//
// tell hears how far it is, from one goroutine at a time. Errors are those of [slipway.Registry]; Refused if the image is revoked, Corrupt if
// a blob of it is damaged here. When ctx ends, Push breaks off.
func (e *Exchange) Push(ctx context.Context, img slipway.Image, to string, tell func(slipway.Transfer)) (string, error) {
	if err := img.NotRevoked("push it"); err != nil {
		return "", err
	}
	r, err := e.target(img, to)
	if err != nil {
		return "", err
	}
	pusher, err := e.pusher()
	if err != nil {
		return "", err
	}
	s := &sending{Exchange: e, pusher: pusher, to: r, doing: purpose{"push", img.Application + " image " + img.Name() + " to " + r.String(), r}}
	s.transfer.tell = tell
	if err := s.image(ctx, img.Digest); err != nil {
		return "", err
	}
	return at(r, img.Digest).String(), nil
}

// target returns where an image goes.
func (c *Client) target(img slipway.Image, to string) (name.Reference, error) {
	r, err := c.parse(to)
	if err != nil {
		return nil, err
	}
	switch r := r.(type) {
	case name.Digest:
		if slipway.Digest(r.DigestStr()) != img.Digest {
			return nil, slipway.Errorf(slipway.Invalid, "cannot push image %s as %s: that is the digest of another", img.Digest, to)
		}
	case name.Tag:
		tagged := r.Context().Tag(img.Version)
		if strings.HasSuffix(to, ":"+r.TagStr()) || img.Version == "" {
			return r, nil
		}
		if _, err := name.NewTag(tagged.String()); err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot push image %s to %s: its version label can be no tag; write one, as in %s:1.0",
				img.Name(), to, to)
		}
		return tagged, nil
	}
	return r, nil
}

// sending is one image on its way to a registry.
type sending struct {
	*Exchange
	transfer
	pusher *remote.Pusher
	to     name.Reference
	doing  purpose
}

// image sends blobs, manifest and documents, and the tag last.
func (s *sending) image(ctx context.Context, d slipway.Digest) error {
	manifest, err := s.stored(ctx, d)
	if err != nil {
		return err
	}
	documents, err := s.images.Referrers(ctx, d, "")
	if err != nil {
		return err
	}
	img, err := s.images.ReadImage(ctx, d)
	if err != nil {
		return err
	}
	steps := map[slipway.Digest]string{}
	for _, l := range img.Layers {
		steps[l.Digest] = l.Step
	}
	parts := manifest.parts(steps)
	var about []storedManifest
	for _, doc := range documents {
		m, err := s.stored(ctx, doc.Manifest)
		if err != nil {
			return err
		}
		about = append(about, m)
		parts = append(parts, m.parts(nil)...)
	}
	if err := s.parts(ctx, unique(parts)); err != nil {
		return err
	}
	if err := s.put(ctx, at(s.to, d), manifest); err != nil {
		return err
	}
	for i, m := range about {
		if err := s.put(ctx, at(s.to, documents[i].Manifest), m); err != nil {
			return err
		}
		s.say("sent the document %s", documents[i].Type)
	}
	if _, byTag := s.to.(name.Tag); byTag {
		return s.put(ctx, s.to, manifest)
	}
	return nil
}

// parts sends the blobs that the registry does not have, side by side.
func (s *sending) parts(ctx context.Context, parts []part) error {
	s.expect(parts)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(blobsAtOnce)
	for _, p := range parts {
		group.Go(func() error { return s.part(gctx, p) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.remember(s.to.Context(), parts)
}

// part sends one blob, unless the registry has it, in this repository or in another that is known to.
func (s *sending) part(ctx context.Context, p part) error {
	blob := &storedBlob{part: p, ctx: ctx, images: s.images}
	var layer v1.Layer = blob
	if from, ok := s.elsewhere(s.to.Context(), p.digest); ok {
		layer = &remote.MountableLayer{Layer: blob, Reference: from.Digest(string(p.digest))}
	}
	doing := s.doing
	doing.what = "blob " + p.digest.Short() + " of " + doing.what
	err := s.attempt(ctx, doing, func(ctx context.Context) error {
		err := watched(ctx, s.patience.Silence, func(ctx context.Context, moved func()) error {
			blob.ctx = ctx
			blob.sent = func(n int64) { moved(); s.moved(n) }
			return s.pusher.Upload(ctx, s.to.Context(), layer)
		})
		if err != nil {
			s.moved(-blob.read.Swap(0))
			layer = blob // if mounting it was the trouble, this is the way without
		}
		return err
	})
	if err != nil {
		return err
	}
	sent := blob.read.Load() > 0
	s.done(p, !sent)
	if sent && p.name != "" {
		s.say("sent %s, %s", p.name, megabytes(p.size))
	}
	return nil
}

// put stores a manifest whose blobs are there.
func (s *sending) put(ctx context.Context, as name.Reference, m storedManifest) error {
	return s.attempt(ctx, s.doing, func(ctx context.Context) error {
		return watched(ctx, s.patience.Answer, func(ctx context.Context, _ func()) error { return s.pusher.Put(ctx, as, m) })
	})
}

// storedManifest is a manifest as it is in the image store.
type storedManifest struct {
	text []byte
	v1.Manifest
}

// RawManifest implements remote.Taggable.
func (m storedManifest) RawManifest() ([]byte, error) { return m.text, nil }

// MediaType says what the manifest is.
func (m storedManifest) MediaType() (types.MediaType, error) { return m.Manifest.MediaType, nil }

// parts returns the manifest's blobs, with the names that they have for people.
func (m storedManifest) parts(names map[slipway.Digest]string) []part {
	var parts []part
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		digest := slipway.Digest(d.Digest.String())
		parts = append(parts, part{digest: digest, size: d.Size, media: string(d.MediaType), name: names[digest]})
	}
	return parts
}

// unique leaves out parts that come again.
func unique(parts []part) []part {
	seen := map[slipway.Digest]bool{}
	var once []part
	for _, p := range parts {
		if !seen[p.digest] {
			seen[p.digest] = true
			once = append(once, p)
		}
	}
	return once
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
