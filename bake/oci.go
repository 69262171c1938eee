package bake

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// Registry is where images come from that others start from. [slipway.Registry] has what it takes; package bases remembers what it said.
type Registry interface {
	Layers(ctx context.Context, ref string, manifest slipway.Digest) ([]slipway.RemoteLayer, error)
	FetchLayer(ctx context.Context, ref string, layer slipway.RemoteLayer, take func(io.Reader) error) error
}

const (
	// fetchesAtOnce is how many layers of an image are fetched side by side.
	fetchesAtOnce = 4
	// sayEvery is how often a bake says how far fetching is.
	sayEvery = time.Second
)

// planOCI plans the layers of a registry's image: each becomes one layer, with its whiteouts. Only files are taken over. What the image's
// configuration says of commands, users and environment is not: what a machine runs stands in slipway.yaml, where people read it.
//
// A layer's key is of its digest in the registry and the layers below, which decide what the directories are like that its archive
// implies. So images that share layers share what was made of them. They are made one after the other: what one is depends on those below,
// and comparing guesses would cost more than it saves where layers are many.
func (b *Baker) planOCI(ctx context.Context, s site) ([]plan, error) {
	from := s.job.Request.Spec.Image.From
	ref := strings.TrimPrefix(from, "oci:")
	if b.registry == nil || s.job.Base == nil {
		return nil, fmt.Errorf("plan %s: it is not known which image that is", from)
	}
	layers, err := b.registry.Layers(ctx, ref, s.job.Base.Digest)
	if err != nil {
		return nil, placed(s.place, err)
	}
	turn, _ := b.turns.LoadOrStore(s.job.Base.Digest, make(chan struct{}, 1))
	fetch := &fetch{baker: b, ref: ref, layers: layers, turn: turn.(chan struct{})}
	plans := make([]plan, len(layers))
	for i, l := range layers {
		missing, err := b.images.Missing(ctx, []slipway.Digest{l.Digest})
		if err != nil {
			return nil, placed(s.place, err)
		}
		plans[i] = plan{
			step:  Step{Name: fmt.Sprintf("%s layer %d of %d", from, i+1, len(layers))},
			place: s.place,
			key:   stepKey{From: "oci:" + string(l.Digest)},
			pull:  len(missing) > 0,
			size:  l.Size,
			build: func(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
				if err := fetch.from(ctx, i, out); err != nil {
					return slipway.LayerInfo{}, placed(s.place, err)
				}
				digest, size, err := b.images.WriteLayer(ctx, below, func(layer *image.Layer) error {
					return layer.AddArchive(ctx, l.Digest, image.Options{Skip: inDev, OCIWhiteouts: true})
				})
				return slipway.LayerInfo{Digest: digest, Size: size}, placed(s.place, err)
			},
		}
	}
	return plans, nil
}

// fetch is the fetching of an image's layers, as they are in the registry, into the image store.
type fetch struct {
	baker  *Baker
	ref    string
	layers []slipway.RemoteLayer
	turn   chan struct{} // shared by all bakes that start from the image
}

// from fetches what is missing of layer i and those above it, side by side. Whoever needs one of them meanwhile, also for another bake,
// waits: it will be there.
// (That layer i has to be made means that those above it have to be, too: it is part of their keys.)
func (f *fetch) from(ctx context.Context, i int, out io.Writer) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	missing, err := f.missing(ctx, i)
	if err != nil || len(missing) == 0 {
		return err
	}
	p := &fetched{out: out, layers: len(missing)}
	for _, l := range missing {
		p.bytes += l.Size
	}
	p.say(true)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(fetchesAtOnce)
	for _, l := range missing {
		group.Go(func() error {
			err := f.baker.registry.FetchLayer(gctx, f.ref, l, func(r io.Reader) error {
				counted := &countedReader{r: r, progress: p}
				defer counted.settle()
				err := f.baker.images.PutBlob(gctx, l.Digest, l.Size, counted)
				counted.keep = err == nil
				return err
			})
			if err == nil {
				p.layer()
			}
			return err
		})
	}
	return group.Wait()
}

// missing returns the layers from i that are not in the image store, each once.
func (f *fetch) missing(ctx context.Context, i int) ([]slipway.RemoteLayer, error) {
	var missing []slipway.RemoteLayer
	seen := map[slipway.Digest]bool{}
	for _, l := range f.layers[i:] {
		gone, err := f.baker.images.Missing(ctx, []slipway.Digest{l.Digest})
		if err != nil {
			return nil, err
		}
		if len(gone) > 0 && !seen[l.Digest] {
			missing = append(missing, l)
		}
		seen[l.Digest] = true
	}
	return missing, nil
}

// fetched says on a bake's output how far fetching is.
type fetched struct {
	out io.Writer

	mu                sync.Mutex
	gotLayers, layers int
	gotBytes, bytes   int64
	said              time.Time
}

// moved counts bytes that came, or, if n is negative, that have to come again.
func (p *fetched) moved(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gotBytes += n
	p.say(false)
}

// layer counts a layer that is there.
func (p *fetched) layer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gotLayers++
	p.say(p.gotLayers == p.layers)
}

// say writes a line, if it is time for one or it has to be.
func (p *fetched) say(now bool) {
	if !now && time.Since(p.said) < sayEvery {
		return
	}
	p.said = time.Now()
	fmt.Fprintf(p.out, "pulling %d of %d layers, %.1f of %.1f MB\n", p.gotLayers, p.layers, float64(p.gotBytes)/1e6, float64(p.bytes)/1e6)
}

// countedReader counts what is read, and takes it back in the end unless it was kept.
type countedReader struct {
	r        io.Reader
	progress *fetched
	n        int64
	keep     bool
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.progress.moved(int64(n))
	return n, err
}

func (c *countedReader) settle() {
	if !c.keep {
		c.progress.moved(-c.n)
	}
}
