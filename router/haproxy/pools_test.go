package haproxy_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/router/routertest"
)

// TestPools: all pools at once are what each is by itself.
func TestPools(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { stop(t, dir) })
	r := open(t, dir)
	defer r.Close()
	if all, err := r.Pools(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v, want none", all, err)
	}
	backend := routertest.NewBackend(t, "v1", "i-1")
	standby := routertest.NewBackend(t, "v0", "i-2").Target
	standby.Mode = slipway.Standby
	for n := range 3 {
		pool := poolOf(routertest.FreePort(t), backend.Target, standby)
		pool.LoadBalancer = fmt.Sprintf("app%d-prod", n)
		if err := r.SetPool(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.Pools(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%d pools, %v", len(all), err)
	}
	for name, pool := range all {
		one, err := r.Pool(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one, pool); diff != "" {
			t.Errorf("%s: -alone +with all:\n%s", name, diff)
		}
	}
}
