package catalog

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Revoke implements [slipway.Catalog].
func (c *Catalog) Revoke(ctx context.Context, application, ref, reason, who string) (slipway.ImageStatus, error) {
	r := slipway.Revocation{At: time.Now().UTC(), Reason: strings.TrimSpace(reason), By: who}
	if err := r.Validate(); err != nil {
		return slipway.ImageStatus{}, err
	}
	image, err := c.Store.FindImage(ctx, application, ref)
	if err != nil {
		return slipway.ImageStatus{}, err
	}
	if image, err = c.Store.RevokeImage(ctx, image.Digest, &r); err != nil {
		return slipway.ImageStatus{}, err
	}
	c.tell(ctx, slipway.ImageRevoked, application, image, "image %s revoked%s: %s", image.Name(), by(who), r.Reason)
	return c.Status(ctx, application, string(image.Digest))
}

// Reinstate implements [slipway.Catalog].
func (c *Catalog) Reinstate(ctx context.Context, application, ref, who string) (slipway.ImageStatus, error) {
	image, err := c.Store.FindImage(ctx, application, ref)
	if err != nil {
		return slipway.ImageStatus{}, err
	}
	if image.Revoked != nil {
		if image, err = c.Store.RevokeImage(ctx, image.Digest, nil); err != nil {
			return slipway.ImageStatus{}, err
		}
		c.tell(ctx, slipway.ImageRevoked, application, image, "image %s is no longer revoked%s", image.Name(), by(who))
	}
	return c.Status(ctx, application, string(image.Digest))
}
