package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// label is a version label that images of an application were given.
type label struct{ application, version string }

// minDigits is how many digits of a digest are enough to name an image.
const minDigits = 6

// PutImage implements [slipway.Store].
func (s *Store) PutImage(_ context.Context, image slipway.Image) error {
	image = Copied(image)
	s.mu.Lock()
	defer s.mu.Unlock()
	if image.Version != "" {
		l := label{image.Application, image.Version}
		if s.labels[l] == nil {
			s.labels[l] = map[slipway.Digest]time.Time{}
		}
		s.labels[l][image.Digest] = image.Created
	}
	image.Revoked = nil
	if r, ok := s.revocations[image.Digest]; ok {
		image.Revoked = &r
	}
	image.Version = cmp.Or(image.Version, s.images[image.Digest].Version)
	s.images[image.Digest] = image
	return nil
}

// Image implements [slipway.Store].
func (s *Store) Image(_ context.Context, digest slipway.Digest) (slipway.Image, error) {
	return get(s, s.images, digest, "image "+string(digest))
}

// FindImage implements [slipway.Store].
func (s *Store) FindImage(_ context.Context, application, ref string) (slipway.Image, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if ref == "" || ref == "latest" {
		found := s.imagesOf(application, func(i slipway.Image) bool { return i.State == slipway.ImageReady })
		if len(found) == 0 {
			return slipway.Image{}, missing("a ready image of application " + quote(application))
		}
		return Copied(found[0]), nil
	}
	if c, ok := s.channels[channelKey{application, ref}]; ok {
		return find(s.images, c.Image, "image "+string(c.Image))
	}
	image, err := s.labelled(application, ref)
	digits := strings.TrimPrefix(ref, "sha256:")
	if err == nil || len(digits) < minDigits || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return image, err
	}
	found := s.imagesOf(application, func(i slipway.Image) bool { return strings.HasPrefix(i.Digest.Hex(), digits) })
	switch len(found) {
	case 0:
		return slipway.Image{}, err
	case 1:
		return Copied(found[0]), nil
	}
	return slipway.Image{}, slipway.Errorf(slipway.Invalid, "cannot tell which image of application %q is meant: %q fits %s and %s; give more digits",
		application, ref, found[0].Digest.Hex(), found[1].Digest.Hex())
}

// Images implements [slipway.Store].
func (s *Store) Images(_ context.Context, application string) ([]slipway.Image, error) {
	return list(s, s.images, 0, func(i slipway.Image) bool { return is(application, i.Application) }, newestImage), nil
}

// RevokeImage implements [slipway.Store].
func (s *Store) RevokeImage(_ context.Context, digest slipway.Digest, r *slipway.Revocation) (slipway.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	image, err := find(s.images, digest, "image "+string(digest))
	if err != nil {
		return image, err
	}
	if r == nil {
		delete(s.revocations, digest)
	} else {
		s.revocations[digest] = *r
	}
	image.Revoked = r
	s.images[digest] = Copied(image)
	return Copied(image), nil
}

// DeleteImage implements [slipway.Store].
func (s *Store) DeleteImage(_ context.Context, digest slipway.Digest, seen time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	image, err := find(s.images, digest, "image "+string(digest))
	if err != nil {
		return err
	}
	if why := s.need(digest, seen); why != "" {
		return slipway.Errorf(slipway.Conflict, "cannot remove %s image %s: %s", image.Application, image.Name(), why)
	}
	delete(s.images, digest)
	for _, given := range s.labels {
		delete(given, digest)
	}
	return nil
}

// need says what record needs the image, or did after seen. mu must be held.
func (s *Store) need(digest slipway.Digest, seen time.Time) string {
	for _, c := range s.channels {
		if c.Image == digest {
			return "channel " + c.Name + " names it"
		}
	}
	for _, d := range s.deployments {
		if d.Image == digest && (!d.State.Done() || d.Finished.After(seen)) {
			return "deployment " + d.ID + " is of it"
		}
	}
	for _, x := range s.executions {
		if x.Image == digest && (!x.State.Done() || x.Finished.After(seen)) {
			return "execution " + x.ID + " is of it"
		}
	}
	return ""
}

// labelled returns the image that was given a version label last. mu must be held.
func (s *Store) labelled(application, version string) (slipway.Image, error) {
	given := s.labels[label{application, version}]
	if len(given) == 0 {
		return slipway.Image{}, missing("image " + quote(version) + " of application " + quote(application))
	}
	last := slices.MinFunc(slices.Collect(maps.Keys(given)), func(a, b slipway.Digest) int {
		return newest(given[a], given[b], string(a), string(b))
	})
	return find(s.images, last, "image "+string(last))
}

// imagesOf returns an application's images that match, newest first; they are no copies. mu must be held.
func (s *Store) imagesOf(application string, match func(slipway.Image) bool) []slipway.Image {
	var found []slipway.Image
	for _, i := range s.images {
		if i.Application == application && match(i) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, newestImage)
	return found
}

func newestImage(a, b slipway.Image) int {
	return newest(a.Created, b.Created, string(a.Digest), string(b.Digest))
}
