package bake

import (
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

// Plan says, layer by layer, what Build would do with the job, and what is not as it was for the previous job (nil for none), of which
// layers is what became of it. It reads; it builds, fetches and notes nothing. Wrong input gives the errors that Build would give.
func (b *Baker) Plan(ctx context.Context, job Job, previous *Job, layers []slipway.LayerBake) (slipway.BakePlan, error) {
	result := slipway.BakePlan{Application: job.Request.Spec.Application, Base: job.Base, Layers: []slipway.LayerPlan{}}
	plans, err := b.plans(ctx, &job)
	if err != nil {
		return result, err
	}
	anew, err := layersAnew(job.Request, plans)
	if err != nil {
		return result, err
	}
	pasts := b.pasts(ctx, previous, layers)
	were := match(plans, pasts)
	var below []slipway.Digest
	known := true // what is below
	for i, p := range plans {
		layer := slipway.LayerPlan{Step: p.step.Name, Pull: p.pull, Size: p.size}
		w := why{plans: plans, plan: p, now: p.key.on(below), known: known, compared: previous != nil, was: were[i]}
		switch {
		case p.ready != nil:
			layer.Cached, layer.Key, layer.Digest, layer.Size = true, p.ready.Key, p.ready.Digest, p.ready.Size
		case known:
			layer.Key = w.now.digest()
			if info, ok := b.cache.peek(layer.Key); ok && !anew[p.step.Index] {
				layer.Cached, layer.Pull, layer.Digest, layer.Size = true, false, info.Digest, info.Size
			}
		}
		w.cached, w.asked = layer.Cached, asked(job.Request, p, anew)
		layer.Why = w.changes()
		if layer.Cached {
			below = append(below, layer.Digest)
		} else {
			known = false
		}
		result.Layers = append(result.Layers, layer)
	}
	return result, nil
}

// past is a layer of an earlier bake.
type past struct {
	layer  slipway.LayerBake
	inputs stepKey // all that decided it; for a layer of another image, nothing
	sure   bool    // inputs are those of the layer's key
}

// pasts returns what is known of the layers of an earlier job. What decided a layer is with its entry in the cache, or else what the job's
// request comes to today, which differs if the builder or the host's package sources have changed since.
func (b *Baker) pasts(ctx context.Context, job *Job, layers []slipway.LayerBake) []past {
	if job == nil {
		return nil
	}
	plans, err := b.plans(ctx, job)
	if err != nil || len(plans) != len(layers) {
		plans = nil
	}
	var below []slipway.Digest
	pasts := make([]past, len(layers))
	for i, l := range layers {
		pasts[i].layer = l
		inputs, ok := b.cache.inputs(l.Key)
		if !ok && plans != nil && plans[i].ready == nil {
			inputs = plans[i].key.on(below)
			ok = inputs.digest() == l.Key
		}
		pasts[i].inputs, pasts[i].sure = inputs, ok
		below = append(below, l.Digest)
	}
	return pasts
}

// asked returns which wish makes a layer be built anew, "" for none.
func asked(req *slipway.BakeRequest, p plan, anew map[int]bool) string {
	switch {
	case !anew[p.step.Index]:
		return ""
	case req.Refresh && p.fresh && !slices.Contains(req.NoCache, slipway.AllLayers):
		return "refresh is asked for"
	}
	return "no cache is asked for"
}
