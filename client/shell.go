package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/console"
)

// Shell is a program that runs elsewhere, and whose streams nobody has yet.
type Shell struct {
	Machine string         // that it runs in; "" for a sandbox
	Image   slipway.Digest // that the machine was made from
	conn    io.ReadWriteCloser
}

// ImageShell makes a machine of an image, and runs a program in it. The machine is removed when the program has ended, or the connection
// breaks.
func (c *Client) ImageShell(ctx context.Context, application, ref string, req slipway.ShellRequest) (*Shell, error) {
	return c.shell(ctx, "/v1/images/"+url.PathEscape(application)+"/"+url.PathEscape(ref)+"/shell", req)
}

// BakeShell runs a shell in the sandbox that a failed bake has kept.
func (c *Client) BakeShell(ctx context.Context, id string, req slipway.ShellRequest) (*Shell, error) {
	return c.shell(ctx, "/v1/bakes/"+url.PathEscape(id)+"/shell", req)
}

func (c *Client) shell(ctx context.Context, path string, req slipway.ShellRequest) (*Shell, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", console.Protocol)
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if res.StatusCode == http.StatusSwitchingProtocols && ok {
		return &Shell{Machine: res.Header.Get("Slipway-Machine"), Image: slipway.Digest(res.Header.Get("Slipway-Image")), conn: conn}, nil
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		return nil, fmt.Errorf("cannot open a shell: slipwayd answered %s; is something between that does not pass upgrades on?", res.Status)
	}
	return nil, problem(res)
}

// Attach connects streams with the program and returns its exit status once it has ended. It is called once.
func (s *Shell) Attach(ctx context.Context, streams console.Streams) (int, error) {
	return console.Attach(ctx, s.conn, streams)
}
