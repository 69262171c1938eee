package ship

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/slipway-sh/slipway"
)

// maxDifferences is how many files of a layer that came out otherwise are named.
const maxDifferences = 100

// Rebuild implements [slipway.Operator].
func (o *Operator) Rebuild(ctx context.Context, req slipway.RebuildRequest) (slipway.Bake, error) {
	if b, is, err := begun(ctx, "b-", o.Store.Bake); is {
		return b, err
	}
	image, err := o.Store.FindImage(ctx, req.Application, req.Image)
	if err != nil {
		return slipway.Bake{}, err
	}
	if image.Request == "" {
		return slipway.Bake{}, slipway.Errorf(slipway.Refused, "cannot rebuild image %s: it was not baked here, or by a version that did not record what it was made of", image.Digest.Short())
	}
	again, err := o.request(ctx, image.Request)
	if err != nil {
		return slipway.Bake{}, err
	}
	if name := firstSecret(again.Spec); name != "" && req.Secrets == "" {
		return slipway.Bake{}, slipway.Errorf(slipway.Invalid, "cannot rebuild image %s without the secret %s, whose value is not recorded: "+
			"add --secret %s=env:VARIABLE or --secret %s=file:PATH", image.Digest.Short(), name, name, name)
	}
	again.Secrets, again.NoCache, again.Refresh, again.After, again.KeepOnFailure = req.Secrets, nil, false, nil, false
	in, err := o.accept(ctx, *again, image.Base)
	if err != nil {
		return slipway.Bake{}, err
	}
	in.Bake.Rebuild = image.Digest
	in.Bake.Key = slipway.DigestOf([]byte("rebuild " + string(image.Digest) + " " + req.Secrets))
	return o.startBake(ctx, in)
}

// firstSecret returns the name of the first secret that a spec needs, "" if it needs none.
func firstSecret(spec slipway.Spec) string {
	for _, l := range spec.Image.Layers {
		if l.Run != nil && len(l.Run.Secrets) > 0 {
			return l.Run.Secrets[0]
		}
	}
	return ""
}

// RebuildImage makes the layers of an image again and returns the files that came out otherwise.
func (a *Activities) RebuildImage(ctx context.Context, in BakeInput) ([]string, error) {
	image, err := a.Store.Image(ctx, in.Bake.Rebuild)
	if err != nil {
		return nil, err
	}
	req, err := a.request(ctx, in.Request)
	if err != nil {
		return nil, err
	}
	job, n, err := a.begin(ctx, in, req)
	if err != nil {
		return nil, err
	}
	if job.Locks, err = a.locksOf(ctx, image); err != nil {
		return nil, err
	}
	layers, err := a.Baker.Build(ctx, job)
	if err = cmp.Or(err, n.failed()); err != nil {
		return nil, err
	}
	if len(layers) != len(image.Layers) {
		return []string{fmt.Sprintf("the image has %d layers, rebuilt it has %d", len(image.Layers), len(layers))}, nil
	}
	differences := []string{}
	for i, was := range image.Layers {
		if layers[i].Digest == was.Digest {
			continue
		}
		files, err := a.Diff(ctx, was.Digest, layers[i].Digest)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			files = []string{"no file differs, but their order or place in the layer: it was built by another version"}
		}
		for _, file := range files[:min(len(files), maxDifferences)] {
			differences = append(differences, was.Step+": "+file)
		}
		if more := len(files) - maxDifferences; more > 0 {
			differences = append(differences, fmt.Sprintf("%s: and %d more", was.Step, more))
		}
	}
	return differences, nil
}

// locksOf returns the packages that the layers of an image are locked to, by the index of the step.
func (a *Activities) locksOf(ctx context.Context, image slipway.Image) (map[int]slipway.Lock, error) {
	locks := map[int]slipway.Lock{}
	base := baseLayers(image)
	for i, layer := range image.Layers {
		if layer.Lock == "" {
			continue
		}
		blob, err := a.Blobs.OpenBlob(ctx, layer.Lock)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(blob)
		var lock slipway.Lock
		if err = errors.Join(err, blob.Close()); err == nil {
			err = json.Unmarshal(text, &lock)
		}
		if err != nil {
			return nil, fmt.Errorf("read the lock %s: %w", layer.Lock, err)
		}
		locks[max(0, i-base+1)] = lock
	}
	return locks, nil
}

// baseLayers returns how many of the image's lowest layers are what it starts from.
func baseLayers(image slipway.Image) int {
	switch {
	case image.Base != nil:
		return image.Base.Layers
	case image.From == "scratch":
		return 0
	}
	return 1
}

func reproduced(b slipway.Bake) *slipway.Error {
	if len(b.Differences) == 0 {
		return nil
	}
	return slipway.Errorf(slipway.Failed, "cannot reproduce image %s: rebuilt from its recorded inputs it differs, in %d of its files, the first: %s",
		b.Rebuild.Short(), len(b.Differences), b.Differences[0])
}
