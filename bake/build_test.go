package bake_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// story is what a watch was told.
type story struct {
	mu       sync.Mutex
	started  []string
	finished []slipway.LayerBake
}

func (s *story) watch() bake.Watch {
	return bake.Watch{
		Started: func(step bake.Step) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.started = append(s.started, step.Name)
		},
		Output: func(bake.Step) io.Writer { return io.Discard },
		Finished: func(_ bake.Step, l slipway.LayerBake) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.finished = append(s.finished, l)
		},
	}
}

func templateLayer(from, to string) slipway.Layer {
	return slipway.Layer{Template: &slipway.TemplateLayer{From: from, To: to}}
}

// tarOfTree is an archive of a directory, with one below it that is not in the archive itself.
func tarOfTree(t *testing.T) string {
	t.Helper()
	return tarOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "tree/", Mode: 0o750, Uid: 5}, tar.Header{Typeflag: tar.TypeReg, Name: "tree/sub/file", Mode: 0o644})
}

// randomLayers returns layers that meet in each other's directories.
func randomLayers(r *rand.Rand, scripts bool) []slipway.Layer {
	dirs := []string{"/opt/", "/srv/app/", "/bin/", "/tmp/", "/etc/"}
	layers := make([]slipway.Layer, 2+r.IntN(4))
	for i := range layers {
		to := dirs[r.IntN(len(dirs))]
		switch kind := r.IntN(6); {
		case kind == 0 && scripts:
			layers[i] = slipway.Layer{Run: &slipway.RunLayer{Script: fmt.Sprintf("script%d", r.IntN(4))}}
		case kind <= 2:
			layers[i] = templateLayer("template", to+fmt.Sprint(i))
		case kind == 3:
			layers[i] = copyLayer(slipway.CopyLayer{From: "tree", To: to, Owner: fmt.Sprintf("%d:0", r.IntN(2))})
		case kind == 4:
			layers[i] = copyLayer(slipway.CopyLayer{From: "tree.tar", To: to, Unpack: true})
		default:
			layers[i] = copyLayer(slipway.CopyLayer{From: "tree/one", To: to})
		}
	}
	return layers
}

// However layers are made side by side, they are those that are made one after the other.
func TestParallelIsSerial(t *testing.T) {
	needsRoot(t)
	b, serial := newBakery(t), newBakery(t)
	files := []entry{
		{"tiny.tar", tinySystem(t), 0o644}, {"tree", "dir", 0o700}, {"tree/one", "one", 0o644}, {"tree/sub/two", "two", 0o600}, {"template", "{{.Application}}", 0o644},
		{"tree.tar", tarOfTree(t), 0o644},
		{"script0", "mkdir -p /srv/app; chmod 750 /srv/app", 0o755}, {"script1", "rm -rf /opt; mkdir -m 700 /opt", 0o755},
		{"script2", "exit 0", 0o755}, {"script3", "rm -rf /srv; mkdir -p /else; ln -s else /srv", 0o755},
	}
	for seed := range uint64(24) {
		layers := randomLayers(rand.New(rand.NewPCG(seed, 0)), seed%3 == 0)
		from := []string{"rootfs:tiny.tar", "rootfs:tiny.tar", "scratch"}[seed%3]
		var want []slipway.LayerInfo
		for n := range len(layers) + 1 {
			// One layer more each time: there is nothing to be made ahead.
			if n > 0 || from != "scratch" {
				want = serial.mustBake(serial.request(from, files, layers[:n]...))
			}
		}
		if got := b.mustBake(b.request(from, files, layers...)); !slices.Equal(got, want) {
			t.Errorf("seed %d: got\n%v\nwant\n%v", seed, got, want)
		}
	}
}

// A copy does not wait for the script below it, and what it made is the layer.
func TestMadeAhead(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	files := []entry{{"tiny.tar", tinySystem(t), 0o644}, {"s", "echo waiting", 0o755}, {"app", "app", 0o755}}
	req := b.request("rootfs:tiny.tar", files, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}}, copyLayer(slipway.CopyLayer{From: "app", To: "/srv/app"}))
	copied := make(chan struct{})
	w := watch(onLine(func(string) {
		select {
		case <-copied: // only then the script can end
		case <-time.After(time.Minute):
			t.Error("the copy waits for the script")
		}
	}))
	w.Started = func(s bake.Step) {
		if s.Index == 2 {
			close(copied)
		}
	}
	if _, err := b.Build(t.Context(), bake.Job{Request: req, Watch: w}); err != nil {
		t.Fatal(err)
	}
}

// Breaking off ends what is made ahead as well.
func TestCancelAhead(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	files := []entry{{"tiny.tar", tinySystem(t), 0o644}, {"s", "echo waiting; sleep 1000", 0o755}, {"app", strings.Repeat("app", 1<<20), 0o755}}
	req := b.request("rootfs:tiny.tar", files, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}},
		copyLayer(slipway.CopyLayer{From: "app", To: "/srv/a"}), copyLayer(slipway.CopyLayer{From: "app", To: "/srv/b"}))
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := b.Build(ctx, bake.Job{Request: req, Watch: watch(onLine(func(string) { cancel() }))}); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("got %v, want %v", err, ctx.Err())
	}
	b.wantNothingLeft()
}

// Nothing is built, and no line printed, for a bake that cannot succeed because a later layer is wrong.
func TestWrongInputIsToldFirst(t *testing.T) {
	b := newBakery(t)
	var told story
	req := b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}), copyLayer(slipway.CopyLayer{From: "y", To: "/y"}))
	_, err := b.Build(t.Context(), bake.Job{Request: req, Watch: told.watch()})
	wantError(t, err, slipway.Invalid, "image.layers[1].copy.from", "cannot find y in the build context")
	if len(told.started)+len(told.finished) > 0 {
		t.Errorf("told of %+v", told.started)
	}
	if _, err := b.Plan(t.Context(), bake.Job{Request: req}, nil, nil); err == nil {
		t.Error("it can be planned")
	}
}

func TestNoCache(t *testing.T) {
	for _, c := range []struct {
		noCache []string
		want    string // of each layer: whether it is cached
		err     string
	}{
		{nil, "true true true", ""},
		{[]string{slipway.AllLayers}, "false false false", ""},
		{[]string{"1"}, "true false true", ""}, // it comes out the same, and so does what is above it
		{[]string{"copy y", "1"}, "true false false", ""},
		{[]string{"rootfs:r.tar"}, "false true true", ""},
		{[]string{"copy z"}, "", `cannot build the layer "copy z" anew: there is none of that name or number; the layers are "rootfs:r.tar", 1 "copy x", 2 "copy y"`},
		{[]string{"2", "3"}, "", `cannot build the layer "3" anew`},
		{[]string{"0"}, "", `cannot build the layer "0" anew`},
	} {
		t.Run(strings.Join(c.noCache, " "), func(t *testing.T) {
			b := newBakery(t)
			req := b.request("rootfs:r.tar", []entry{{"r.tar", tarOfTree(t), 0o644}, {"x", "x", 0o644}, {"y", "y", 0o644}},
				copyLayer(slipway.CopyLayer{From: "x", To: "/x"}), copyLayer(slipway.CopyLayer{From: "y", To: "/y"}))
			first := b.mustBake(req)
			req.NoCache = c.noCache
			var told story
			layers, err := b.Build(t.Context(), bake.Job{Request: req, Watch: told.watch()})
			if c.err != "" {
				place := fmt.Sprintf("no_cache[%d]", len(c.noCache)-1)
				wantError(t, err, slipway.Invalid, place, c.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var cached []string
			for i, l := range layers {
				cached = append(cached, fmt.Sprint(l.Cached))
				if l.LayerInfo != first[i] {
					t.Errorf("layer %d is %v, was %v", i, l.LayerInfo, first[i])
				}
			}
			if got := strings.Join(cached, " "); got != c.want {
				t.Errorf("cached: got %s, want %s", got, c.want)
			}
			if len(told.finished) != len(layers) {
				t.Errorf("told of %d layers", len(told.finished))
			}
		})
	}
}

// A bake that was broken off goes on where it was, also one without cache. What does not fit any more is made again.
func TestGoesOn(t *testing.T) {
	b := newBakery(t)
	req := b.request("scratch", []entry{{"x", "x", 0o644}, {"y", "y", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}), copyLayer(slipway.CopyLayer{From: "y", To: "/y"}))
	req.NoCache = []string{slipway.AllLayers}
	_, bakes, _, err := b.bake(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		done []slipway.LayerBake
		want []string // that is built
	}{
		{"from the beginning", nil, []string{"copy x", "copy y"}},
		{"from the second layer", bakes[:1], []string{"copy y"}},
		{"to the end", bakes, nil},
		{"with one that is another now", []slipway.LayerBake{bakes[0], {LayerInfo: slipway.LayerInfo{Key: bakes[0].Key}}}, []string{"copy y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told story
			layers, err := b.Build(t.Context(), bake.Job{Request: req, Done: c.done, Watch: told.watch()})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(told.started)
			if !slices.Equal(told.started, c.want) {
				t.Errorf("built %v, want %v", told.started, c.want)
			}
			if len(layers) != 2 || len(told.finished) != 2 || layers[0].Digest != bakes[0].Digest || layers[1].Digest != bakes[1].Digest {
				t.Errorf("got %+v, told %+v", layers, told.finished)
			}
		})
	}
}

// An image on top of another has that one's layers, as they are.
func TestOnImage(t *testing.T) {
	b := newBakery(t)
	below := b.mustBake(b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"}), copyLayer(slipway.CopyLayer{From: "x", To: "/y"})))
	req := b.request("image:base", []entry{{"z", "z", 0o644}}, copyLayer(slipway.CopyLayer{From: "z", To: "/z"}))
	var told story
	layers, err := b.Build(t.Context(), bake.Job{Request: req, Below: below, Base: &slipway.Base{From: "image:base", Layers: 2}, Watch: told.watch()})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range below {
		if l := layers[i]; l.LayerInfo != want || l.Index != 0 || !l.Cached {
			t.Errorf("layer %d is %+v, want %+v, cached", i, l, want)
		}
	}
	if l := layers[2]; l.Index != 1 || l.Cached || len(told.finished) != 3 {
		t.Errorf("got %+v, told %+v", l, told.finished)
	}
	onScratch := b.mustBake(b.request("scratch", []entry{{"z", "z", 0o644}}, copyLayer(slipway.CopyLayer{From: "z", To: "/z"})))
	if onScratch[0].Key == layers[2].Key {
		t.Error("the layers below are not part of the key")
	}
}

// Applications that have a layer in common share it, also while it is being built.
func TestSharedBetweenApplications(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	files := []entry{{"tiny.tar", tinySystem(t), 0o644}, {"s", "echo building; read x </proc/sys/kernel/random/uuid; echo $x >/x", 0o755}}
	begun := make(chan struct{})
	var once sync.Once
	digests := make([]slipway.Digest, 3)
	var all sync.WaitGroup
	for i := range digests {
		req := b.request("rootfs:tiny.tar", files, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}})
		req.Spec.Application = fmt.Sprintf("app%d", i)
		w := watch(io.Discard)
		w.Started = func(s bake.Step) {
			if s.Index == 1 {
				once.Do(func() { close(begun) })
			}
		}
		all.Go(func() {
			if i > 0 {
				<-begun
			}
			layers, err := b.Build(t.Context(), bake.Job{Request: req, Watch: w})
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = layers[1].Digest
		})
	}
	all.Wait()
	if digests[0] != digests[1] || digests[1] != digests[2] {
		t.Errorf("the script, which never gives the same twice, gave %v", digests)
	}
}

// A rebuild takes nothing from the cache, and leaves nothing there.
func TestRebuild(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	files := []entry{{"tiny.tar", tinySystem(t), 0o644}, {"s", "read x </proc/sys/kernel/random/uuid; echo $x >/x", 0o755}}
	req := b.request("rootfs:tiny.tar", files, slipway.Layer{Run: &slipway.RunLayer{Script: "s"}})
	first := b.mustBake(req)
	again, err := b.Build(t.Context(), bake.Job{ID: "b-again", Request: req, Locks: map[int]slipway.Lock{}, Watch: watch(io.Discard)})
	if err != nil {
		t.Fatal(err)
	}
	if again[0].Digest != first[0].Digest || again[0].Key != first[0].Key {
		t.Errorf("the base is %+v, was %+v", again[0], first[0])
	}
	if again[1].Cached || again[1].Digest == first[1].Digest || again[1].Key != first[1].Key {
		t.Errorf("the script's layer is %+v, was %+v: want another, with the same key", again[1], first[1])
	}
	if now := b.mustBake(req); now[1] != first[1] {
		t.Errorf("the cache has %+v, had %+v", now[1], first[1])
	}
}

// A disk that is full in the middle of layers, of which several are made at once, is told as such; nothing half-made is left, and what fits
// is baked then.
func TestDiskFullOfCopies(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b := openBakery(t, dir)
	big := []entry{{"big", strings.Repeat("x", 5<<20), 0o644}, {"big.tar.gz", gzipped(t, tarOfBig(t, 12<<20)), 0o644}}
	for _, layers := range [][]slipway.Layer{
		{copyLayer(slipway.CopyLayer{From: "big", To: "/a"}), copyLayer(slipway.CopyLayer{From: "big", To: "/b"}), copyLayer(slipway.CopyLayer{From: "big", To: "/c"})},
		{copyLayer(slipway.CopyLayer{From: "big.tar.gz", To: "/a", Unpack: true}), copyLayer(slipway.CopyLayer{From: "big", To: "/b"})},
	} {
		_, _, _, err := b.bake(t.Context(), b.request("scratch", big, layers...))
		var e *slipway.Error
		if !errors.As(err, &e) || e.Code != slipway.Unprepared || !strings.HasPrefix(e.Place, "image.layers[") || !strings.Contains(e.Message, "no space left") && !strings.Contains(e.Message, "free") {
			t.Errorf("got %v, want %s", err, slipway.Unprepared)
		}
		b.wantNothingLeft()
	}
	b.mustBake(b.request("scratch", []entry{{"x", "x", 0o644}}, copyLayer(slipway.CopyLayer{From: "x", To: "/x"})))
}

// tarOfBig is an archive of one file of n bytes.
func tarOfBig(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "big", Mode: 0o644, Size: int64(n)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
