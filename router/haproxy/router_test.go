package haproxy_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/router/haproxy"
	"github.com/slipway-sh/slipway/router/routertest"
)

func TestRouter(t *testing.T) {
	routertest.Exercise(t, func(t *testing.T) routertest.Opener {
		dir := t.TempDir()
		t.Cleanup(func() { stop(t, dir) })
		return func() (slipway.Router, func()) {
			r := open(t, dir)
			return r, func() { r.Close() }
		}
	})
}

func open(t *testing.T, dir string) *haproxy.Router {
	t.Helper()
	r, err := haproxy.New(haproxy.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stop ends the HAProxy of a directory.
func stop(t *testing.T, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := open(t, dir).Stop(ctx); err != nil {
		t.Error(err)
	}
}
