package bake_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// What was installed is written down, and installed again from what is kept: the same bytes, without a network, whatever the host's
// sources say by then.
func TestLock(t *testing.T) {
	needsDebian(t)
	b := newBakery(t)
	req := b.request("debian:bookworm", nil, slipway.Layer{Packages: []string{"nginx-light", "ca-certificates"}}, slipway.Layer{Packages: []string{"jq"}})
	first, _, out, err := b.bake(t.Context(), req)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(out, "fetching"); n != 2 {
		t.Errorf("packages were fetched %d times, want 2: those of the last layer while the one below was being built:\n%s", n, out)
	}
	locks := map[int]slipway.Lock{}
	for i, l := range first {
		text, err := os.ReadFile(b.images.BlobPath(l.Lock))
		if err != nil {
			t.Fatal(err)
		}
		var lock slipway.Lock
		if err := json.Unmarshal(text, &lock); err != nil {
			t.Fatal(err)
		}
		locks[i] = lock
		wantKept(t, b, lock)
	}
	for i, want := range []string{"dpkg", "nginx-light", "jq"} {
		if !slices.ContainsFunc(locks[i].Packages, func(p slipway.LockedPackage) bool { return p.Name == want }) {
			t.Errorf("the lock of layer %d does not have %s: %v", i, want, locks[i].Packages)
		}
	}
	if slices.ContainsFunc(locks[1].Packages, func(p slipway.LockedPackage) bool { return p.Name == "dpkg" }) {
		t.Error("the lock of the packages has what the base brought")
	}
	cached := b.mustBake(req)
	if !slices.Equal(cached, first) {
		t.Errorf("from the cache came %v, want %v", cached, first)
	}

	// What is stored is not fetched again.
	again := *req
	again.NoCache = []string{"1"}
	layers, bakes, out, err := b.bake(t.Context(), &again)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, "fetching") || bakes[1].Cached {
		t.Errorf("got %+v and printed:\n%s\nwant it resolved anew and nothing fetched", bakes, out)
	}
	wantSame(t, b, first, layers)

	// A rebuild on a host that reaches nothing.
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	apt := t.TempDir()
	if err := os.WriteFile(filepath.Join(apt, "sources.list"), []byte("deb http://127.0.0.1:1/debian bookworm main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	elsewhere := bake.New(bake.Config{Images: b.images, Mounts: b.mounts, Apt: apt, Dir: filepath.Join(b.dir, "cache"), Log: slog.New(slog.DiscardHandler)})
	rebuild := func(ctx context.Context, locks map[int]slipway.Lock) ([]slipway.LayerInfo, error) {
		var out shared
		bakes, err := elsewhere.Build(ctx, bake.Job{ID: "b-again", Request: req, Locks: locks, Watch: watch(&out)})
		var layers []slipway.LayerInfo
		for _, l := range bakes {
			layers = append(layers, l.LayerInfo)
		}
		return layers, err
	}
	if _, err := rebuild(t.Context(), nil); err == nil {
		t.Error("a bake without locks worked: the test shows nothing")
	}
	layers, err = rebuild(t.Context(), locks)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, b, first, layers)
	if !slices.Equal(layers, first) {
		t.Errorf("got %v, want the same keys and locks as %v", layers, first)
	}

	gone := locks[1].Packages[0]
	if err := os.Remove(b.images.BlobPath(gone.Digest)); err != nil {
		t.Fatal(err)
	}
	_, err = rebuild(t.Context(), locks)
	wantError(t, err, slipway.NotFound, "image.layers[0].packages", "not kept any more: "+gone.Name+" "+gone.Version)
	b.wantNothingLeft()
}

// wantKept fails the test unless every package of a lock is stored, and the list is in order.
func wantKept(t *testing.T, b *bakery, lock slipway.Lock) {
	t.Helper()
	if len(lock.Packages) == 0 {
		t.Error("a lock is empty")
	}
	last := ""
	for _, p := range lock.Packages {
		if err := b.images.Verify(t.Context(), p.Digest); err != nil {
			t.Errorf("%s %s: %v", p.Name, p.Version, err)
		}
		if id := p.Name + "\x00" + p.Architecture; id <= last {
			t.Errorf("%s stands behind %s", id, last)
		} else {
			last = id
		}
		if p.Version == "" || p.Size == 0 {
			t.Errorf("got %+v, want version and size", p)
		}
	}
}

// wantSame compares layers, and lists the files that differ.
func wantSame(t *testing.T, b *bakery, want, got []slipway.LayerInfo) {
	t.Helper()
	for i := range want {
		if got[i].Digest != want[i].Digest {
			t.Errorf("%s: got %s, want %s:\n%s", want[i].Step, got[i].Digest, want[i].Digest, difference(b.list(want[i]), b.list(got[i])))
		}
	}
}
