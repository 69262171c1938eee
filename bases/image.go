package bases

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// maxNamed is how many things that are there an error names instead of one that is not.
const maxNamed = 5

// image resolves "image:<name>", where name is <application>[@<digest, channel or version>].
func (r *Resolver) image(
	ctx context.Context, application, name string, previous *slipway.Base, refresh bool, after []slipway.Bake,
) (slipway.Base, []slipway.LayerInfo, error) {
	if refresh {
		previous = nil
	}
	image, err := r.meant(ctx, name, previous, after)
	if err != nil {
		return slipway.Base{}, nil, err
	}
	doing := "start from image:" + name
	if err := image.NotRevoked(doing); err != nil {
		if previous != nil && previous.Digest == image.Digest {
			err = slipway.Errorf(slipway.Refused, "%s; `slipway bake --refresh` starts from what image:%s means now", err, name)
		}
		return slipway.Base{}, nil, err
	}
	switch image.State {
	case slipway.ImageReady:
	case slipway.ImageFailed:
		return slipway.Base{}, nil, slipway.Errorf(slipway.Refused, "cannot %s: the tests of image %s failed", doing, image.Name())
	default:
		return slipway.Base{}, nil, slipway.Errorf(slipway.Refused, "cannot %s: image %s is not tested yet", doing, image.Name())
	}
	if err := r.noCircle(ctx, application, name, image); err != nil {
		return slipway.Base{}, nil, err
	}
	digests := make([]slipway.Digest, len(image.Layers))
	for i, l := range image.Layers {
		digests[i] = l.Digest
	}
	missing, err := r.blobs.Missing(ctx, digests)
	if err != nil {
		return slipway.Base{}, nil, err
	}
	if len(missing) > 0 {
		return slipway.Base{}, nil, slipway.Errorf(slipway.NotFound,
			"cannot %s: of image %s %d of %d layers are not stored any more, %s among them; bake %s again",
			doing, image.Name(), len(missing), len(digests), missing[0].Short(), image.Application)
	}
	base := slipway.Base{Digest: image.Digest, Application: image.Application, Version: image.Version, Layers: len(image.Layers)}
	return base, image.Layers, nil
}

// meant returns the image that name means, whatever its state.
func (r *Resolver) meant(ctx context.Context, name string, previous *slipway.Base, after []slipway.Bake) (slipway.Image, error) {
	application, ref, _ := strings.Cut(name, "@")
	for _, b := range slices.Backward(after) {
		if !isPinned(ref) && b.Application == application && b.State == slipway.BakeSucceeded && b.Image != "" {
			return r.store.Image(ctx, b.Image)
		}
	}
	if previous != nil {
		image, err := r.store.Image(ctx, previous.Digest)
		if slipway.CodeOf(err) != slipway.NotFound { // as it is once it was removed: then the name is looked up again
			return image, err
		}
	}
	image, err := r.store.FindImage(ctx, application, ref)
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Image{}, r.unknown(ctx, application, ref)
	}
	return image, err
}

// digits is what names an image by its digest, or the first digits of that.
var digits = regexp.MustCompile(`^(sha256:)?[0-9a-f]{6,64}$`)

// isPinned reports whether ref names an image by its digest, which no later bake changes.
func isPinned(ref string) bool { return digits.MatchString(ref) }

// unknown says that there is no such image, and what there is instead.
func (r *Resolver) unknown(ctx context.Context, application, ref string) error {
	images, err := r.store.Images(ctx, application)
	if err != nil {
		return err
	}
	if len(images) == 0 {
		specs, err := r.store.Applications(ctx)
		if err != nil {
			return err
		}
		var names []string
		for _, s := range specs {
			names = append(names, s.Application)
		}
		return slipway.Errorf(slipway.Invalid, "cannot start from image:%s: there is no image of an application %s; %s",
			application, application, thereIs("there are images of", names, "there are no images at all yet"))
	}
	if ref == "" {
		return slipway.Errorf(slipway.Invalid, "cannot start from image:%s: none of its images is ready; the newest, %s, is %s",
			application, images[0].Name(), images[0].State)
	}
	channels, err := r.store.Channels(ctx, application)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range channels {
		names = append(names, c.Name)
	}
	for _, i := range images {
		if i.Version != "" {
			names = append(names, i.Version)
		}
	}
	return slipway.Errorf(slipway.Invalid, "cannot start from image:%s@%s: %s has no channel, version or image of that name; %s",
		application, ref, application, thereIs("it has", names, "its newest image is "+images[0].Digest.Short()))
}

// thereIs lists the first of names, or says otherwise if there are none.
func thereIs(intro string, names []string, otherwise string) string {
	if len(names) == 0 {
		return otherwise
	}
	more := ""
	if len(names) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(names)-maxNamed)
		names = names[:maxNamed]
	}
	return intro + " " + strings.Join(names, ", ") + more
}
