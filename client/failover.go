package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// failoverPatience is how long a request looks for a server that serves: one that takes over needs a few seconds.
const failoverPatience = 30 * time.Second

// keyHeader is the header with the key of a request that is carried out once, however often it is sent.
const keyHeader = "Idempotency-Key"

// failover sends requests to the one of several servers that serves, and looks for the one that does now when that has gone. A request that a
// server may have begun to carry out is not sent again, unless it only asks or has a key.
type failover struct {
	servers []endpoint
	current atomic.Int64 // which of them answered last
}

type endpoint struct {
	base      *url.URL
	transport *http.Transport
}

func newFailover(servers []string) (*failover, error) {
	f := &failover{}
	for _, server := range servers {
		base, transport, err := reach(strings.TrimSpace(server))
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(base)
		if err != nil {
			return nil, err
		}
		f.servers = append(f.servers, endpoint{u, transport})
	}
	return f, nil
}

// RoundTrip implements [http.RoundTripper].
func (f *failover) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &untouched{ReadCloser: req.Body}
	if req.Body != nil {
		defer req.Body.Close()
	}
	pause, started := firstPause, time.Now()
	for tried := 1; ; tried++ {
		n := int(f.current.Load())
		again, err := f.servers[n].request(req, body)
		if err != nil {
			return nil, err
		}
		res, err := f.servers[n].transport.RoundTrip(again)
		switch {
		case req.Context().Err() != nil || time.Since(started) > failoverPatience:
			return res, err
		case err != nil && !repeatable(req, body, err):
			return nil, err
		case err != nil:
			f.current.CompareAndSwap(int64(n), int64((n+1)%len(f.servers)))
			if tried%len(f.servers) > 0 {
				continue
			}
		case tried > 1 && res.StatusCode == http.StatusConflict && res.Header.Get("Retry-After") != "":
			res.Body.Close() // the server that died had begun; what came of it is known soon
		default:
			return res, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-req.Context().Done():
			timer.Stop()
			return nil, context.Cause(req.Context())
		case <-timer.C:
		}
		pause = min(2*pause, lastPause)
	}
}

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (f *failover) CloseIdleConnections() {
	for _, s := range f.servers {
		s.transport.CloseIdleConnections()
	}
}

// request returns req as it is sent to e.
func (e endpoint) request(req *http.Request, body *untouched) (*http.Request, error) {
	again := req.Clone(req.Context())
	again.URL.Scheme, again.URL.Host, again.Host = e.base.Scheme, e.base.Host, ""
	again.URL.Path = e.base.Path + req.URL.Path
	if req.URL.RawPath != "" {
		again.URL.RawPath = e.base.EscapedPath() + req.URL.RawPath
	}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case req.GetBody != nil:
		var err error
		again.Body, err = req.GetBody()
		return again, err
	default:
		again.Body = body
	}
	return again, nil
}

// repeatable reports whether a request that failed may be sent to another server.
func repeatable(req *http.Request, body *untouched, err error) bool {
	if body.touched {
		return false
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true
	}
	return req.Method == http.MethodGet || req.Method == http.MethodHead || req.Header.Get(keyHeader) != ""
}

// untouched is a body that can be read once, and stays open for another server as long as none has.
type untouched struct {
	io.ReadCloser
	touched bool
}

func (u *untouched) Read(p []byte) (int, error) {
	u.touched = true
	return u.ReadCloser.Read(p)
}

func (u *untouched) Close() error { return nil }
