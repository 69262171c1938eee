package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
)

// AddTrigger makes a trigger. A webhook gets the secret, or a random one if that is "".
func (c *Client) AddTrigger(ctx context.Context, spec slipway.TriggerSpec, secret string) (slipway.NewTrigger, error) {
	return callOnce[slipway.NewTrigger](ctx, c, http.MethodPost, "/v1/triggers", struct {
		slipway.TriggerSpec
		Secret string `json:"secret,omitempty"`
	}{spec, secret})
}

// Triggers returns an application's triggers; all applications' for "".
func (c *Client) Triggers(ctx context.Context, application string) ([]slipway.Trigger, error) {
	return all[slipway.Trigger](ctx, c, "/v1/triggers", query("application", application))
}

// Trigger returns a trigger with its last firings.
func (c *Client) Trigger(ctx context.Context, id string, firings int) (slipway.TriggerStatus, error) {
	return call[slipway.TriggerStatus](ctx, c, http.MethodGet, triggerPath(id)+"?firings="+strconv.Itoa(firings), nil)
}

// EnableTrigger lets a trigger fire, or no more.
func (c *Client) EnableTrigger(ctx context.Context, id string, enabled bool) (slipway.Trigger, error) {
	return call[slipway.Trigger](ctx, c, http.MethodPut, triggerPath(id)+"/enabled", map[string]bool{"enabled": enabled})
}

// RotateTrigger gives a webhook another secret, a random one if that is ""; the old one is taken for the time of overlap.
func (c *Client) RotateTrigger(ctx context.Context, id, secret string, overlap time.Duration) (slipway.NewTrigger, error) {
	return call[slipway.NewTrigger](ctx, c, http.MethodPut, triggerPath(id)+"/secret", struct {
		Secret  string           `json:"secret,omitempty"`
		Overlap slipway.Duration `json:"overlap"`
	}{secret, slipway.Duration(overlap)})
}

// TestTrigger says what a webhook of that event and payload would start.
func (c *Client) TestTrigger(ctx context.Context, id, event string, payload []byte) (slipway.TriggerTest, error) {
	body := map[string]string{"event": event, "payload": string(payload)}
	return call[slipway.TriggerTest](ctx, c, http.MethodPost, triggerPath(id)+"/test", body)
}

// RemoveTrigger removes a trigger and returns what it was.
func (c *Client) RemoveTrigger(ctx context.Context, id string) (slipway.Trigger, error) {
	return call[slipway.Trigger](ctx, c, http.MethodDelete, triggerPath(id), nil)
}

func triggerPath(id string) string { return "/v1/triggers/" + url.PathEscape(id) }

// PushArtifact sends a file of a.Size bytes, whose digest a must have, and returns it with what that has started.
func (c *Client) PushArtifact(ctx context.Context, a slipway.Artifact, content io.Reader) (slipway.PushedArtifact, error) {
	var pushed slipway.PushedArtifact
	q := query("version", a.Version, "digest", string(a.Digest))
	if a.Mode != 0 {
		q.Set("mode", strconv.FormatUint(uint64(a.Mode), 8))
	}
	if s := a.Source; s != nil {
		for name, values := range query("repository", s.Repository, "commit", s.Commit, "branch", s.Branch, "author", s.Author, "build", s.Build) {
			q[name] = values
		}
	}
	path := artifactsPath(a.Application) + "/" + url.PathEscape(a.Name) + "?" + q.Encode()
	if a.Size == 0 {
		content = http.NoBody // so that the length is sent as 0, not left open
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+path, content)
	if err != nil {
		return pushed, err
	}
	req.ContentLength = a.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	if a.Size > askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	res, err := c.do(req)
	if err != nil {
		return pushed, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&pushed); err != nil {
		return pushed, fmt.Errorf("cannot read slipwayd's answer to PUT %s: %w", path, err)
	}
	return pushed, nil
}

// Artifacts returns what was pushed for an application, newest first.
func (c *Client) Artifacts(ctx context.Context, application string, limit int) ([]slipway.Artifact, error) {
	return list[slipway.Artifact](ctx, c, artifactsPath(application), nil, limit)
}

func artifactsPath(application string) string {
	return "/v1/applications/" + url.PathEscape(application) + "/artifacts"
}
