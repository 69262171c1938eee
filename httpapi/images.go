package httpapi

import (
	"cmp"
	"context"
	"strings"

	"github.com/slipway-sh/slipway"
)

func (a *api) getImageStatus(ctx context.Context, in *ImageInput) (*output[slipway.ImageStatus], error) {
	return found(a.Catalog.Status(ctx, in.Application, in.Ref))
}

type imageStatusesInput struct {
	Application string `query:"application" doc:"Only this application's."`
	PageInput
}

func (a *api) listImageStatuses(ctx context.Context, in *imageStatusesInput) (*listOutput[slipway.ImageStatus], error) {
	all, err := a.Catalog.Statuses(ctx, in.Application)
	mark := func(s slipway.ImageStatus) slipway.Mark { return slipway.Mark{Time: s.Created, ID: string(s.Digest)} }
	return newestFirst(a.page(ctx, &in.PageInput), all, err, mark)
}

func (a *api) getAncestry(ctx context.Context, in *ImageInput) (*output[slipway.Ancestry], error) {
	all, err := a.Catalog.Ancestry(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	seen := a.sees(ctx)
	for _, relatives := range [][]slipway.Relative{all.Ancestors, all.Descendants} {
		for i, r := range relatives {
			if r.Application != "" && !seen(slipway.Scope{Application: r.Application}) { // that there is one may be known, not what it is
				relatives[i] = slipway.Relative{From: "another application", Depth: r.Depth}
			}
		}
	}
	return found(all, nil)
}

type diffInput struct {
	ImageInput
	With string `query:"with" doc:"APPLICATION[@REF] of the newer image. Without APPLICATION it is of the same; without both it is the newest ready one." example:"hello@v2"`
}

func (a *api) diffImages(ctx context.Context, in *diffInput) (*output[slipway.ImageDiff], error) {
	older, err := a.Store.FindImage(ctx, in.Application, in.Ref)
	if err != nil {
		return nil, err
	}
	application, ref, _ := strings.Cut(in.With, "@")
	newer, err := a.Store.FindImage(ctx, cmp.Or(application, in.Application), ref)
	if err != nil {
		return nil, err
	}
	return found(a.Catalog.Diff(ctx, older, newer))
}

type revokeInput struct {
	ImageInput
	Body struct {
		Reason string `json:"reason" doc:"What is wrong with the image. Whoever wants to launch it is told." example:"CVE-2026-1234 in libssl"`
		By     string `json:"by,omitempty" doc:"Who revokes it."`
	}
}

func (a *api) revokeImage(ctx context.Context, in *revokeInput) (*output[slipway.ImageStatus], error) {
	return found(a.Catalog.Revoke(ctx, in.Application, in.Ref, in.Body.Reason, in.Body.By))
}

type reinstateInput struct {
	ImageInput
	By string `query:"by" doc:"Who reinstates it."`
}

func (a *api) reinstateImage(ctx context.Context, in *reinstateInput) (*output[slipway.ImageStatus], error) {
	return found(a.Catalog.Reinstate(ctx, in.Application, in.Ref, in.By))
}

type pruneInput struct{ Body slipway.PruneRequest }

func (a *api) pruneImages(ctx context.Context, in *pruneInput) (*output[slipway.Pruned], error) {
	return found(a.Catalog.Prune(ctx, in.Body))
}
