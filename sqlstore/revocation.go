package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type revocationRow struct {
	bun.BaseModel `bun:"table:revocations"`
	Digest        string `bun:"digest,pk"`
	doc
}

// RevokeImage implements [slipway.Store].
func (s *Store) RevokeImage(ctx context.Context, digest slipway.Digest, r *slipway.Revocation) (slipway.Image, error) {
	var image slipway.Image
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if image, err = s.byDigest(ctx, tx, digest); err != nil {
			return err
		}
		image.Revoked = r
		if r == nil {
			_, err = tx.NewDelete().Model((*revocationRow)(nil)).Where("digest = ?", string(digest)).Exec(ctx)
		} else {
			err = putRevocation(ctx, tx, digest, *r)
		}
		if err != nil {
			return err
		}
		return putImage(ctx, tx, image)
	})
	if err != nil {
		return slipway.Image{}, s.explain("revoke an image", err)
	}
	return image, nil
}

func putRevocation(ctx context.Context, tx bun.Tx, digest slipway.Digest, r slipway.Revocation) error {
	d, err := encode(r)
	if err != nil {
		return err
	}
	return upsert(ctx, tx, &revocationRow{Digest: string(digest), doc: d}, "digest")
}

// revocation returns that of the image, nil if it is not revoked.
func (s *Store) revocation(ctx context.Context, db bun.IDB, digest slipway.Digest) (*slipway.Revocation, error) {
	r, err := get[revocationRow, slipway.Revocation](ctx, s, db, "the revocation of "+string(digest), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("digest = ?", string(digest))
	})
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	return &r, err
}
