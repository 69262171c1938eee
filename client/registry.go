package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/slipway-sh/slipway"
)

// maxTransfer bounds one line of a transfer, bytes.
const maxTransfer = 16 << 20

// PushImage sends an image to a registry. tell, which may be nil, hears how far it is. It returns the last of that, with the image and where
// it is now. When ctx ends, so does the work; doing it again goes on where it was.
func (c *Client) PushImage(ctx context.Context, application, ref, to string, tell func(slipway.Transfer)) (slipway.Transfer, error) {
	return c.transfer(ctx, imagePath(application, ref, "/pushes"), map[string]string{"to": to}, tell)
}

// PullImage takes an image from a registry and registers it; see [Client.PushImage]. Conflict if it is of another application, unless that is "".
func (c *Client) PullImage(ctx context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Transfer, error) {
	body := map[string]string{"from": from}
	if application != "" {
		body["application"] = application
	}
	return c.transfer(ctx, "/v1/pulls", body, tell)
}

// transfer reads the lines of a transfer up to the last.
func (c *Client) transfer(ctx context.Context, path string, body map[string]string, tell func(slipway.Transfer)) (slipway.Transfer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return slipway.Transfer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(text))
	if err != nil {
		return slipway.Transfer{}, fmt.Errorf("make POST %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.do(req)
	if err != nil {
		return slipway.Transfer{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxTransfer)
	for lines.Scan() {
		var t slipway.Transfer
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			if !lines.Scan() {
				break // it was cut off
			}
			return slipway.Transfer{}, fmt.Errorf("cannot read slipwayd's answer to POST %s: %w", path, err)
		}
		switch {
		case t.Error != nil:
			return slipway.Transfer{}, t.Error
		case t.Image != nil:
			return t, nil
		case tell != nil:
			tell(t)
		}
	}
	return slipway.Transfer{}, c.unreachable(ctx, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}
