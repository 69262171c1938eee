package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// Environments returns all environments, by name.
func (c *Client) Environments(ctx context.Context) ([]slipway.EnvironmentInfo, error) {
	return all[slipway.EnvironmentInfo](ctx, c, "/v1/environments", nil)
}

// Environment returns an environment as its applications' newest slipway.yaml have it.
func (c *Client) Environment(ctx context.Context, name string) (slipway.EnvironmentInfo, error) {
	return call[slipway.EnvironmentInfo](ctx, c, http.MethodGet, "/v1/environments/"+url.PathEscape(name), nil)
}

// EnvironmentState returns all of an environment as it is now. With [WithETag] and [EnvironmentStateSince] it is asked for only if it changed.
func (c *Client) EnvironmentState(ctx context.Context, name string) (slipway.EnvironmentState, error) {
	return call[slipway.EnvironmentState](ctx, c, http.MethodGet, "/v1/environments/"+url.PathEscape(name)+"/state", nil)
}

// EnvironmentStateSince is EnvironmentState if that is otherwise than what had the entity tag, with its own; changed is false if it is not.
func (c *Client) EnvironmentStateSince(ctx context.Context, name, tag string) (state slipway.EnvironmentState, now string, changed bool, err error) {
	ctx = WithETag(withHeader(ctx, "If-None-Match", tag), &now)
	state, err = c.EnvironmentState(ctx, name)
	return state, now, err == nil && (tag == "" || now != tag), err
}

// ClusterState returns at a glance how a cluster is now.
func (c *Client) ClusterState(ctx context.Context, cluster slipway.Cluster) (slipway.ClusterState, error) {
	path := "/v1/clusters/" + url.PathEscape(cluster.Application) + "/" + url.PathEscape(cluster.Environment) + "/state"
	return call[slipway.ClusterState](ctx, c, http.MethodGet, path, nil)
}

// Accounts returns all accounts as they are now, by name.
func (c *Client) Accounts(ctx context.Context) ([]slipway.Account, error) {
	return all[slipway.Account](ctx, c, "/v1/accounts", nil)
}

// Account returns an account as it is now.
func (c *Client) Account(ctx context.Context, name string) (slipway.Account, error) {
	return call[slipway.Account](ctx, c, http.MethodGet, "/v1/accounts/"+url.PathEscape(name), nil)
}

// ServerGroups returns server groups as they are now, by name; zero fields of the cluster select all.
func (c *Client) ServerGroups(ctx context.Context, cluster slipway.Cluster) ([]slipway.ServerGroup, error) {
	return all[slipway.ServerGroup](ctx, c, "/v1/groups", query("application", cluster.Application, "environment", cluster.Environment))
}

// ServerGroup returns a server group as it is now.
func (c *Client) ServerGroup(ctx context.Context, name string) (slipway.ServerGroup, error) {
	return call[slipway.ServerGroup](ctx, c, http.MethodGet, "/v1/groups/"+url.PathEscape(name), nil)
}

// LoadBalancers returns load balancers as they are now, by name; zero fields of the cluster select all.
func (c *Client) LoadBalancers(ctx context.Context, cluster slipway.Cluster) ([]slipway.LoadBalancer, error) {
	return all[slipway.LoadBalancer](ctx, c, "/v1/load-balancers", query("application", cluster.Application, "environment", cluster.Environment))
}

// LoadBalancer returns a load balancer as it is now.
func (c *Client) LoadBalancer(ctx context.Context, name string) (slipway.LoadBalancer, error) {
	return call[slipway.LoadBalancer](ctx, c, http.MethodGet, "/v1/load-balancers/"+url.PathEscape(name), nil)
}

// Instance returns an instance as it is now.
func (c *Client) Instance(ctx context.Context, id string) (slipway.Instance, error) {
	return call[slipway.Instance](ctx, c, http.MethodGet, "/v1/instances/"+url.PathEscape(id), nil)
}

// Channel returns a channel.
func (c *Client) Channel(ctx context.Context, application, name string) (slipway.Channel, error) {
	return call[slipway.Channel](ctx, c, http.MethodGet, channelPath(application, name), nil)
}

// Restriction returns a freeze, a pin or a veto.
func (c *Client) Restriction(ctx context.Context, id string) (slipway.Restriction, error) {
	return call[slipway.Restriction](ctx, c, http.MethodGet, "/v1/restrictions/"+url.PathEscape(id), nil)
}
