package attest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/slipway-sh/slipway"
)

const (
	// buildType says how external and internal parameters and dependencies are to be read.
	buildType = "https://github.com/slipway-sh/slipway/bake/v1"
	// builderID names the builder; which one it was its signature tells.
	builderID = "https://github.com/slipway-sh/slipway/slipwayd"
	// namedFiles is up to how many files of a build context are dependencies of their own. Those of a bigger one are covered by the
	// context's digest alone: nobody reads ten thousand, and every verification would.
	namedFiles = 1000

	sourceName = "source"
	gitCommit  = "gitCommit" // what SLSA calls the digest of a commit
)

// provenance is the predicate of SLSA provenance, version 1.
type provenance struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

// buildDefinition is what decided the image.
type buildDefinition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   externalParameters `json:"externalParameters"`
	InternalParameters   internalParameters `json:"internalParameters"`
	ResolvedDependencies []resource         `json:"resolvedDependencies"`
}

// externalParameters are what the client asked for. Of secrets there are names alone, in the layers that use them.
type externalParameters struct {
	Application string            `json:"application"`
	Image       slipway.ImageSpec `json:"image"`
	Context     slipway.Digest    `json:"context"` // of the JSON list of all entries of the build context, by path
	Version     string            `json:"version,omitempty"`
	NoCache     []string          `json:"noCache,omitempty"`
	Refresh     bool              `json:"refresh,omitempty"`
}

type internalParameters struct {
	Builder string              `json:"builder"` // version of slipwayd
	Layers  []slipway.LayerInfo `json:"layers"`  // lowest first, with the digest of each one's inputs
}

type runDetails struct {
	Builder    builder     `json:"builder"`
	Metadata   runMetadata `json:"metadata"`
	Byproducts []resource  `json:"byproducts,omitempty"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

type runMetadata struct {
	InvocationID string    `json:"invocationId"`
	StartedOn    time.Time `json:"startedOn"`
	FinishedOn   time.Time `json:"finishedOn"`
}

// locks reads what the layers of Debian packages are pinned to.
type locks interface {
	ReadLock(ctx context.Context, d slipway.Digest) (slipway.Lock, error)
}

// newProvenance says how the bake made the image.
func newProvenance(
	ctx context.Context, locks locks, version string, image slipway.Image, bake slipway.Bake, req *slipway.BakeRequest,
) (provenance, error) {
	entries := slices.SortedFunc(slices.Values(req.Context), func(a, b slipway.ContextEntry) int { return cmp.Compare(a.Path, b.Path) })
	list, err := json.Marshal(entries)
	if err != nil {
		return provenance{}, err
	}
	p := provenance{
		BuildDefinition: buildDefinition{
			BuildType: buildType,
			ExternalParameters: externalParameters{
				Application: req.Spec.Application, Image: req.Spec.Image, Context: slipway.DigestOf(list),
				Version: req.Version, NoCache: req.NoCache, Refresh: req.Refresh,
			},
			InternalParameters:   internalParameters{Builder: version, Layers: image.Layers},
			ResolvedDependencies: []resource{},
		},
		RunDetails: runDetails{
			Builder:  builder{ID: builderID, Version: map[string]string{"slipwayd": version}},
			Metadata: runMetadata{InvocationID: bake.ID, StartedOn: bake.Started.UTC(), FinishedOn: bake.Finished.UTC()},
		},
	}
	if image.Request != "" {
		p.RunDetails.Byproducts = []resource{{Name: "request", Digest: sha256Of(image.Request)}}
	}
	add := func(r resource) {
		p.BuildDefinition.ResolvedDependencies = append(p.BuildDefinition.ResolvedDependencies, r)
	}
	if s := image.Source; s != nil && (s.Repository != "" || s.Commit != "") {
		add(sourceOf(s))
	}
	if b := image.Base; b != nil {
		add(resource{Name: "base", URI: b.From, Digest: sha256Of(b.Digest)})
	}
	add(resource{Name: "context", Digest: map[string]string{"sha256": slipway.DigestOf(list).Hex()}})
	if len(entries) <= namedFiles {
		for _, e := range entries {
			if e.Digest != "" {
				add(resource{Name: "context/" + e.Path, Digest: sha256Of(e.Digest)})
			}
		}
	}
	locked := map[string]resource{}
	for _, l := range image.Layers {
		if l.Lock == "" {
			continue
		}
		lock, err := locks.ReadLock(ctx, l.Lock)
		if err != nil {
			return provenance{}, fmt.Errorf("read the lock of layer %s: %w", l.Step, err)
		}
		for _, pkg := range lock.Packages {
			uri := packageURI(pkg)
			locked[uri] = resource{URI: uri, Digest: sha256Of(pkg.Digest)}
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(locked)) {
		add(locked[uri])
	}
	return p, nil
}

// sourceOf names a commit as SLSA does: the repository, and the digest of the commit. All of it is the client's word.
func sourceOf(s *slipway.Source) resource {
	r := resource{Name: sourceName, URI: slipway.WithoutCredentials(s.Repository)}
	if r.URI != "" && !strings.HasPrefix(r.URI, "git+") && !strings.HasPrefix(r.URI, "git@") {
		r.URI = "git+" + r.URI
	}
	if r.URI != "" && s.Branch != "" {
		r.URI += "@refs/heads/" + s.Branch
	}
	if s.Commit != "" {
		r.Digest = map[string]string{gitCommit: s.Commit}
	}
	if s.Dirty {
		r.Annotations = map[string]any{"dirty": true} // the working tree had changes that no commit has
	}
	return r
}

func packageURI(p slipway.LockedPackage) string {
	var of packageurl.Qualifiers
	if p.Architecture != "" {
		of = packageurl.Qualifiers{{Key: "arch", Value: p.Architecture}}
	}
	return packageurl.NewPackageURL(packageurl.TypeDebian, "debian", p.Name, p.Version, of, "").ToString()
}
