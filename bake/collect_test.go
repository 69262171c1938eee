package bake_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

const forever = 1000 * time.Hour

func noRoots(context.Context) (bake.Roots, error) { return bake.Roots{}, nil }

// age makes everything stored, and the entry of each layer, look unused for so long.
func (b *bakery) age(by time.Duration, layers ...slipway.LayerInfo) {
	b.t.Helper()
	blobs, err := filepath.Glob(filepath.Join(b.dir, "images/blobs/sha256/*"))
	if err != nil {
		b.t.Fatal(err)
	}
	then := time.Now().Add(-by)
	for _, l := range layers {
		blobs = append(blobs, filepath.Join(b.dir, "cache/layers", l.Key.Hex()+".json"))
	}
	for _, p := range blobs {
		if err := os.Chtimes(p, then, then); err != nil {
			b.t.Fatal(err)
		}
	}
}

// store stores a request as slipwayd does.
func (b *bakery) store(req *slipway.BakeRequest) slipway.Digest {
	b.t.Helper()
	text, err := json.Marshal(req)
	if err != nil {
		b.t.Fatal(err)
	}
	d := slipway.DigestOf(text)
	if err := b.images.PutBlob(b.t.Context(), d, int64(len(text)), strings.NewReader(string(text))); err != nil {
		b.t.Fatal(err)
	}
	return d
}

// Which layers stay in the cache: those in need, and of the others those that were of use last, as far as the limits go.
func TestCollectLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy func(size int64) bake.Policy
		inUse  int // index of a layer that an image has; -1 for none
		want   []bool
	}{
		{"no limit", func(int64) bake.Policy { return bake.Policy{MaxBytes: 1 << 40, MaxAge: forever} }, -1, []bool{true, true, true, true}},
		{"room for two", func(size int64) bake.Policy { return bake.Policy{MaxBytes: 2 * size, MaxAge: forever} }, -1, []bool{false, false, true, true}},
		{"room for nothing", func(size int64) bake.Policy { return bake.Policy{MaxAge: forever} }, -1, []bool{false, false, false, false}},
		{"age", func(int64) bake.Policy { return bake.Policy{MaxBytes: 1 << 40, MaxAge: 150 * time.Minute} }, -1, []bool{false, false, true, true}},
		{"room for nothing, and one in use", func(int64) bake.Policy { return bake.Policy{} }, 0, []bool{true, false, false, false}},
		{"what is in use takes no room", func(size int64) bake.Policy { return bake.Policy{MaxBytes: size, MaxAge: forever} }, 0, []bool{true, false, false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			b.LetGoAfter(0)
			var layers []slipway.LayerInfo
			for i := range 4 {
				name := fmt.Sprintf("file%d", i)
				req := b.request("scratch", []entry{{name, strings.Repeat(name, 1000), 0o644}}, copyLayer(slipway.CopyLayer{From: name, To: "/x"}))
				layers = append(layers, b.mustBake(req)...)
				if _, err := b.Image(t.Context(), req, layers[i:]); err != nil { // whose record is gone
					t.Fatal(err)
				}
				if layers[i].Size != layers[0].Size {
					t.Fatal("the layers differ in size")
				}
			}
			var roots bake.Roots
			if c.inUse >= 0 {
				roots.Images = []slipway.Image{{Layers: layers[c.inUse : c.inUse+1]}}
			}
			for i, l := range layers {
				b.age(time.Duration(4-i)*time.Hour, l)
			}
			b.age(4 * time.Hour)
			policy := c.policy(layers[0].Size)
			policy.Grace, policy.DryRun = 3*time.Hour, true
			before := b.state()
			dry, err := b.Collect(t.Context(), policy, func(context.Context) (bake.Roots, error) { return roots, nil })
			if err != nil {
				t.Fatal(err)
			}
			if after := b.state(); after != before {
				t.Errorf("the dry run changed something: was\n%s\nis\n%s", before, after)
			}
			policy.DryRun = false
			got, err := b.Collect(t.Context(), policy, func(context.Context) (bake.Roots, error) { return roots, nil })
			if err != nil {
				t.Fatal(err)
			}
			dry.DryRun = false
			if got != dry {
				t.Errorf("got %+v, the dry run said %+v", got, dry)
			}
			gone := 0
			for i, l := range layers {
				_, err := os.Stat(filepath.Join(b.dir, "cache/layers", l.Key.Hex()+".json"))
				if stays := b.images.Has(l.Digest); stays != c.want[i] || (err == nil) != c.want[i] {
					t.Errorf("layer %d is stored: %v, in the cache: %v, want %v", i, stays, err == nil, c.want[i])
				}
				if !c.want[i] {
					gone++
				}
			}
			// The four files of the contexts go as well, and the manifests and configs: nothing needs them.
			if got.Layers != 4 || got.RemovedLayers != gone || got.RemovedBlobs != gone+4+8 || got.Freed < int64(gone)*layers[0].Size {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Nothing goes of an image, nor what it can be built from again, nor of a bake that is under way.
func TestCollectKeepsWhatIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name  string
		roots func(req slipway.Digest, img slipway.Image) bake.Roots
		stays func(part string) bool
	}{
		{"nothing is needed", func(slipway.Digest, slipway.Image) bake.Roots { return bake.Roots{} }, func(string) bool { return false }},
		{"an image", func(req slipway.Digest, img slipway.Image) bake.Roots {
			img.Request = req
			return bake.Roots{Images: []slipway.Image{img}}
		}, func(part string) bool { return true }},
		{"an image that a machine is of", func(_ slipway.Digest, img slipway.Image) bake.Roots {
			return bake.Roots{Used: []slipway.Digest{img.Digest}}
		}, func(part string) bool { return part == "layer" || part == "manifest" }},
		{"a bake", func(req slipway.Digest, img slipway.Image) bake.Roots {
			return bake.Roots{Bakes: []slipway.Bake{{State: slipway.BakeRunning, Request: req, Layers: []slipway.LayerBake{{LayerInfo: img.Layers[0]}}}}}
		}, func(part string) bool { return part != "manifest" }},
		{"a bake that is over", func(req slipway.Digest, img slipway.Image) bake.Roots {
			return bake.Roots{Bakes: []slipway.Bake{{State: slipway.BakeFailed, Request: req, Layers: []slipway.LayerBake{{LayerInfo: img.Layers[0]}}}}}
		}, func(part string) bool { return part == "request" }},
		{"a bake that builds an image again", func(_ slipway.Digest, img slipway.Image) bake.Roots {
			return bake.Roots{Bakes: []slipway.Bake{{State: slipway.BakeRunning, Rebuild: img.Digest}}}
		}, func(part string) bool { return part == "layer" || part == "manifest" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			b.LetGoAfter(0)
			req := b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}))
			layers := b.mustBake(req)
			img, err := b.Image(t.Context(), req, layers)
			if err != nil {
				t.Fatal(err)
			}
			request := b.store(req)
			b.age(forever, layers...)
			if err := b.reopen().collect(bake.Policy{}, c.roots(request, img)); err != nil {
				t.Fatal(err)
			}
			for part, d := range map[string]slipway.Digest{
				"layer": layers[0].Digest, "manifest": img.Digest, "request": request, "context": slipway.DigestOf([]byte("x")),
			} {
				if got := b.images.Has(d); got != c.stays(part) {
					t.Errorf("the %s is stored: %v", part, got)
				}
			}
			b.mustBake(b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"})))
		})
	}
}

// reopen returns a bakery on the same directory, as after a restart: nothing is known of who has asked for what.
func (b *bakery) reopen() *bakery { return openBakery(b.t, b.dir) }

func (b *bakery) collect(policy bake.Policy, roots bake.Roots) error {
	_, err := b.Collect(b.t.Context(), policy, func(context.Context) (bake.Roots, error) { return roots, nil })
	return err
}

// Roots that cannot be told keep everything.
func TestCollectWithoutRoots(t *testing.T) {
	b := newBakery(t)
	layers := b.mustBake(b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"})))
	b.age(forever, layers...)
	b = b.reopen()
	before := b.state()
	_, err := b.Collect(t.Context(), bake.Policy{}, func(context.Context) (bake.Roots, error) { return bake.Roots{}, io.ErrUnexpectedEOF })
	if err == nil || b.state() != before {
		t.Errorf("got %v", err)
	}
}

// Bakes, and a collector that leaves nothing it does not have to, at the same time: every bake succeeds, and has all its layers as long as
// it is under way.
func TestCollectBesideBakes(t *testing.T) {
	b := newBakery(t)
	b.LetGoAfter(2 * time.Millisecond)
	var bakes, collector sync.WaitGroup
	stop := make(chan struct{})
	var removed atomic.Int64
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			r, err := b.Collect(t.Context(), bake.Policy{Grace: time.Hour}, noRoots)
			if err != nil {
				t.Error(err)
				return
			}
			removed.Add(int64(min(r.RemovedLayers, r.RemovedBlobs)))
		}
	})
	for i := range 3 {
		bakes.Go(func() {
			for n := 0; n < 30 || removed.Load() < 100 && !t.Failed(); n++ {
				var files []entry
				var layers []slipway.Layer
				for l := range 3 {
					name := fmt.Sprintf("file%d", (i+n*l)%4)
					if !slices.ContainsFunc(files, func(e entry) bool { return e.path == name }) {
						files = append(files, entry{name, name, 0o644})
					}
					layers = append(layers, copyLayer(slipway.CopyLayer{From: name, To: fmt.Sprintf("/opt/%d", l)}))
				}
				var have []slipway.Digest
				w := watch(io.Discard)
				w.Finished = func(_ bake.Step, l slipway.LayerBake) {
					for _, d := range append(have, l.Digest) {
						if !b.images.Has(d) {
							t.Errorf("a layer of a bake that is under way is gone: %s", d)
						}
					}
					have = append(have, l.Digest)
				}
				if _, err := b.Build(t.Context(), bake.Job{Request: b.request("scratch", files, layers...), Watch: w}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	bakes.Wait()
	close(stop)
	collector.Wait()
}

// An entry whose layer is gone goes, also beside records of bakes that name no request.
func TestCollectStaleEntry(t *testing.T) {
	b := newBakery(t)
	b.LetGoAfter(0)
	req := b.request("scratch", []entry{{"file", "content", 0o644}}, copyLayer(slipway.CopyLayer{From: "file", To: "/x"}))
	layer := b.mustBake(req)[0]
	if err := os.Remove(filepath.Join(b.dir, "images/blobs/sha256", layer.Digest.Hex())); err != nil {
		t.Fatal(err)
	}
	_, err := b.Collect(t.Context(), bake.Policy{MaxBytes: 1 << 40, MaxAge: forever, Grace: forever}, func(context.Context) (bake.Roots, error) {
		return bake.Roots{Bakes: []slipway.Bake{{ID: "b-older", State: slipway.BakeSucceeded}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "cache/layers", layer.Key.Hex()+".json")); !os.IsNotExist(err) {
		t.Errorf("the entry is still there: %v", err)
	}
}
