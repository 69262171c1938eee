package bake

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// Policy says what [Baker.Collect] may remove.
type Policy struct {
	MaxBytes int64         // that cached layers may have which nothing but the cache needs; those that were of use longest ago go first
	MaxAge   time.Duration // of such a layer since it was last of use
	Grace    time.Duration // for blobs that are stored or asked for, and that nothing needs yet: longer than any upload
	DryRun   bool
}

// Roots are what is needed whatever the cache does.
type Roots struct {
	Images []slipway.Image  // with all that they consist of, and what they can be built from again
	Bakes  []slipway.Bake   // those under way with all they need, of the others the requests: what later ones are compared with
	Used   []slipway.Digest // images that machines run or may be launched of, whether or not they are among Images
}

// Collect removes cached layers beyond the policy, and then all blobs of the image store that neither the cache nor the roots need. It may
// go on beside bakes and uploads: what these rely on stays. roots is called once Collect has begun; what is registered meanwhile is safe
// by its grace.
func (b *Baker) Collect(ctx context.Context, policy Policy, roots func(context.Context) (Roots, error)) (slipway.CacheReport, error) {
	b.collecting.Lock()
	defer b.collecting.Unlock()
	report := slipway.CacheReport{DryRun: policy.DryRun, MaxBytes: policy.MaxBytes, MaxAge: policy.MaxAge}
	since := time.Now().Add(-policy.Grace)
	fail := func(err error) (slipway.CacheReport, error) { return report, fmt.Errorf("collect the cache: %w", err) }
	r, err := roots(ctx)
	if err != nil {
		return fail(err)
	}
	needed, err := b.mark(ctx, r)
	if err != nil {
		return fail(err)
	}
	keeps := func(d slipway.Digest) bool { return needed[d] || b.holds.has(d) }
	stay, idle, err := b.evict(policy, keeps, &report)
	if err != nil {
		return fail(err)
	}
	for _, info := range stay {
		parts, err := b.layerParts(ctx, info)
		if err != nil {
			return fail(err)
		}
		for _, d := range parts {
			needed[d] = true
		}
	}
	collected, err := b.images.Collect(ctx, image.Needs{
		Keep: keeps, Since: since, Idle: func(d slipway.Digest) bool { return idle[d] }, DryRun: policy.DryRun,
	})
	report.Bytes, report.RemovedBlobs, report.Freed, report.Young = collected.Bytes, collected.Removed, collected.Freed, collected.YoungBytes
	if err != nil || policy.DryRun || b.mounts == nil {
		return report, err
	}
	// The kernel keeps the space of a removed layer until it is unmounted.
	err = b.mounts.Prune(b.images.Has)
	return report, err
}

// evict removes the entries of the cache that are beyond the policy. It returns those that stay, and the layers of those that go.
func (b *Baker) evict(policy Policy, keeps func(slipway.Digest) bool, report *slipway.CacheReport) ([]slipway.LayerInfo, map[slipway.Digest]bool, error) {
	entries, err := b.cache.entries()
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(entries, func(a, b cacheEntry) int { return b.used.Compare(a.used) })
	var stay []slipway.LayerInfo
	counted, idle := map[slipway.Digest]bool{}, map[slipway.Digest]bool{}
	var bytes int64 // of layers that the cache alone keeps, so far
	report.Layers = len(entries)
	for _, e := range entries {
		if keeps(e.info.Digest) {
			stay = append(stay, e.info)
			continue
		}
		size := e.info.Size
		if counted[e.info.Digest] {
			size = 0 // another key gave the same layer
		}
		counted[e.info.Digest] = true
		report.CacheBytes += size
		goes := e.info.Digest == "" || bytes+size > policy.MaxBytes || time.Since(e.used) > policy.MaxAge
		if goes && !policy.DryRun {
			if goes, err = b.cache.evict(e); err != nil {
				return nil, nil, err
			}
		}
		if !goes {
			bytes += size
			stay = append(stay, e.info)
			continue
		}
		report.RemovedLayers++
		idle[e.info.Digest] = true
	}
	return stay, idle, nil
}

// mark returns all blobs that the roots need.
func (b *Baker) mark(ctx context.Context, r Roots) (map[slipway.Digest]bool, error) {
	needed := map[slipway.Digest]bool{}
	mark := func(digests []slipway.Digest, err error) error {
		for _, d := range digests {
			needed[d] = true
		}
		return err
	}
	// Records of older versions name no request: an entry of the cache without a layer is not needed for it.
	defer delete(needed, "")
	layer := func(info slipway.LayerInfo) error { return mark(b.layerParts(ctx, info)) }
	for _, img := range r.Images {
		err := cmp.Or(mark(b.images.Parts(ctx, img.Digest)), mark(b.requestParts(ctx, img.Request)))
		for _, l := range img.Layers {
			err = cmp.Or(err, layer(l))
		}
		if err != nil {
			return nil, fmt.Errorf("image %s of %s: %w", img.Digest.Short(), img.Application, err)
		}
		if img.Base != nil {
			needed[img.Base.Digest] = true
		}
	}
	for _, d := range r.Used {
		if err := mark(b.images.Parts(ctx, d)); err != nil {
			return nil, err
		}
	}
	for _, bake := range r.Bakes {
		if bake.State.Done() {
			needed[bake.Request] = true
			continue
		}
		err := cmp.Or(mark(b.requestParts(ctx, bake.Request)), mark(b.images.Parts(ctx, bake.Rebuild)), mark(b.images.Parts(ctx, bake.Image)))
		for _, l := range bake.Layers {
			err = cmp.Or(err, layer(l.LayerInfo))
		}
		if err != nil {
			return nil, fmt.Errorf("bake %s: %w", bake.ID, err)
		}
		if bake.Base != nil {
			needed[bake.Base.Digest] = true
			if err := mark(b.images.Parts(ctx, bake.Base.Digest)); err != nil {
				return nil, fmt.Errorf("bake %s: %w", bake.ID, err)
			}
		}
	}
	return needed, nil
}

// layerParts returns the blobs of a layer: its own, and what it is locked to.
func (b *Baker) layerParts(ctx context.Context, info slipway.LayerInfo) ([]slipway.Digest, error) {
	locked, err := b.images.LockParts(ctx, info.Lock)
	return append(locked, info.Digest), err
}

// requestParts returns the blob of a bake's request and those of the files in its context. None if digest is "" or not stored.
func (b *Baker) requestParts(ctx context.Context, digest slipway.Digest) ([]slipway.Digest, error) {
	if digest == "" {
		return nil, nil
	}
	req, err := slipway.ReadBakeRequest(ctx, b.images, digest)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append(contextBlobs(req), digest), nil
}

// contextBlobs returns the digests of the files in a request's context.
func contextBlobs(req *slipway.BakeRequest) []slipway.Digest {
	blobs := map[slipway.Digest]bool{}
	for _, e := range req.Context {
		if e.Digest != "" {
			blobs[e.Digest] = true
		}
	}
	return slices.Collect(maps.Keys(blobs))
}
