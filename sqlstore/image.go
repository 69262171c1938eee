package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type imageRow struct {
	bun.BaseModel `bun:"table:images"`
	Digest        string `bun:"digest,pk"`
	Application   string `bun:"application"`
	Version       string `bun:"version"`
	State         string `bun:"state"`
	Created       int64  `bun:"created"`
	doc
}

// minDigits is how many digits of a digest are enough to name an image.
const minDigits = 6

// PutImage implements [slipway.Store].
func (s *Store) PutImage(ctx context.Context, image slipway.Image) error {
	d, err := encode(image)
	if err != nil {
		return err
	}
	return s.put(ctx, "an image", &imageRow{
		Digest: string(image.Digest), Application: image.Application, Version: image.Version,
		State: string(image.State), Created: image.Created.UnixNano(), doc: d,
	}, "digest")
}

// Image implements [slipway.Store].
func (s *Store) Image(ctx context.Context, digest slipway.Digest) (slipway.Image, error) {
	return s.image(ctx, "image "+string(digest), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("digest = ?", string(digest))
	})
}

// FindImage implements [slipway.Store]. Where a label looks like digits of a digest, the image with the label is meant.
func (s *Store) FindImage(ctx context.Context, application, ref string) (slipway.Image, error) {
	of := func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(q.Where("application = ?", application), "created", "digest", 0)
	}
	what := "image " + quote(ref) + " of application " + quote(application)
	if ref == "" {
		return s.image(ctx, "a ready image of application "+quote(application), func(q *bun.SelectQuery) *bun.SelectQuery {
			return of(q).Where("state = ?", string(slipway.ImageReady))
		})
	}
	image, err := s.image(ctx, what, func(q *bun.SelectQuery) *bun.SelectQuery {
		return of(q).Where("version = ?", ref)
	})
	digits := strings.TrimPrefix(ref, "sha256:")
	if slipway.CodeOf(err) != slipway.NotFound || len(digits) < minDigits || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return image, err
	}
	first := "sha256:" + digits
	found, err := list[imageRow, slipway.Image](ctx, s, what, func(q *bun.SelectQuery) *bun.SelectQuery {
		// A range, which an index can answer: "g" follows every digit.
		return of(q).Where("digest >= ? AND digest < ?", first, first+"g").Limit(2)
	})
	switch {
	case err != nil:
		return slipway.Image{}, err
	case len(found) == 0:
		return slipway.Image{}, slipway.Errorf(slipway.NotFound, "cannot find %s", what)
	case len(found) > 1:
		return slipway.Image{}, slipway.Errorf(slipway.Invalid, "cannot tell which image of application %q is meant: %q fits %s and %s; give more digits",
			application, ref, found[0].Digest.Hex(), found[1].Digest.Hex())
	}
	return found[0], nil
}

// Images implements [slipway.Store].
func (s *Store) Images(ctx context.Context, application string) ([]slipway.Image, error) {
	return list[imageRow, slipway.Image](ctx, s, "the images", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "application", application), "created", "digest", 0)
	})
}

func (s *Store) image(ctx context.Context, what string, where func(*bun.SelectQuery) *bun.SelectQuery) (slipway.Image, error) {
	return get[imageRow, slipway.Image](ctx, s, s.read, what, where)
}

func quote(name string) string { return strconv.Quote(name) }
