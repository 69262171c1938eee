package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// imagePath returns the path of an image, and of what is below it.
func imagePath(application, ref, below string) string {
	return "/v1/images/" + url.PathEscape(application) + "/" + url.PathEscape(ref) + below
}

func channelPath(application, name string) string {
	return "/v1/channels/" + url.PathEscape(application) + "/" + url.PathEscape(name)
}

// ImageStatus returns an image and what has to do with it now.
func (c *Client) ImageStatus(ctx context.Context, application, ref string) (slipway.ImageStatus, error) {
	return call[slipway.ImageStatus](ctx, c, http.MethodGet, imagePath(application, ref, "/status"), nil)
}

// ImageStatuses returns an application's images and what has to do with them now, newest first; all applications' for "".
func (c *Client) ImageStatuses(ctx context.Context, application string) ([]slipway.ImageStatus, error) {
	return all[slipway.ImageStatus](ctx, c, "/v1/catalog", query("application", application))
}

// Ancestry returns what an image is built on, and what is built on it.
func (c *Client) Ancestry(ctx context.Context, application, ref string) (slipway.Ancestry, error) {
	return call[slipway.Ancestry](ctx, c, http.MethodGet, imagePath(application, ref, "/ancestry"), nil)
}

// Diff returns what differs between two images, from the first to the second: APPLICATION[@REF].
func (c *Client) Diff(ctx context.Context, application, ref, with string) (slipway.ImageDiff, error) {
	return call[slipway.ImageDiff](ctx, c, http.MethodGet, imagePath(application, ref, "/diff?")+query("with", with).Encode(), nil)
}

// Revoke says that an image must not be launched any more, and returns what runs of it.
func (c *Client) Revoke(ctx context.Context, application, ref, reason, by string) (slipway.ImageStatus, error) {
	body := map[string]string{"reason": reason, "by": by}
	return call[slipway.ImageStatus](ctx, c, http.MethodPut, imagePath(application, ref, "/revocation"), body)
}

// Reinstate lifts an image's revocation.
func (c *Client) Reinstate(ctx context.Context, application, ref, by string) (slipway.ImageStatus, error) {
	return call[slipway.ImageStatus](ctx, c, http.MethodDelete, imagePath(application, ref, "/revocation?")+query("by", by).Encode(), nil)
}

// Prune removes images that nothing needs, or, as a dry run, says which those are.
func (c *Client) Prune(ctx context.Context, req slipway.PruneRequest) (slipway.Pruned, error) {
	return call[slipway.Pruned](ctx, c, http.MethodPost, "/v1/prunes", req)
}

// Channels returns an application's channels by name; all applications' for "".
func (c *Client) Channels(ctx context.Context, application string) ([]slipway.Channel, error) {
	return all[slipway.Channel](ctx, c, "/v1/channels", query("application", application))
}

// MoveChannel makes a channel name an image.
func (c *Client) MoveChannel(ctx context.Context, application, name string, req slipway.ChannelRequest) (slipway.Channel, error) {
	return call[slipway.Channel](ctx, c, http.MethodPut, channelPath(application, name), req)
}

// DeleteChannel removes a channel. The image stays.
func (c *Client) DeleteChannel(ctx context.Context, application, name, by string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, channelPath(application, name)+"?"+query("by", by).Encode(), nil)
	return err
}
