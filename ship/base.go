package ship

import (
	"context"
	"strings"

	"github.com/slipway-sh/slipway"
)

// resolve returns what the image of req starts from, and the layers of that if it is an image of ours. known is what it was found to
// be before, nil if it was not looked up yet.
func (p *Parts) resolve(ctx context.Context, req *slipway.BakeRequest, known *slipway.Base) (*slipway.Base, []slipway.LayerInfo, error) {
	from := req.Spec.Image.From
	if !strings.HasPrefix(from, "image:") && !strings.HasPrefix(from, "oci:") {
		return nil, nil, nil // it says all there is to know
	}
	application := req.Spec.Application
	if known != nil {
		// By digest, which does not move.
		if known.Application != "" {
			from = "image:" + known.Application + "@" + string(known.Digest)
			_, layers, err := p.Bases.Resolve(ctx, application, from, nil, false, nil)
			return known, layers, err
		}
		return known, nil, nil
	}
	previous, err := p.previousBase(ctx, application, from)
	if err != nil {
		return nil, nil, err
	}
	var after []slipway.Bake
	for _, id := range req.After {
		b, err := p.Store.Bake(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		after = append(after, b)
	}
	base, layers, err := p.Bases.Resolve(ctx, application, from, previous, req.Refresh, after)
	if err != nil {
		return nil, nil, err
	}
	return &base, layers, nil
}

// previousBase returns what from meant for the application's newest image that starts from it, nil if there is none.
func (p *Parts) previousBase(ctx context.Context, application, from string) (*slipway.Base, error) {
	images, err := p.Store.Images(ctx, application)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		if image.From == from && image.Base != nil {
			return image.Base, nil
		}
	}
	return nil, nil
}
