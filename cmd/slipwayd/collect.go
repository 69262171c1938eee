package main

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/sbom"
)

const (
	// collectEvery is how often the cache is collected, and collectJitter by how much that varies, so that hosts which started together
	// do not work together.
	collectEvery  = time.Hour
	collectJitter = 6 * time.Minute
	// collectGrace is longer than an upload takes, and than a bake may be under way before it is recorded or its image is.
	collectGrace = 3 * time.Hour
	// bakesLookedAt is how many bakes, the newest first, are looked through for those that are under way.
	bakesLookedAt = 10_000
)

// cacheBytes reads the limit of the cache, and refuses limits that make no sense, as Invalid.
func (o *options) cacheBytes() (int64, error) {
	n, err := humanize.ParseBytes(o.cacheSize)
	switch {
	case err != nil || n > math.MaxInt64:
		return 0, slipway.Errorf(slipway.Invalid, "cannot use --cache-size %q: want a form such as 500MB or 20GB", o.cacheSize)
	case o.cacheAge < 0:
		return 0, slipway.Errorf(slipway.Invalid, "cannot use --cache-age %s: want a form such as 720h", o.cacheAge)
	}
	return int64(n), nil
}

// collector keeps the bakery's cache within its limits, and the image store free of what nothing needs. It implements [slipway.Cache].
type collector struct {
	baker     *bake.Baker
	images    *image.Store
	inventory *sbom.Inventory
	store     interface {
		slipway.Store
		slipway.Lists
	}
	provider slipway.Provider
	maxBytes int64
	maxAge   time.Duration
	log      *slog.Logger
}

// Collect implements [slipway.Cache].
func (c *collector) Collect(ctx context.Context, req slipway.CacheRequest) (slipway.CacheReport, error) {
	policy := bake.Policy{MaxBytes: c.maxBytes, MaxAge: c.maxAge, Grace: collectGrace, DryRun: req.DryRun}
	if req.MaxBytes != nil {
		policy.MaxBytes = *req.MaxBytes
	}
	if req.MaxAge != nil {
		policy.MaxAge = time.Duration(*req.MaxAge)
	}
	report, err := c.baker.Collect(ctx, policy, c.roots)
	if err == nil && !req.DryRun {
		err = c.inventory.Prune(c.images.Has)
	}
	return report, err
}

// roots asks the records and the provider what is needed. Bakes come before images: one that ends meanwhile is among either.
func (c *collector) roots(ctx context.Context) (r bake.Roots, err error) {
	if r.Bakes, err = c.store.Bakes(ctx, "", bakesLookedAt); err != nil {
		return r, err
	}
	unfinished := slipway.ExecutionFilter{States: []slipway.ExecutionState{slipway.ExecutionQueued, slipway.ExecutionRunning}}
	executions, err := c.store.ListExecutions(ctx, unfinished, slipway.Mark{}, 0)
	if err != nil {
		return r, err
	}
	for _, x := range executions { // their stages take files of what was asked for into machines, weeks after it was baked if people take so long
		if x.Request != "" {
			r.Bakes = append(r.Bakes, slipway.Bake{ID: x.ID, State: slipway.BakeRunning, Request: x.Request})
		}
	}
	if r.Images, err = c.store.Images(ctx, ""); err != nil {
		return r, err
	}
	groups, err := c.provider.ServerGroups(ctx)
	if err != nil {
		return r, err
	}
	instances, err := c.provider.Instances(ctx)
	if err != nil {
		return r, err
	}
	for _, g := range groups {
		r.Used = append(r.Used, g.Image)
	}
	for _, i := range instances {
		r.Used = append(r.Used, i.Image)
	}
	return r, nil
}

// run collects about every hour until ctx is done. It returns nil.
func (c *collector) run(ctx context.Context) error {
	for {
		timer := time.NewTimer(collectEvery - collectJitter + rand.N(2*collectJitter))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		report, err := c.Collect(ctx, slipway.CacheRequest{})
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.log.Warn("cannot collect the cache", "error", err)
		case report.RemovedBlobs > 0:
			c.log.Info("collected the cache", "layers", report.RemovedLayers, "blobs", report.RemovedBlobs, "freed", report.Freed)
		}
	}
}
