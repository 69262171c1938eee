package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		name, fault, environment, path string
		status                         int
		contains                       string
	}{
		{"says which version and machine answered", "", "", "/", 200, "hello dev from "},
		{"is healthy", "", "prod", "/healthz", 200, "ok"},
		{"knows nothing else", "", "", "/else", 404, ""},
		{"unhealthy only in prod", "unhealthy", "prod", "/healthz", 500, "cannot find"},
		{"unhealthy not in dev", "unhealthy", "dev", "/healthz", 200, "ok"},
		{"unhealthy but answering", "unhealthy", "prod", "/", 200, "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ENVIRONMENT", c.environment)
			defer func(was string) { fault = was }(fault)
			fault = c.fault
			server := httptest.NewServer(handler())
			defer server.Close()
			res, err := http.Get(server.URL + c.path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status || !strings.Contains(string(body), c.contains) {
				t.Errorf("got %d %q, want %d with %q", res.StatusCode, body, c.status, c.contains)
			}
		})
	}
}
