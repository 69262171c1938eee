package bake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// plan says how one layer is made. Exactly one of ready, add and build is set.
type plan struct {
	step  Step
	place string  // in the specification, of what the layer is made from
	key   stepKey // without the layers below

	// ready is a layer that is there: one of the image that this one starts from.
	ready *slipway.LayerInfo
	// add adds the entries of a layer that is made of files at hand. What it takes from the layers below it learns from the image.Layer
	// alone, so that it can be called before they are there; it is called again if they turn out to be other than was thought.
	// An error without a place gets the plan's.
	add func(ctx context.Context, l *image.Layer, out io.Writer) error
	// build makes a layer that can only be made on top of those below, lowest first. It returns its digest, size and lock.
	build func(ctx context.Context, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error)

	// prefetch, which may be nil, gets what build will download, while layers below are still being built: below are those that are
	// there. It is a help and no more: build does without, and its error is only logged.
	prefetch func(ctx context.Context, below []slipway.Digest) error
	// fresh says that build looks at what may have changed elsewhere (Debian's archive), so that BakeRequest.Refresh means this layer.
	fresh bool

	pull bool  // add or build would fetch the layer from a registry, unless it is cached
	size int64 // of what would be fetched, bytes; 0 if not known
}

// maxLayers is how many layers Linux stacks to one file system.
const maxLayers = 500

// site is where a layer is planned.
type site struct {
	job   *Job
	step  Step
	place string // of the step in the specification
	files files
}

// plans returns how each layer of a job is made, lowest first. It reads nothing but the request and what the base is known to be, so
// that wrong input is told before anything is built. Its errors name the place in the specification.
func (b *Baker) plans(ctx context.Context, job *Job) ([]plan, error) {
	spec := job.Request.Spec
	files := newFiles(job.Request.Context)
	var plans []plan
	for _, step := range Steps(spec) {
		s := site{job, step, step.place(), files}
		made, err := b.planStep(ctx, s)
		if err != nil {
			return nil, b.explain(step, err)
		}
		for _, p := range made {
			p.step.Index = step.Index
			if p.step.Name == "" {
				p.step.Name = step.Name
			}
			plans = append(plans, p)
		}
	}
	if len(plans) > maxLayers {
		own := len(spec.Image.Layers)
		return nil, slipway.Errorf(slipway.Invalid, "cannot bake an image of %d layers, %d of %s and %d of its own: a machine can have %d; bake a base anew from fewer",
			len(plans), len(plans)-own, spec.Image.From, own, maxLayers).At("image.from")
	}
	return plans, nil
}

func (b *Baker) planStep(ctx context.Context, s site) ([]plan, error) {
	if s.step.Index == 0 {
		return b.planFrom(ctx, s)
	}
	p, err := b.planLayer(s, s.job.Request.Spec.Image.Layers[s.step.Index-1])
	return []plan{p}, err
}

// planFrom plans what an image starts from: no layer, one, or as many as another image has.
func (b *Baker) planFrom(ctx context.Context, s site) ([]plan, error) {
	from := s.job.Request.Spec.Image.From
	if strings.HasPrefix(from, "image:") {
		plans := make([]plan, len(s.job.Below))
		for i := range s.job.Below {
			plans[i].ready, plans[i].step.Name = &s.job.Below[i], s.job.Below[i].Step
		}
		return plans, nil
	}
	if strings.HasPrefix(from, "oci:") {
		return b.planOCI(ctx, s)
	}
	p, err := b.planBase(s, from)
	return []plan{p}, err
}

func (b *Baker) planLayer(s site, layer slipway.Layer) (plan, error) {
	switch {
	case layer.Copy != nil:
		return b.planCopy(s, *layer.Copy)
	case layer.Packages != nil:
		return b.planPackages(s, layer.Packages)
	case layer.Run != nil:
		return b.planRun(s, *layer.Run)
	case layer.Template != nil:
		return b.planTemplate(s, *layer.Template)
	}
	return plan{}, slipway.Errorf(slipway.Invalid, "cannot bake an empty entry: write one of copy, packages, run, template").At(s.place)
}

// make makes the layer on top of those below.
func (b *Baker) make(ctx context.Context, p plan, below []slipway.Digest, out io.Writer) (slipway.LayerInfo, error) {
	if p.build != nil {
		return p.build(ctx, below, out)
	}
	digest, size, err := b.images.WriteLayer(ctx, below, func(l *image.Layer) error { return p.add(ctx, l, out) })
	return slipway.LayerInfo{Digest: digest, Size: size}, placed(p.place, err)
}

// placed gives err a place unless it is no application error or has one, which is then put behind.
func placed(place string, err error) error {
	var known *slipway.Error
	if !errors.As(err, &known) || place == "" {
		return err
	}
	if known.Place != "" {
		place += ": " + known.Place
	}
	return known.At(place)
}

func indexed(place string, i int) string { return fmt.Sprintf("%s[%d]", place, i) }
