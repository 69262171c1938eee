package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bases"
	"github.com/slipway-sh/slipway/deploy"
)

// Status implements [slipway.Catalog].
func (c *Catalog) Status(ctx context.Context, application, ref string) (slipway.ImageStatus, error) {
	image, err := c.Store.FindImage(ctx, application, ref)
	if err != nil {
		return slipway.ImageStatus{}, err
	}
	s, err := c.look(ctx)
	if err != nil {
		return slipway.ImageStatus{}, err
	}
	status, err := c.status(ctx, s, image)
	if err == nil {
		status.Signed, err = c.signed(ctx, image.Digest)
	}
	return status, err
}

// Statuses implements [slipway.Catalog].
func (c *Catalog) Statuses(ctx context.Context, application string) ([]slipway.ImageStatus, error) {
	s, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	all := []slipway.ImageStatus{}
	for _, image := range s.images {
		if application != "" && image.Application != application {
			continue
		}
		status, err := c.status(ctx, s, image)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

func (c *Catalog) status(ctx context.Context, s *scene, image slipway.Image) (slipway.ImageStatus, error) {
	parent, err := c.outdated(ctx, image)
	return slipway.ImageStatus{
		Image: image, Channels: orEmpty(s.channels[image.Digest]), Uses: orEmpty(s.uses[image.Digest]),
		Parent: parent, Children: len(s.children[image.Digest]),
	}, err
}

// signed says whether a trusted key has signed that the image passed its tests. Whether the image's content is what was signed is not
// looked at: that takes as long as reading all of it.
func (c *Catalog) signed(ctx context.Context, image slipway.Digest) (*bool, error) {
	if c.Statements == nil {
		return nil, nil
	}
	_, err := c.Statements.Statement(ctx, image, slipway.StatementTests)
	yes := err == nil
	switch slipway.CodeOf(err) {
	case "", slipway.NotFound, slipway.Refused, slipway.Corrupt:
		return &yes, nil
	}
	return nil, err
}

// outdated says whether what the image is built on has moved on, nil if not.
func (c *Catalog) outdated(ctx context.Context, image slipway.Image) (*slipway.Outdated, error) {
	newer, err := bases.Outdated(ctx, c.Store, image)
	if newer == nil || err != nil {
		return nil, err
	}
	return &slipway.Outdated{Now: newer.Now, Revoked: newer.Revoked, Message: newer.String()}, nil
}

// scene is all images and what has to do with them, as it was a moment ago.
type scene struct {
	images   []slipway.Image // of all applications, newest first
	groups   []slipway.ServerGroup
	channels map[slipway.Digest][]slipway.Channel
	uses     map[slipway.Digest][]slipway.ImageUse
	children map[slipway.Digest][]slipway.Image // newest first
}

// look reads records and live state.
func (c *Catalog) look(ctx context.Context) (*scene, error) {
	s := &scene{
		channels: map[slipway.Digest][]slipway.Channel{}, uses: map[slipway.Digest][]slipway.ImageUse{}, children: map[slipway.Digest][]slipway.Image{},
	}
	var err error
	if s.images, err = c.Store.Images(ctx, ""); err != nil {
		return nil, err
	}
	for _, i := range s.images {
		if i.Base != nil && i.Base.Application != "" {
			s.children[i.Base.Digest] = append(s.children[i.Base.Digest], i)
		}
	}
	channels, err := c.Store.Channels(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, channel := range channels {
		s.channels[channel.Image] = append(s.channels[channel.Image], channel)
	}
	return s, c.lookAtMachines(ctx, s)
}

// lookAtMachines notes what runs of each image.
func (c *Catalog) lookAtMachines(ctx context.Context, s *scene) (err error) {
	if s.groups, err = c.Provider.ServerGroups(ctx); err != nil {
		return err
	}
	serving := map[slipway.Cluster]string{}
	for _, g := range s.groups {
		if _, ok := serving[g.Cluster]; !ok {
			if serving[g.Cluster], err = deploy.Serving(ctx, c.Store, g.Cluster); err != nil {
				return err
			}
		}
		use := slipway.ImageUse{Cluster: &g.Cluster, Group: g.Name, Serving: serving[g.Cluster] == g.Name, Instances: []string{}}
		for _, i := range g.Instances {
			use.Instances = append(use.Instances, i.ID)
		}
		s.uses[g.Image] = append(s.uses[g.Image], use)
	}
	instances, err := c.Provider.Instances(ctx)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if i.Group == "" {
			s.uses[i.Image] = append(s.uses[i.Image], slipway.ImageUse{Instances: []string{i.ID}})
		}
	}
	for _, uses := range s.uses {
		slices.SortFunc(uses, func(a, b slipway.ImageUse) int {
			return cmp.Or(cmp.Compare(a.Group, b.Group), slices.Compare(a.Instances, b.Instances))
		})
	}
	return nil
}

// orEmpty makes sure that a list becomes [] in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
