package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// VerifyImage has slipwayd verify an image. What is wrong with it is the error.
func (c *Client) VerifyImage(ctx context.Context, application, ref string) (slipway.Verification, error) {
	return call[slipway.Verification](ctx, c, http.MethodGet, imagePath(application, ref, "/verification"), nil)
}

// Statement returns a signed statement about an image: a DSSE envelope in JSON.
func (c *Client) Statement(ctx context.Context, application, ref string, kind slipway.StatementKind) (json.RawMessage, error) {
	return call[json.RawMessage](ctx, c, http.MethodGet, imagePath(application, ref, "/statements/"+url.PathEscape(string(kind))), nil)
}

// Keys returns the keys whose signatures slipwayd trusts.
func (c *Client) Keys(ctx context.Context) ([]slipway.PublicKey, error) {
	return all[slipway.PublicKey](ctx, c, "/v1/keys", nil)
}
