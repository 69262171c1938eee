package sqlstore

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

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
	Brief         string `bun:"brief"`
	doc
}

type labelRow struct {
	bun.BaseModel `bun:"table:labels"`
	Application   string `bun:"application,pk"`
	Version       string `bun:"version,pk"`
	Digest        string `bun:"digest,pk"`
	Given         int64  `bun:"given"`
}

// minDigits is how many digits of a digest are enough to name an image.
const minDigits = 6

// PutImage implements [slipway.Store].
func (s *Store) PutImage(ctx context.Context, image slipway.Image) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if err := label(ctx, tx, image); err != nil {
			return err
		}
		if image.Revoked, err = s.revocation(ctx, tx, image.Digest); err != nil {
			return err
		}
		before, err := s.byDigest(ctx, tx, image.Digest)
		switch {
		case err == nil:
			image.Version = cmp.Or(image.Version, before.Version)
		case slipway.CodeOf(err) != slipway.NotFound:
			return err
		}
		return putImage(ctx, tx, image)
	})
	return s.explain("store an image", err)
}

// Image implements [slipway.Store].
func (s *Store) Image(ctx context.Context, digest slipway.Digest) (slipway.Image, error) {
	return s.byDigest(ctx, s.read, digest)
}

// FindImage implements [slipway.Store].
func (s *Store) FindImage(ctx context.Context, application, ref string) (slipway.Image, error) {
	if ref == "" || ref == "latest" {
		return s.image(ctx, s.read, "a ready image of application "+quote(application), func(q *bun.SelectQuery) *bun.SelectQuery {
			return imagesOf(q, application).Where("state = ?", string(slipway.ImageReady))
		})
	}
	channel, err := s.Channel(ctx, application, ref)
	if err == nil {
		return s.Image(ctx, channel.Image)
	}
	if slipway.CodeOf(err) != slipway.NotFound {
		return slipway.Image{}, err
	}
	image, err := s.labelled(ctx, s.read, application, ref)
	digits := strings.TrimPrefix(ref, "sha256:")
	if slipway.CodeOf(err) != slipway.NotFound || len(digits) < minDigits || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return image, err
	}
	return s.digits(ctx, application, ref, digits)
}

// Images implements [slipway.Store].
func (s *Store) Images(ctx context.Context, application string) ([]slipway.Image, error) {
	return list[imageRow, slipway.Image](ctx, s, s.read, "the images", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(q, "application", application), "created", "digest", 0)
	})
}

// DeleteImage implements [slipway.Store].
func (s *Store) DeleteImage(ctx context.Context, digest slipway.Digest, seen time.Time) error {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		image, err := s.byDigest(ctx, tx, digest)
		if err != nil {
			return err
		}
		if err := s.unneeded(ctx, tx, image, seen); err != nil {
			return err
		}
		for _, table := range []any{(*imageRow)(nil), (*labelRow)(nil)} {
			if _, err := tx.NewDelete().Model(table).Where("digest = ?", string(digest)).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return s.explain("remove an image", err)
}

// unneeded returns a Conflict if a record says that the image is needed, or was after seen.
func (s *Store) unneeded(ctx context.Context, db bun.IDB, image slipway.Image, seen time.Time) error {
	its := func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("image = ?", string(image.Digest)) }
	conflict := func(why string) error {
		return slipway.Errorf(slipway.Conflict, "cannot remove %s image %s: %s", image.Application, image.Name(), why)
	}
	channels, err := list[channelRow, slipway.Channel](ctx, s, db, "the channels", its)
	if err != nil {
		return err
	}
	for _, c := range channels {
		return conflict("channel " + c.Name + " names it")
	}
	deployments, err := list[deploymentRow, slipway.Deployment](ctx, s, db, "the deployments", its)
	if err != nil {
		return err
	}
	for _, d := range deployments {
		if !d.State.Done() || d.Finished.After(seen) {
			return conflict("deployment " + d.ID + " is of it")
		}
	}
	executions, err := list[executionRow, slipway.Execution](ctx, s, db, "the executions", its)
	if err != nil {
		return err
	}
	for _, x := range executions {
		if !x.State.Done() || x.Finished.After(seen) {
			return conflict("execution " + x.ID + " is of it")
		}
	}
	return nil
}

// label notes the version label that an image is put with.
func label(ctx context.Context, db bun.IDB, image slipway.Image) error {
	if image.Version == "" {
		return nil
	}
	row := &labelRow{Application: image.Application, Version: image.Version, Digest: string(image.Digest), Given: image.Created.UnixNano()}
	return upsert(ctx, db, row, "application, version, digest")
}

// labelled returns the image that was given a version label last.
func (s *Store) labelled(ctx context.Context, db bun.IDB, application, label string) (slipway.Image, error) {
	return s.image(ctx, db, imageNamed(application, label), func(q *bun.SelectQuery) *bun.SelectQuery {
		given := db.NewSelect().Model((*labelRow)(nil)).Column("digest").Where("application = ? AND version = ?", application, label)
		return q.Where("digest = (?)", newest(given, "given", "digest", 1))
	})
}

// digits returns the only image whose digest begins so.
func (s *Store) digits(ctx context.Context, application, ref, digits string) (slipway.Image, error) {
	what, first := imageNamed(application, ref), "sha256:"+digits
	found, err := list[imageRow, slipway.Image](ctx, s, s.read, what, func(q *bun.SelectQuery) *bun.SelectQuery {
		// A range, which an index can answer: "g" follows every digit.
		return imagesOf(q, application).Where("digest >= ? AND digest < ?", first, first+"g").Limit(2)
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

func (s *Store) byDigest(ctx context.Context, db bun.IDB, digest slipway.Digest) (slipway.Image, error) {
	return s.image(ctx, db, "image "+string(digest), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("digest = ?", string(digest))
	})
}

func (s *Store) image(ctx context.Context, db bun.IDB, what string, where func(*bun.SelectQuery) *bun.SelectQuery) (slipway.Image, error) {
	return get[imageRow, slipway.Image](ctx, s, db, what, where)
}

func putImage(ctx context.Context, db bun.IDB, image slipway.Image) error {
	d, err := encode(image)
	if err != nil {
		return err
	}
	brief, err := encode(slipway.RunningImageOf(image))
	if err != nil {
		return err
	}
	return upsert(ctx, db, &imageRow{
		Digest: string(image.Digest), Application: image.Application, Version: image.Version,
		State: string(image.State), Created: image.Created.UnixNano(), Brief: brief.Doc, doc: d,
	}, "digest")
}

// imagesOf selects an application's images, newest first.
func imagesOf(q *bun.SelectQuery, application string) *bun.SelectQuery {
	return newest(q.Where("application = ?", application), "created", "digest", 0)
}

func imageNamed(application, ref string) string {
	return "image " + quote(ref) + " of application " + quote(application)
}

func quote(name string) string { return strconv.Quote(name) }
