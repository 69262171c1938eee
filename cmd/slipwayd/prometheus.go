package main

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql"
)

// prometheus answers queries over a time from whichever Prometheus a metric names.
type prometheus struct{}

// QueryRange implements analysis.Ranger.
func (prometheus) QueryRange(ctx context.Context, server, query string, from, to time.Time, step time.Duration) ([]slipway.Series, error) {
	return promql.New(server).QueryRange(ctx, query, from, to, step)
}
