package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
)

// ImageTests returns what the tests of an image found.
func (c *Client) ImageTests(ctx context.Context, application, ref string) (slipway.TestReport, error) {
	return call[slipway.TestReport](ctx, c, http.MethodGet, testsPath(application, ref), nil)
}

// ImageJUnit returns what the tests of an image found as JUnit XML.
func (c *Client) ImageJUnit(ctx context.Context, application, ref string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+testsPath(application, ref), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/xml")
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return b, nil
}

func testsPath(application, ref string) string {
	return "/v1/images/" + url.PathEscape(application) + "/" + url.PathEscape(ref) + "/tests"
}
