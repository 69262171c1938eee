package catalog

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/slipway-sh/slipway"
)

// How often retention is applied, and by how much that varies, so that hosts which started together do not work together.
const (
	pruneEvery  = time.Hour
	pruneJitter = 6 * time.Minute
)

// Run applies the retention of all applications that have one about every hour, until ctx is done. It returns nil.
func (c *Catalog) Run(ctx context.Context) error {
	for {
		timer := time.NewTimer(pruneEvery - pruneJitter + rand.N(2*pruneJitter))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := c.retain(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("cannot remove old images", "error", err)
		}
	}
}

// retain prunes if any application has retention.
func (c *Catalog) retain(ctx context.Context) error {
	specs, err := c.Store.Applications(ctx)
	if err != nil || len(policies(specs, nil, slipway.PruneRequest{})) == 0 {
		return err
	}
	pruned, err := c.Prune(ctx, slipway.PruneRequest{})
	if err != nil {
		return err
	}
	for _, i := range pruned.Images {
		if i.Removed {
			c.Log.Info("removed an image", "application", i.Application, "image", i.Digest, "version", i.Version, "because", i.Reasons)
		}
	}
	return nil
}
