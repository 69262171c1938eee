package client

import (
	"context"
	"net/http"
)

// PutSecrets hands slipwayd the values of secrets by name, to be kept in its memory until the bake that uses them is over, and
// returns the handle for BakeRequest.Secrets.
func (c *Client) PutSecrets(ctx context.Context, values map[string][]byte) (string, error) {
	body := struct {
		Values map[string][]byte `json:"values"`
	}{values}
	answer, err := call[struct {
		Handle string `json:"handle"`
	}](ctx, c, http.MethodPost, "/v1/secrets", body)
	return answer.Handle, err
}
