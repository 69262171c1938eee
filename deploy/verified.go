package deploy

import (
	"context"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Verified returns an error unless the image of a planned deployment is what was baked, tested and signed. A group that runs already, to
// which a rollback returns, was verified when it was made: getting back is never refused. Nor are the machines that a group replaces.
func Verified(ctx context.Context, images slipway.ImageVerifier, d slipway.Deployment) error {
	if d.Kind == slipway.KindRollback && d.Target != "" {
		return nil
	}
	_, err := images.VerifyImage(ctx, d.Image)
	code := slipway.CodeOf(err)
	if code != slipway.Refused && code != slipway.Corrupt {
		return err
	}
	advice := "bake it again, which takes no longer than its tests if all layers are cached"
	if code == slipway.Corrupt {
		advice = "remove what was altered from slipwayd's images/blobs/sha256 and bake it again"
	}
	return slipway.Errorf(code, "cannot %s: %s; %s", What(d), strings.TrimPrefix(slipway.MessageOf(err), "cannot trust "), advice)
}
