package bake

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

// Build makes all layers of a job, what the image starts from included, and returns them lowest first. What the cache has is taken from
// there; what another bake is just building is awaited. Layers that consist of files at hand are made while those below them are still
// being built.
//
// Wrong input is told before anything is built; its errors name the place in the specification. When ctx ends, Build returns once nothing
// is left of the work, but for layers that another bake waits for. Building a job again with the finished layers in Done goes on where it
// was broken off.
func (b *Baker) Build(ctx context.Context, job Job) ([]slipway.LayerBake, error) {
	plans, err := b.plans(ctx, &job)
	if err != nil {
		return nil, err
	}
	anew, err := layersAnew(job.Request, plans)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &work{Baker: b, job: &job, plans: plans, anew: anew, drafts: make([]*draft, len(plans)), outs: make([]output, len(plans))}
	w.hold.all = b.holds
	defer w.end(cancel)
	w.holdInputs()
	for i, p := range plans {
		layer, err := w.layer(ctx, i)
		if err != nil {
			return nil, b.explain(p.step, err)
		}
		w.layers, w.below = append(w.layers, layer), append(w.below, layer.Digest)
		job.Watch.Finished(p.step, layer)
	}
	return w.layers, nil
}

// work is a job being done. Its layers are finished one after the other, by one goroutine; what it does ahead has goroutines of its own.
type work struct {
	*Baker
	job    *Job
	plans  []plan
	anew   map[int]bool // by step index: not to be taken from the cache
	layers []slipway.LayerBake
	below  []slipway.Digest // of layers
	drafts []*draft         // by plan; nil where none was begun
	outs   []output         // by plan
	ahead  sync.WaitGroup
	hold   hold
}

// layer returns the layer of plan i once it is there.
func (w *work) layer(ctx context.Context, i int) (slipway.LayerBake, error) {
	p, start := w.plans[i], time.Now()
	as := func(info slipway.LayerInfo, cached bool) slipway.LayerBake {
		info.Step = p.step.Name
		return slipway.LayerBake{LayerInfo: info, Index: p.step.Index, Cached: cached, Took: time.Since(start)}
	}
	defer w.settle(i)
	if p.ready != nil {
		return as(*p.ready, true), nil
	}
	below := slices.Clone(w.below)
	inputs := p.key.on(below)
	key := inputs.digest()
	for _, done := range w.job.Done {
		if done.Key == key && w.cache.holds(done.LayerInfo) {
			done.Index = p.step.Index
			return done, nil
		}
	}
	if !w.anew[p.step.Index] && !w.job.rebuilds() {
		if info, ok := w.cache.get(key, &w.hold); ok {
			return as(info, true), nil
		}
	}
	flight := w.flight(key)
	w.lookAhead(ctx, i, w.flights.under(flight))
	w.started(i)
	var d *draft // this bake's, if it is what became the layer
	info, err := w.flights.do(ctx, flight, w.output(i), func(ctx context.Context, out io.Writer) (info slipway.LayerInfo, err error) {
		var drafted bool
		if info, drafted, err = w.finish(ctx, i, below); drafted {
			d = w.drafts[i]
		} else if err == nil {
			info, err = w.make(ctx, p, below, out)
		}
		if err != nil {
			return slipway.LayerInfo{}, err
		}
		info.Step, info.Key = p.step.Name, key
		w.hold.on(info.Digest, info.Lock)
		if w.job.rebuilds() {
			return info, nil
		}
		return info, w.cache.put(info, inputs)
	})
	if err != nil {
		return slipway.LayerBake{}, err
	}
	w.hold.on(info.Digest, info.Lock)
	layer := as(info, false)
	if d != nil {
		layer.Took = d.took
	}
	return layer, nil
}

// flight names the work on a layer that bakes share.
func (w *work) flight(key slipway.Digest) slipway.Digest {
	if w.job.rebuilds() {
		return slipway.DigestOf([]byte("rebuild " + w.job.ID + " " + string(key)))
	}
	return key
}

// end breaks off what is still going on and waits until nothing is left of it.
func (w *work) end(cancel context.CancelFunc) {
	cancel()
	w.ahead.Wait()
	for i := range w.plans {
		w.settle(i)
	}
	w.hold.end()
}

// holdInputs holds all that is there for the job.
func (w *work) holdInputs() {
	w.hold.on(contextBlobs(w.job.Request)...)
	for _, l := range w.job.Below {
		w.hold.on(l.Digest)
	}
	for _, l := range w.job.Done {
		w.hold.on(l.Digest, l.Lock)
	}
	for _, lock := range w.job.Locks {
		for _, p := range lock.Packages {
			w.hold.on(p.Digest)
		}
	}
}

// settle ends all that was begun for a layer and is not needed any more, and what it prints.
func (w *work) settle(i int) {
	if d := w.drafts[i]; d != nil {
		d.drop()
	}
	w.outs[i].close()
}

// started tells once that a layer is being made.
func (w *work) started(i int) {
	w.outs[i].once.Do(func() {
		w.job.Watch.Started(w.plans[i].step)
		to := w.job.Watch.Output(w.plans[i].step)
		w.outs[i].mu.Lock()
		defer w.outs[i].mu.Unlock()
		w.outs[i].to = to
	})
}

func (w *work) output(i int) io.Writer { return &w.outs[i] }

// output is where a layer's lines go until it is finished.
type output struct {
	once sync.Once
	mu   sync.Mutex
	to   io.Writer // nil before it is started, and once it is closed
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to == nil {
		return len(p), nil
	}
	return o.to.Write(p)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.to.(io.Closer); ok {
		_ = c.Close() // who cannot hear the end of a line does not stop the work
	}
	o.to = nil
}

// layersAnew returns the steps, by index, that a request does not want from the cache. Invalid, naming the layers there are, if one that it
// asks for is not there.
func layersAnew(req *slipway.BakeRequest, plans []plan) (map[int]bool, error) {
	anew := map[int]bool{}
	for _, p := range plans {
		if req.Refresh && p.fresh {
			anew[p.step.Index] = true
		}
	}
	for i, name := range req.NoCache {
		found := false
		for _, p := range plans {
			if name == slipway.AllLayers || name == p.step.Name || p.step.Index > 0 && name == strconv.Itoa(p.step.Index) {
				anew[p.step.Index], found = true, true
			}
		}
		if !found && name != slipway.AllLayers {
			return nil, slipway.Errorf(slipway.Invalid, "cannot build the layer %q anew: there is none of that name or number; the layers are %s", name, listed(plans)).
				At(indexed("no_cache", i))
		}
	}
	return anew, nil
}

// listed names layers by number and name: `1 "packages nginx-light", 2 "copy dist"`. What the image starts from has no number.
func listed(plans []plan) string {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = strconv.Quote(p.step.Name)
		if p.step.Index > 0 {
			names[i] = fmt.Sprintf("%d %s", p.step.Index, names[i])
		}
	}
	return strings.Join(names, ", ")
}
