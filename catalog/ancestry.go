package catalog

import (
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

// Ancestry implements [slipway.Catalog].
func (c *Catalog) Ancestry(ctx context.Context, application, ref string) (slipway.Ancestry, error) {
	image, err := c.Store.FindImage(ctx, application, ref)
	if err != nil {
		return slipway.Ancestry{}, err
	}
	s, err := c.look(ctx)
	if err != nil {
		return slipway.Ancestry{}, err
	}
	f := family{catalog: c, scene: s, seen: map[slipway.Digest]bool{}}
	a := slipway.Ancestry{Ancestors: []slipway.Relative{}, Descendants: []slipway.Relative{}}
	if a.Image, err = f.relative(ctx, image, 0); err != nil {
		return a, err
	}
	if a.Ancestors, err = f.ancestors(ctx, image); err != nil {
		return a, err
	}
	err = f.descendants(ctx, &a.Descendants, image.Digest, 1)
	return a, err
}

// family walks the images that are built on each other.
type family struct {
	catalog *Catalog
	scene   *scene
	seen    map[slipway.Digest]bool // so that records that go round do not
}

func (f family) relative(ctx context.Context, i slipway.Image, depth int) (slipway.Relative, error) {
	f.seen[i.Digest] = true
	r := slipway.Relative{
		Application: i.Application, Version: i.Version, Digest: i.Digest, From: i.From, State: i.State, Revoked: i.Revoked, Depth: depth,
	}
	for _, c := range f.scene.channels[i.Digest] {
		r.Channels = append(r.Channels, c.Name)
	}
	var err error
	r.Parent, err = f.catalog.outdated(ctx, i)
	return r, err
}

// ancestors returns what the image is built on, the first of them first.
func (f family) ancestors(ctx context.Context, image slipway.Image) ([]slipway.Relative, error) {
	all := []slipway.Relative{}
	for depth := -1; image.Base != nil; depth-- {
		base := *image.Base
		i := slices.IndexFunc(f.scene.images, func(i slipway.Image) bool { return i.Digest == base.Digest })
		if base.Application == "" || i < 0 || f.seen[base.Digest] {
			all = append(all, slipway.Relative{
				Application: base.Application, Version: base.Version, Digest: base.Digest, From: base.From, Removed: base.Application != "", Depth: depth,
			})
			break
		}
		image = f.scene.images[i]
		r, err := f.relative(ctx, image, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.Reverse(all)
	return all, nil
}

// descendants adds what is built on the image, and on that.
func (f family) descendants(ctx context.Context, all *[]slipway.Relative, of slipway.Digest, depth int) error {
	for _, child := range f.scene.children[of] {
		if f.seen[child.Digest] {
			continue
		}
		r, err := f.relative(ctx, child, depth)
		if err != nil {
			return err
		}
		*all = append(*all, r)
		if err := f.descendants(ctx, all, child.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}
