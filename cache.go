package slipway

import (
	"context"
	"time"
)

// Cache is what bakes leave for bakes to come: layers by what they are made from, and uploaded files. Methods are safe for concurrent use.
type Cache interface {
	// Collect removes cached layers that are beyond the limits, and all stored content that nothing needs. Nothing goes that an image, a
	// bake under way, a server group or a cached layer that stays needs, nor what was uploaded, or asked for, within the last hours. A dry
	// run only says what would go.
	Collect(ctx context.Context, req CacheRequest) (CacheReport, error)
}

// CacheRequest asks to collect. The server's own limits stand in for those that are nil.
type CacheRequest struct {
	MaxBytes *int64    `json:"max_bytes,omitempty"` // that layers may have which the cache alone keeps
	MaxAge   *Duration `json:"max_age,omitempty"`   // of such a layer since it was last of use
	DryRun   bool      `json:"dry_run,omitempty"`
}

// CacheReport says what was stored, and what was removed of it, or would be.
type CacheReport struct {
	DryRun   bool          `json:"dry_run"`
	MaxBytes int64         `json:"max_bytes"`  // the limits that applied
	MaxAge   time.Duration `json:"max_age_ns"` //

	Bytes      int64 `json:"bytes"`       // of everything stored, before
	Layers     int   `json:"layers"`      // in the cache, before
	CacheBytes int64 `json:"cache_bytes"` // of layers that the cache alone keeps, before

	RemovedLayers int   `json:"removed_layers"` // from the cache
	RemovedBlobs  int   `json:"removed_blobs"`
	Freed         int64 `json:"freed"` // bytes
	Young         int64 `json:"young"` // bytes that nothing needs and that stay for now: they may belong to a bake that is about to begin
}

// Validate returns nil, or an Invalid error if a limit is negative.
func (r CacheRequest) Validate() error {
	var p problems
	if r.MaxBytes != nil {
		p.notNegative("max_bytes", float64(*r.MaxBytes))
	}
	if r.MaxAge != nil {
		p.duration("max_age", *r.MaxAge)
	}
	return p.err()
}
