package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// cache answers with what it was asked.
type cache struct{}

func (cache) Collect(_ context.Context, req slipway.CacheRequest) (slipway.CacheReport, error) {
	r := slipway.CacheReport{DryRun: req.DryRun, MaxBytes: -1, MaxAge: -1}
	if req.MaxBytes != nil {
		r.MaxBytes = *req.MaxBytes
	}
	if req.MaxAge != nil {
		r.MaxAge = (*req.MaxAge).Or(0)
	}
	return r, nil
}

func TestCache(t *testing.T) {
	s := serve(t, func(c *Config) { c.Cache = cache{} })
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/cache", "", http.StatusOK, `{"dry_run":true,"max_bytes":-1,"max_age_ns":-1,`},
		{"POST", "/v1/cache/prune", `{}`, http.StatusOK, `{"dry_run":false,"max_bytes":-1,"max_age_ns":-1,`},
		{"POST", "/v1/cache/prune", `{"max_bytes":0,"max_age":"1m","dry_run":true}`, http.StatusOK, `{"dry_run":true,"max_bytes":0,"max_age_ns":60000000000,`},
		{"POST", "/v1/cache/prune", `{"max_bytes":-1}`, http.StatusUnprocessableEntity, `max_bytes`},
		{"POST", "/v1/cache/prune", `{"max_age":"-1s"}`, http.StatusUnprocessableEntity, `cannot read \"-1s\" as a duration`},
	} {
		t.Run(fmt.Sprint(c.method, c.path, c.body), func(t *testing.T) {
			status, body, _ := s.do(t, c.method, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s\nwant %d …%s…", status, body, c.status, c.want)
			}
		})
	}
}
