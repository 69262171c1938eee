package bake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// ahead is a job of two layers: a slow one, and one made of files.
type ahead struct {
	t     *testing.T
	baker *Baker
	slow  func(ctx context.Context, laid <-chan struct{}, add func(func(*image.Layer) error) (slipway.LayerInfo, error)) (slipway.LayerInfo, error)
	files func(try int, l *image.Layer) error
	again chan struct{} // closed when the files are tried a second time; not nil if a layer in between waits for that

	work  *work
	laid  chan struct{} // closed when the second layer was tried
	tries atomic.Int32
}

func newAhead(t *testing.T) *ahead {
	t.Helper()
	dir := t.TempDir()
	images, err := image.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(dir, "images/ingest/*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return &ahead{t: t, baker: New(Config{Images: images, Dir: filepath.Join(dir, "cache"), Log: slog.New(slog.DiscardHandler)}), laid: make(chan struct{})}
}

func (a *ahead) build(ctx context.Context) ([]slipway.Digest, error) {
	job := &Job{Request: &slipway.BakeRequest{}, Watch: Watch{
		Started: func(Step) {}, Output: func(Step) io.Writer { return io.Discard }, Finished: func(Step, slipway.LayerBake) {},
	}}
	var once sync.Once
	plans := []plan{
		{key: stepKey{From: "slow"}, build: func(ctx context.Context, below []slipway.Digest, _ io.Writer) (slipway.LayerInfo, error) {
			return a.slow(ctx, a.laid, func(add func(*image.Layer) error) (info slipway.LayerInfo, err error) {
				info.Digest, info.Size, err = a.baker.images.WriteLayer(ctx, below, add)
				return info, err
			})
		}},
		{step: Step{Index: 1}, key: stepKey{From: "files"}, add: func(_ context.Context, l *image.Layer, _ io.Writer) error {
			defer once.Do(func() { close(a.laid) })
			try := int(a.tries.Add(1))
			if try == 2 && a.again != nil {
				defer close(a.again)
			}
			return a.files(try, l)
		}},
	}
	if a.again != nil {
		plans = slices.Insert(plans, 1, plan{step: Step{Index: 1}, key: stepKey{From: "between"},
			build: func(ctx context.Context, below []slipway.Digest, _ io.Writer) (info slipway.LayerInfo, err error) {
				<-a.again
				info.Digest, info.Size, err = a.baker.images.WriteLayer(ctx, below, putFile("/between"))
				return info, err
			}})
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &work{Baker: a.baker, job: job, plans: plans, drafts: make([]*draft, len(plans)), outs: make([]output, len(plans))}
	w.hold.all = a.baker.holds
	a.work = w
	defer w.end(cancel)
	for i := range plans {
		l, err := w.layer(ctx, i)
		if err != nil {
			return nil, err
		}
		w.below = append(w.below, l.Digest)
	}
	return w.below, nil
}

func putFile(p string) func(*image.Layer) error {
	return func(l *image.Layer) error { return l.AddFile(p, image.Attr{Mode: 0o644}, []byte(p)) }
}

// A layer of files is made once if the layer below turns out to be as it was thought, and otherwise again; an error that comes of a wrong
// guess is not told, and one that stays is.
func TestAhead(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		name  string
		below func(*image.Layer) error
		files func(try int, l *image.Layer) error
		tries int32
		err   error
	}{
		{"a right guess", putFile("/opt/x"), func(_ int, l *image.Layer) error { return putFile("/opt/app")(l) }, 1, nil},
		{"a wrong guess", func(l *image.Layer) error { return l.AddDir("/opt", image.Attr{Mode: 0o700}) },
			func(_ int, l *image.Layer) error { return putFile("/opt/app")(l) }, 2, nil},
		{"an error of the guess", putFile("/opt/x"), func(try int, l *image.Layer) error {
			if try == 1 {
				return failure
			}
			return putFile("/opt/app")(l)
		}, 2, nil},
		{"an error that stays", putFile("/opt/x"), func(int, *image.Layer) error { return failure }, 2, failure},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAhead(t)
			a.slow = func(_ context.Context, laid <-chan struct{}, add func(func(*image.Layer) error) (slipway.LayerInfo, error)) (slipway.LayerInfo, error) {
				<-laid // nothing else makes sure that the other layer does not wait
				return add(c.below)
			}
			a.files = c.files
			got, err := a.build(t.Context())
			if !errors.Is(err, c.err) || a.tries.Load() != c.tries {
				t.Fatalf("got %v after %d tries, want %v after %d", err, a.tries.Load(), c.err, c.tries)
			}
			if err != nil {
				return
			}
			below, _, err := a.baker.images.WriteLayer(t.Context(), nil, c.below)
			if err != nil {
				t.Fatal(err)
			}
			top, _, err := a.baker.images.WriteLayer(t.Context(), []slipway.Digest{below}, func(l *image.Layer) error { return c.files(2, l) })
			if err != nil {
				t.Fatal(err)
			}
			if want := []slipway.Digest{below, top}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// A guess that turned out to be wrong is made better while other layers are being built.
func TestGuessAgain(t *testing.T) {
	a := newAhead(t)
	a.again = make(chan struct{})
	a.slow = func(_ context.Context, _ <-chan struct{}, add func(func(*image.Layer) error) (slipway.LayerInfo, error)) (slipway.LayerInfo, error) {
		<-a.work.drafts[2].laid
		return add(func(l *image.Layer) error { return l.AddDir("/opt", image.Attr{Mode: 0o700}) })
	}
	a.files = func(_ int, l *image.Layer) error { return putFile("/opt/app")(l) }
	below, err := a.build(t.Context())
	if err != nil || a.tries.Load() != 2 {
		t.Fatalf("got %v after %d tries, want 2", err, a.tries.Load())
	}
	want, _, err := a.baker.images.WriteLayer(t.Context(), below[:2], putFile("/opt/app"))
	if err != nil || below[2] != want {
		t.Errorf("got %s, want %s, %v", below[2], want, err)
	}
}

// What was made ahead goes with the bake that fails or is broken off. The blob of a draft that was written is not in the store.
func TestAheadLeavesNothing(t *testing.T) {
	failure := errors.New("failure")
	for _, abort := range []bool{false, true} {
		a := newAhead(t)
		ctx, cancel := context.WithCancel(t.Context())
		a.slow = func(ctx context.Context, laid <-chan struct{}, _ func(func(*image.Layer) error) (slipway.LayerInfo, error)) (slipway.LayerInfo, error) {
			<-laid
			if abort {
				cancel()
				<-ctx.Done()
				return slipway.LayerInfo{}, ctx.Err()
			}
			return slipway.LayerInfo{}, failure
		}
		a.files = func(_ int, l *image.Layer) error { return putFile("/opt/app")(l) }
		want := failure
		if abort {
			want = context.Canceled
		}
		if _, err := a.build(ctx); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		cancel()
		if stored, err := filepath.Glob(a.baker.images.BlobPath("") + "/*"); err != nil || len(stored) > 0 {
			t.Errorf("stored: %v, %v", stored, err)
		}
	}
}
