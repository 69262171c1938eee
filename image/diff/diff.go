// Package diff compares machine images, and single layers, without mounting them: from the digests of layers, the metadata of their
// EROFS file systems and, where those do not settle it, the bytes of files.
//
// Two images are walked side by side as overlayfs would show them. Where the same layers make up a directory of both, all below it is the
// same and is not looked at; so images that share their base cost what their upper layers hold. Files that may differ are compared by
// their attributes and size first and then byte by byte, several at once, in bounded memory. Nothing is hashed.
package diff

import (
	"context"
	"slices"

	"github.com/slipway-sh/slipway"
)

// Images returns what differs between two images whose layers are stored in blobs. NotFound if a layer is not, Corrupt if one is no layer.
func Images(ctx context.Context, blobs slipway.Blobs, older, newer slipway.Image) (slipway.ImageDiff, error) {
	d := slipway.ImageDiff{
		Old: side(older), New: side(newer), Layers: layers(older, newer),
		Packages: []slipway.PackageDiff{}, Files: []slipway.FileDiff{},
		Service: changes(runs(older), runs(newer)),
	}
	var err error
	if d.Environments, err = environments(ctx, blobs, older, newer); err != nil {
		return d, err
	}
	s := newStacks(blobs)
	defer s.close()
	a, err := s.stack(ctx, digests(older))
	if err != nil {
		return d, err
	}
	b, err := s.stack(ctx, digests(newer))
	if err != nil {
		return d, err
	}
	found, err := compare(ctx, a, b, machine)
	if err != nil {
		return d, err
	}
	if d.Packages, err = packages(ctx, found); err != nil {
		return d, err
	}
	if err := addTexts(ctx, found); err != nil {
		return d, err
	}
	for _, f := range found {
		d.Files = append(d.Files, f.FileDiff)
	}
	return d, nil
}

// Layers returns the files in which two layers differ, a line each: the path and what differs. It looks at each layer by itself, so a
// whiteout is a device like any other, and also at what no machine sees: the number of a file's links, and time stamps. It is empty if the
// layers hold the same, which need not mean that their bytes are the same.
func Layers(ctx context.Context, blobs slipway.Blobs, older, newer slipway.Digest) ([]string, error) {
	s := newStacks(blobs)
	defer s.close()
	a, err := s.stack(ctx, []slipway.Digest{older})
	if err != nil {
		return nil, err
	}
	b, err := s.stack(ctx, []slipway.Digest{newer})
	if err != nil {
		return nil, err
	}
	found, err := compare(ctx, a, b, bare)
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for _, f := range found {
		lines = append(lines, f.String())
	}
	return lines, nil
}

// runs is what the machine does, all that an image's service shows in a diff.
func runs(i slipway.Image) any {
	return struct {
		slipway.Service
		Irreversible bool `json:"irreversible,omitempty"`
	}{i.Service, i.Irreversible}
}

func side(i slipway.Image) slipway.DiffSide {
	return slipway.DiffSide{Application: i.Application, Version: i.Version, Digest: i.Digest, Size: i.Size()}
}

func digests(i slipway.Image) []slipway.Digest {
	var all []slipway.Digest
	for _, l := range i.Layers {
		all = append(all, l.Digest)
	}
	return all
}

// layers lists the layers of both: a layer is the same wherever in the image it is.
func layers(older, newer slipway.Image) []slipway.LayerDiff {
	all := []slipway.LayerDiff{}
	add := func(kind slipway.DiffKind, l slipway.LayerInfo) {
		all = append(all, slipway.LayerDiff{Kind: kind, Digest: l.Digest, Step: l.Step, Size: l.Size})
	}
	before, after := digests(older), digests(newer)
	for _, l := range older.Layers {
		if !slices.Contains(after, l.Digest) {
			add(slipway.DiffRemoved, l)
		}
	}
	for _, l := range newer.Layers {
		if slices.Contains(before, l.Digest) {
			add(slipway.DiffSame, l)
		} else {
			add(slipway.DiffAdded, l)
		}
	}
	return all
}

// environments compares those of the requests that the images were baked from, if both are recorded and still stored.
func environments(ctx context.Context, blobs slipway.Blobs, older, newer slipway.Image) ([]slipway.Change, error) {
	before, err := request(ctx, blobs, older)
	if err != nil {
		return nil, err
	}
	after, err := request(ctx, blobs, newer)
	if err != nil {
		return nil, err
	}
	if before == nil || after == nil {
		return []slipway.Change{}, nil
	}
	return changes(before.Spec.Environments, after.Spec.Environments), nil
}

// request returns what the image was baked from, nil if that is not known.
func request(ctx context.Context, blobs slipway.Blobs, i slipway.Image) (*slipway.BakeRequest, error) {
	if i.Request == "" {
		return nil, nil
	}
	req, err := slipway.ReadBakeRequest(ctx, blobs, i.Request)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	return req, err
}
