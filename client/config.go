package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/slipway-sh/slipway"
)

func configPath(cluster slipway.Cluster) string {
	return "/v1/config/" + url.PathEscape(cluster.Application) + "/" + url.PathEscape(cluster.Environment)
}

// Config returns a version of a cluster's service configuration; the newest for number 0, which has the number 0 if there is none.
func (c *Client) Config(ctx context.Context, cluster slipway.Cluster, number int) (slipway.ConfigVersion, error) {
	path := configPath(cluster)
	if number != 0 {
		path += "/versions/" + strconv.Itoa(number)
	}
	return call[slipway.ConfigVersion](ctx, c, http.MethodGet, path, nil)
}

// Configs returns versions of a cluster's service configuration, newest first.
func (c *Client) Configs(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.ConfigVersion, error) {
	return list[slipway.ConfigVersion](ctx, c, configPath(cluster)+"/versions", nil, limit)
}

// DiffConfig compares two versions: from 0 is nothing, to 0 the newest.
func (c *Client) DiffConfig(ctx context.Context, cluster slipway.Cluster, from, to int) (slipway.ConfigDiff, error) {
	return call[slipway.ConfigDiff](ctx, c, http.MethodGet, configPath(cluster)+"/diff?"+query("from", from, "to", to).Encode(), nil)
}

// ChangeConfig makes a new version, and has it rolled out if the change says so. Conflict if the newest version is not the one that the
// change's IfNewest names.
func (c *Client) ChangeConfig(ctx context.Context, change slipway.ConfigChange) (slipway.ConfigOutcome, error) {
	return call[slipway.ConfigOutcome](ctx, c, http.MethodPost, configPath(change.Cluster), change)
}
