package bake

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/gossfile"
)

// builderVersion is part of every key. It changes whenever the same inputs would give another layer than before.
const builderVersion = "slipway-bake-2"

// stepKey is all that decides a step's layer. Its JSON, which is canonical (fields in order, map keys sorted), is what the key is
// the digest of. Of build secrets it has the names: they are part of the layer's entry in the specification, and values never are.
type stepKey struct {
	Builder     string                 `json:"builder"`
	From        string                 `json:"from,omitempty"`
	Sources     string                 `json:"sources,omitempty"` // of a Debian base
	Layer       *slipway.Layer         `json:"layer,omitempty"`
	Application string                 `json:"application,omitempty"` // shown to templates
	Below       []slipway.Digest       `json:"below,omitempty"`
	Inputs      []slipway.ContextEntry `json:"inputs,omitempty"`
}

// on returns the key of a layer on top of those below, lowest first.
func (k stepKey) on(below []slipway.Digest) stepKey {
	k.Builder, k.Below = builderVersion, slices.Clone(below)
	return k
}

func (k stepKey) digest() slipway.Digest { return digestOf(k) }

// Key returns the digest of everything in a job that decides the image, its tests, and how it comes about: bakes with the same key are
// the same bake while one is under way. The label is not part of it, nor are files of the context that nothing uses, nor the values of
// secrets. Jobs with the same key give the same image as long as the host's package sources stay the same.
func (b *Baker) Key(job Job) slipway.Digest {
	req := job.Request
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
	for _, t := range req.Spec.Image.Tests {
		switch {
		case t.Goss != "":
			use(files.tree(t.Goss, ""))
			use(gossfile.Family(req.Context, t.Goss), nil)
		case t.Script != nil:
			use(files.tree(t.Script.Directory, ""))
		}
	}
	key := struct {
		Builder       string                 `json:"builder"`
		Application   string                 `json:"application"`
		Image         slipway.ImageSpec      `json:"image"`
		Base          *slipway.Base          `json:"base,omitempty"`
		Inputs        []slipway.ContextEntry `json:"inputs"`
		NoCache       []string               `json:"no_cache,omitempty"`
		Refresh       bool                   `json:"refresh,omitempty"`
		KeepOnFailure bool                   `json:"keep_on_failure,omitempty"`
		Rebuild       bool                   `json:"rebuild,omitempty"`
	}{
		builderVersion, req.Spec.Application, req.Spec.Image, job.Base, sorted(used),
		slices.Compact(slices.Sorted(slices.Values(req.NoCache))), req.Refresh, req.KeepOnFailure, job.rebuilds(),
	}
	return digestOf(key)
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
