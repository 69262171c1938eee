package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// BuildImage makes the layers and the image. After each layer the bake is stored, so that a new try goes on with the first layer that
// is not there, whatever the cache has, and tells only of layers that the last try did not have.
func (a *Activities) BuildImage(ctx context.Context, in BakeInput) (Built, error) {
	req, err := a.request(ctx, in.Request)
	if err != nil {
		return Built{}, err
	}
	job, n, err := a.begin(ctx, in, req)
	if err != nil {
		return Built{}, err
	}
	layers, err := a.Baker.Build(ctx, job)
	if err = cmp.Or(err, n.failed()); err != nil {
		return Built{}, err
	}
	infos := infosOf(layers)
	image, err := a.Baker.Image(ctx, req, infos)
	if err != nil {
		return Built{}, err
	}
	image.Bake, image.Request, image.Source, image.Base = in.Bake.ID, in.Request, req.Source, n.bake.Base
	built := Built{Image: image, Spec: req.Spec, Key: a.Baker.Key(job)}
	if built.Report, err = a.passedBefore(ctx, built, req); err != nil {
		return Built{}, err
	}
	if built.Report != nil {
		a.bakeEvent(ctx, n.bake, slipway.BakeTest, "tests passed before, in "+built.Report.Bake, false)
	}
	return built, nil
}

// passedBefore returns the report of tests that the image has passed before, nil unless they are the very same. A request for layers to be
// built anew is one for the tests too, however often it is made. Refused if the image is known and revoked: no machine is made of it.
func (a *Activities) passedBefore(ctx context.Context, built Built, req *slipway.BakeRequest) (*slipway.TestReport, error) {
	known, err := a.Store.Image(ctx, built.Image.Digest)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	if err == nil {
		err = known.NotRevoked("test what comes out the same")
	}
	anew := len(req.NoCache) > 0 || req.Refresh
	if err != nil || anew || known.State != slipway.ImageReady || known.Tests == nil || !known.Tests.Passed || known.Tests.Key != built.Key {
		return nil, err
	}
	return known.Tests, nil
}

// record stores the bake and tells that it has begun, unless an earlier try did, and returns it as it is stored.
func (a *Activities) record(ctx context.Context, in BakeInput) (slipway.Bake, error) {
	b, err := a.Store.Bake(ctx, in.Bake.ID)
	if slipway.CodeOf(err) != slipway.NotFound {
		return b, err
	}
	b = in.Bake
	if err := a.Store.PutBake(ctx, b); err != nil {
		return b, err
	}
	message := "baking " + b.Application
	switch {
	case b.Rebuild != "":
		message = "rebuilding " + b.Rebuild.Short() + " of " + b.Application
	case len(in.After) > 0:
		message += " after " + strings.Join(in.After, ", ")
	}
	a.bakeEvent(ctx, b, slipway.BakeStarted, message, true)
	return b, nil
}

// begin returns what is to be done for a bake, and who tells of it.
func (a *Activities) begin(ctx context.Context, in BakeInput, req *slipway.BakeRequest) (bake.Job, *narrator, error) {
	b, err := a.record(ctx, in)
	if err != nil {
		return bake.Job{}, nil, err
	}
	base, below, err := a.resolve(ctx, req, b.Base)
	if err != nil {
		return bake.Job{}, nil, err
	}
	b.Base = base
	n := &narrator{a: a, ctx: ctx, bake: b}
	return bake.Job{
		ID: b.ID, Request: req, Base: base, Below: below, Done: b.Layers, Watch: n.watch(),
		Secrets: func(ctx context.Context, name string) ([]byte, error) {
			return a.Secrets.Secret(ctx, req.Secrets, name)
		},
	}, n, nil
}

// narrator tells of a bake while its layers are built, and stores it after each.
type narrator struct {
	a   *Activities
	ctx context.Context

	mu   sync.Mutex
	bake slipway.Bake
	done int   // of bake.Layers, in this try
	err  error // of storing; a layer is not broken off for it
}

func (n *narrator) watch() bake.Watch {
	return bake.Watch{
		Started: func(s bake.Step) { n.tell(s, slipway.BakeLayerStarted, s.Name) },
		Output: func(s bake.Step) io.Writer {
			return newLines(func(text string) { n.tell(s, slipway.BakeOutput, text) })
		},
		Finished: n.finished,
	}
}

func (n *narrator) finished(_ bake.Step, layer slipway.LayerBake) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done < len(n.bake.Layers) {
		if told := n.bake.Layers[n.done]; told.Index == layer.Index && told.Digest == layer.Digest {
			n.done++ // by an earlier try
			return
		}
		n.bake.Layers = n.bake.Layers[:n.done:n.done]
	}
	n.bake.Layers = append(n.bake.Layers, layer)
	n.done++
	n.err = cmp.Or(n.err, n.a.Store.PutBake(n.ctx, n.bake))
	n.publish(slipway.BakeLayer, layerLine(layer), layer)
}

// failed returns what went wrong while storing.
func (n *narrator) failed() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

func (n *narrator) tell(s bake.Step, kind slipway.EventKind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.publish(kind, text, slipway.LayerBake{LayerInfo: slipway.LayerInfo{Step: s.Name}, Index: s.Index})
}

func (n *narrator) publish(kind slipway.EventKind, text string, layer slipway.LayerBake) {
	data, _ := json.Marshal(layer) // a LayerBake always can be
	publish(context.WithoutCancel(n.ctx), n.a.Store, n.a.Bus, n.a.Log, slipway.Event{
		Time: time.Now().UTC(), Kind: kind, Message: text, Data: data,
		Application: n.bake.Application, Execution: n.bake.Execution, Bake: n.bake.ID,
	})
}

func infosOf(layers []slipway.LayerBake) []slipway.LayerInfo {
	infos := make([]slipway.LayerInfo, len(layers))
	for i, l := range layers {
		infos[i] = l.LayerInfo
	}
	return infos
}
