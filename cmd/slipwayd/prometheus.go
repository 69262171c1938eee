package main

import (
	"context"
	"net/http"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/promql"
)

// prometheus asks whichever Prometheus a check or a metric names.
type prometheus struct{ transport http.RoundTripper }

func (p prometheus) at(server string) *promql.Client {
	c := promql.New(server)
	c.HTTP = p.transport
	return c
}

// QueryRange implements analysis.Ranger.
func (p prometheus) QueryRange(ctx context.Context, server, query string, from, to time.Time, step time.Duration) ([]slipway.Series, error) {
	return p.at(server).QueryRange(ctx, query, from, to, step)
}
