package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// FuzzLastEventID connects to the stream of events again from wherever somebody says.
func FuzzLastEventID(f *testing.F) {
	s := serve(f)
	handler := New(s.Config)
	for _, id := range []string{"", "0", "12", "-1", "9223372036854775808", "1e3", "x", " 1", "1\n2", "\x00", "١"} {
		f.Add(id, "text/event-stream")
		f.Add(id, "application/json")
	}
	f.Fuzz(func(t *testing.T, id, accept string) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond) // a stream ends with its client
		defer cancel()
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/events", nil)
		req.Header["Last-Event-Id"] = []string{id}
		req.Header["Accept"] = []string{accept}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		if answer.Code >= 500 && ctx.Err() == nil {
			t.Fatalf("%q, %q: %d %s", id, accept, answer.Code, answer.Body)
		}
	})
}

// FuzzPaths puts whatever it likes where paths have names: of applications, images, channels, machines. What is not there is not found, and
// nothing else is.
func FuzzPaths(f *testing.F) {
	s := serve(f)
	handler := New(s.Config)
	for _, name := range []string{"hello", "..", ".", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "a/b", "sha256:" + strings.Repeat("0", 64), strings.Repeat("x", 5000), "é", "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, path := range []string{"/v1/images/{}/latest", "/v1/images/hello/{}", "/v1/bakes/{}", "/v1/deployments/{}", "/v1/channels/{}/{}", "/v1/applications/{}", "/v1/clusters/{}/{}", "/v1/instances/{}"} {
			target := &url.URL{Path: strings.ReplaceAll(path, "{}", name), RawPath: strings.ReplaceAll(path, "{}", url.PathEscape(name))}
			req := &http.Request{Method: http.MethodGet, URL: target, Header: http.Header{}, Host: "127.0.0.1", RemoteAddr: "@", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, req.WithContext(t.Context()))
			if answer.Code < 300 || answer.Code >= 500 {
				t.Fatalf("GET %s: %d %s", target, answer.Code, answer.Body)
			}
		}
	})
}

// TestPathsOfUploads puts names of files where a digest belongs: nothing is written anywhere.
func TestPathsOfUploads(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"..%2f..%2fetc%2fpasswd", "sha256:..%2f..", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("0", 63), "sha256:" + strings.Repeat("0", 63) + "%2f", "md5:" + strings.Repeat("0", 32), "%00"} {
		status, body, _ := s.do(t, "PUT", "/v1/blobs/"+name, "x")
		if status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if stored := s.Blobs.(*blobs).stored; len(stored) != 0 {
		t.Errorf("stored: %v", stored)
	}
	if slipway.Digest("sha256:../../../etc/passwd").Validate() == nil {
		t.Error("a path is a digest")
	}
}
