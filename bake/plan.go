package bake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/slipway-sh/slipway"
)

// builderVersion is part of every key. It changes whenever the same inputs would give another layer than before.
const builderVersion = "slipway-bake-1"

// plan is a step ready to be built: its key, and how.
type plan struct {
	key   slipway.Digest
	build func(ctx context.Context, out io.Writer) (slipway.Digest, int64, error)
}

// stepKey is all that decides a step's layer. Its JSON, which is canonical (fields in order, map keys sorted), is what the key is
// the digest of.
type stepKey struct {
	Builder     string                 `json:"builder"`
	From        string                 `json:"from,omitempty"`
	Sources     string                 `json:"sources,omitempty"` // of a Debian base
	Layer       *slipway.Layer         `json:"layer,omitempty"`
	Application string                 `json:"application,omitempty"` // shown to templates
	Below       []slipway.Digest       `json:"below,omitempty"`
	Inputs      []slipway.ContextEntry `json:"inputs,omitempty"`
}

func (b *Baker) plan(req *slipway.BakeRequest, step Step, below []slipway.LayerInfo) (plan, error) {
	if step.Index < 0 || step.Index > len(req.Spec.Image.Layers) {
		return plan{}, fmt.Errorf("plan step %d: the specification has %d layers", step.Index, len(req.Spec.Image.Layers))
	}
	files := newFiles(req.Context)
	lower := make([]slipway.Digest, len(below))
	for i, l := range below {
		lower[i] = l.Digest
	}
	if step.Index == 0 {
		return b.planBase(req.Spec.Image.From, files)
	}
	layer := req.Spec.Image.Layers[step.Index-1]
	place := step.place()
	switch {
	case layer.Copy != nil:
		return b.planCopy(*layer.Copy, place+".copy", files, lower)
	case layer.Packages != nil:
		return b.planPackages(layer.Packages, place+".packages", lower)
	case layer.Run != nil:
		return b.planRun(*layer.Run, place+".run", files, lower)
	case layer.Template != nil:
		return b.planTemplate(req.Spec.Application, *layer.Template, place+".template", files, lower)
	}
	return plan{}, slipway.Errorf(slipway.Invalid, "cannot bake an empty entry: write one of copy, packages, run, template").At(place)
}

// Key returns the digest of everything in req that decides the image. The label is not part of it, nor are files of the context
// that no step uses. Requests with the same key give the same image as long as the host's package sources stay the same.
func (b *Baker) Key(req *slipway.BakeRequest) slipway.Digest {
	files := newFiles(req.Context)
	used := map[string]slipway.ContextEntry{}
	use := func(entries []slipway.ContextEntry, err error) {
		// What is missing fails the bake, and the specification, which names it, is in the key.
		if err == nil {
			for _, e := range entries {
				used[e.Path] = e
			}
		}
	}
	if name, ok := rootfsFile(req.Spec.Image.From); ok {
		use(files.tree(name, ""))
	}
	for _, l := range req.Spec.Image.Layers {
		switch {
		case l.Copy != nil:
			use(files.tree(l.Copy.From, ""))
		case l.Run != nil:
			use(files.tree(l.Run.Script, ""))
			use(files.glob(l.Run.Inputs, ""))
		case l.Template != nil:
			use(files.tree(l.Template.From, ""))
		}
	}
	key := struct {
		Builder     string                 `json:"builder"`
		Application string                 `json:"application"`
		Image       slipway.ImageSpec      `json:"image"`
		Inputs      []slipway.ContextEntry `json:"inputs"`
	}{builderVersion, req.Spec.Application, req.Spec.Image, sorted(used)}
	return digestOf(key)
}

func (k stepKey) digest() slipway.Digest {
	k.Builder = builderVersion
	return digestOf(k)
}

func digestOf(key any) slipway.Digest {
	text, err := json.Marshal(key)
	if err != nil {
		panic(fmt.Sprintf("bake: a key of strings and numbers has no JSON: %v", err))
	}
	return slipway.DigestOf(text)
}

func sorted(entries map[string]slipway.ContextEntry) []slipway.ContextEntry {
	list := make([]slipway.ContextEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	slices.SortFunc(list, byPath)
	return list
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

func indexed(place string, i int) string { return place + "[" + strconv.Itoa(i) + "]" }
