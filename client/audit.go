package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/slipway-sh/slipway"
)

// Audit returns entries of the audit log, newest first.
func (c *Client) Audit(ctx context.Context, filter slipway.AuditFilter, limit int) ([]slipway.AuditEntry, error) {
	return list[slipway.AuditEntry](ctx, c, "/v1/audit", auditQuery(filter), limit)
}

// ExportAudit returns the audit log after an entry, oldest first, one entry a line, exactly as it was hashed. The caller closes it.
func (c *Client) ExportAudit(ctx context.Context, after int64) (io.ReadCloser, error) {
	q := url.Values{}
	if after > 0 {
		q.Set("after", strconv.FormatInt(after, 10))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/audit/export?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// AuditCheckpoint returns where the audit log is, signed: a DSSE envelope in JSON.
func (c *Client) AuditCheckpoint(ctx context.Context) (json.RawMessage, error) {
	return call[json.RawMessage](ctx, c, http.MethodGet, "/v1/audit/checkpoint", nil)
}
