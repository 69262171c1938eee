package bases

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// noCircle returns an Invalid error that draws the circle if the application's own images are below the image it is to start from, or
// will be: each bake would then stand on the one before, and grow for ever. What was built says the one; what the applications were
// last baked from the other, unless the name has a digest, which no later bake changes.
func (r *Resolver) noCircle(ctx context.Context, application, name string, image slipway.Image) error {
	built := []string{application, image.Application}
	for at := image; at.Base != nil && at.Base.Application != ""; {
		built = append(built, at.Base.Application)
		if at.Base.Application == application {
			return circle(application, name, built)
		}
		below, err := r.store.Image(ctx, at.Base.Digest)
		if slipway.CodeOf(err) == slipway.NotFound {
			break // its record was removed, and with it what is known of its own base
		}
		if err != nil {
			return err
		}
		at = below
	}
	if _, ref, _ := strings.Cut(name, "@"); isPinned(ref) {
		return nil
	}
	for meant := []string{application, image.Application}; ; {
		spec, err := r.store.Application(ctx, meant[len(meant)-1])
		if slipway.CodeOf(err) == slipway.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		rest, ours := strings.CutPrefix(spec.Image.From, "image:")
		next, ref, _ := strings.Cut(rest, "@")
		switch {
		case !ours, isPinned(ref):
			return nil
		case next == application:
			return circle(application, name, append(meant, next))
		case slices.Contains(meant, next):
			return nil // a circle of others, which their own bakes are refused for
		}
		meant = append(meant, next)
	}
}

func circle(application, name string, path []string) error {
	return slipway.Errorf(slipway.Invalid, "cannot bake %s on image:%s: the bases lead back to %s: %s",
		application, name, application, strings.Join(path, " → "))
}
