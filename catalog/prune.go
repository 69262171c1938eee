package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
)

// Prune implements [slipway.Catalog].
//
// Why it is safe beside a deployment that starts meanwhile: what runs is read after the point in time that is given to DeleteImage, which
// refuses if a deployment of the image is under way or has ended since, and after which none can be created. So either the deployment
// is first and the image stays, or the image is gone and the deployment is refused as of one that does not exist.
func (c *Catalog) Prune(ctx context.Context, req slipway.PruneRequest) (slipway.Pruned, error) {
	p := slipway.Pruned{Images: []slipway.PrunedImage{}, DryRun: req.DryRun}
	if err := req.Validate(); err != nil {
		return p, err
	}
	c.pruning.Lock()
	defer c.pruning.Unlock()
	specs, err := c.Store.Applications(ctx)
	if err != nil {
		return p, err
	}
	seen := time.Now()
	s, err := c.look(ctx)
	if err != nil {
		return p, err
	}
	if !known(req.Application, specs, s.images) {
		return p, slipway.Errorf(slipway.NotFound, "cannot find application %q", req.Application)
	}
	q := question{now: seen, images: s.images, policies: policies(specs, s.images, req)}
	if q.needs, err = c.needs(ctx, s); err != nil {
		return p, err
	}
	verdicts := q.answer()
	var gone []slipway.Image
	for _, i := range s.images {
		if req.Application != "" && i.Application != req.Application {
			continue
		}
		v := verdicts[i.Digest]
		image := slipway.PrunedImage{
			Application: i.Application, Version: i.Version, Digest: i.Digest, State: i.State, Created: i.Created, Size: i.Size(),
			Removed: !v.stays, Reasons: v.reasons,
		}
		if image.Removed && !req.DryRun {
			c.remove(ctx, i, seen, &image)
		}
		if image.Removed {
			gone = append(gone, i)
		}
		p.Images = append(p.Images, image)
	}
	slices.SortStableFunc(p.Images, func(a, b slipway.PrunedImage) int { return strings.Compare(a.Application, b.Application) })
	switch {
	case len(gone) == 0:
	case req.DryRun:
		p.Freed = only(gone, s.images)
	case c.Cache != nil:
		report, err := c.Cache.Collect(ctx, slipway.CacheRequest{})
		if err != nil { // the images are gone; what is left of them is collected another time
			c.Log.Warn("cannot remove the content of removed images", "error", err)
		}
		p.Freed = report.Freed
	}
	return p, nil
}

// known reports whether there is such an application, or something of it; "" is all.
func known(application string, specs []slipway.Spec, images []slipway.Image) bool {
	return application == "" || slices.ContainsFunc(specs, func(s slipway.Spec) bool { return s.Application == application }) ||
		slices.ContainsFunc(images, func(i slipway.Image) bool { return i.Application == application })
}

// remove removes an image's record, and then the image from where it is stored. If it is refused, or fails, image says so.
func (c *Catalog) remove(ctx context.Context, i slipway.Image, seen time.Time, image *slipway.PrunedImage) {
	err := c.Store.DeleteImage(ctx, i.Digest, seen)
	if slipway.CodeOf(err) == slipway.Conflict {
		image.Removed, image.Reasons = false, []string{"it has come into use: " + slipway.MessageOf(err)}
		return
	}
	if err == nil {
		c.tell(ctx, slipway.ImageRemoved, i.Application, i, "image %s removed: %s", i.Name(), strings.Join(image.Reasons, "; "))
		err = c.Images.Unlist(ctx, i.Digest)
	}
	if err != nil {
		c.Log.Error("cannot remove an image", "application", i.Application, "image", i.Digest, "error", err)
		image.Problem = slipway.MessageOf(err)
	}
}

// needs returns why images are needed now, whatever their application's policy.
func (c *Catalog) needs(ctx context.Context, s *scene) (map[slipway.Digest][]string, error) {
	needs := map[slipway.Digest][]string{}
	note := func(image slipway.Digest, format string, args ...any) {
		if reason := fmt.Sprintf(format, args...); image != "" && !slices.Contains(needs[image], reason) {
			needs[image] = append(needs[image], reason)
		}
	}
	for image, uses := range s.uses {
		for _, u := range uses {
			switch {
			case u.Serving:
				note(image, "%s serves it", u.Group)
			case u.Group != "":
				note(image, "%s is kept of it", u.Group)
			default:
				note(image, "machine %s runs it", u.Instances[0])
			}
		}
	}
	for image, channels := range s.channels {
		for _, channel := range channels {
			note(image, "channel %s names it", channel.Name)
		}
	}
	if err := c.rollbacks(ctx, s, note); err != nil {
		return nil, err
	}
	if err := c.restricted(ctx, note); err != nil {
		return nil, err
	}
	return needs, c.underWay(ctx, note)
}

// rollbacks notes the images that clusters would be rolled back to: of groups that may be gone, and are made again then.
func (c *Catalog) rollbacks(ctx context.Context, s *scene, note func(slipway.Digest, string, ...any)) error {
	known := map[slipway.Cluster]bool{}
	for _, g := range s.groups {
		if known[g.Cluster] {
			continue
		}
		known[g.Cluster] = true
		d, err := deploy.PlanRollback(ctx, c.Store, c.Provider, slipway.RollbackRequest{Cluster: g.Cluster, Override: true, Reason: "to know which image is needed"})
		switch slipway.CodeOf(err) {
		case "":
			note(d.Image, "%s would be rolled back to it", g.Cluster)
		case slipway.Refused, slipway.NotFound: // there is nothing to roll back to
		default:
			return err
		}
	}
	return nil
}

// The states of what is under way: however long it waits, it may yet want its image.
var (
	baking    = slipway.BakeFilter{States: []slipway.BakeState{slipway.BakeRunning}}
	deploying = slipway.DeploymentFilter{States: []slipway.DeploymentState{
		slipway.DeploymentQueued, slipway.DeploymentRunning, slipway.DeploymentHeld, slipway.DeploymentUndoing,
	}}
	executing = slipway.ExecutionFilter{States: []slipway.ExecutionState{slipway.ExecutionQueued, slipway.ExecutionRunning}}
	releasing = slipway.ReleaseFilter{States: []slipway.ReleaseState{slipway.ReleaseRunning}}
)

// underWay notes the images that bakes, deployments, releases, promotions and executions under way refer to.
func (c *Catalog) underWay(ctx context.Context, note func(slipway.Digest, string, ...any)) error {
	bakes, err := c.Store.ListBakes(ctx, baking, slipway.Mark{}, 0)
	if err != nil {
		return err
	}
	for _, b := range bakes {
		note(b.Image, "bake %s is under way", b.ID)
		note(b.Rebuild, "bake %s compares with it", b.ID)
		if b.Base != nil {
			note(b.Base.Digest, "bake %s builds on it", b.ID)
		}
	}
	deployments, err := c.Store.ListDeployments(ctx, deploying, slipway.Mark{}, 0)
	if err != nil {
		return err
	}
	for _, d := range deployments {
		note(d.Image, "deployment %s is under way", d.ID)
	}
	releases, err := c.Store.ListReleases(ctx, releasing, slipway.Mark{}, 0)
	if err != nil {
		return err
	}
	for _, r := range releases {
		for _, m := range r.Members {
			note(m.Image, "release %s is under way", r.ID)
		}
	}
	promotions, err := c.Store.Promotions(ctx, slipway.PromotionFilter{}, 0)
	if err != nil {
		return err
	}
	for _, m := range promotions {
		if !m.State.Done() {
			note(m.Image, "promotion %s is under way", m.ID)
			note(m.Replaces, "promotion %s compares with it", m.ID)
		}
	}
	executions, err := c.Store.ListExecutions(ctx, executing, slipway.Mark{}, 0)
	if err != nil {
		return err
	}
	for _, x := range executions {
		note(x.Image, "execution %s is under way", x.ID)
	}
	return nil
}

// restricted notes the images that clusters are pinned to: nothing else may be deployed there.
func (c *Catalog) restricted(ctx context.Context, note func(slipway.Digest, string, ...any)) error {
	all, err := c.Store.Restrictions(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Kind == slipway.RestrictionPin && r.Holds(time.Now()) {
			note(r.Image, "%s is pinned to it", r.Scope())
		}
	}
	return nil
}

// only returns the bytes of the layers that only images which go have.
func only(gone, all []slipway.Image) int64 {
	count := map[slipway.Digest]int{}
	for _, i := range all {
		for _, l := range distinct(i) {
			count[l.Digest]++
		}
	}
	var n int64
	for _, i := range gone {
		for _, l := range distinct(i) {
			if count[l.Digest]--; count[l.Digest] == 0 {
				n += l.Size
			}
		}
	}
	return n
}

// distinct returns an image's layers, each once.
func distinct(i slipway.Image) map[slipway.Digest]slipway.LayerInfo {
	layers := map[slipway.Digest]slipway.LayerInfo{}
	for _, l := range i.Layers {
		layers[l.Digest] = l
	}
	return layers
}
