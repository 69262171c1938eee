package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/manifest"
)

// bakeBatch bakes several images. All of them are accepted at once; slipwayd has those wait that start from others.
func bakeBatch(ctx context.Context, o *bakeOptions, c *client.Client) error {
	var manifests []*manifest.Manifest
	for _, file := range o.files {
		m, err := manifest.Load(file)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	manifests, err := basesFirst(manifests)
	if err != nil {
		return err
	}
	return bakeAll(ctx, o, c, manifests, func(int, slipway.Bake) error { return nil })
}

// bakeAll bakes what the manifests say, waits, and tells how each of them ended. finish is called for each that succeeded.
func bakeAll(ctx context.Context, o *bakeOptions, c *client.Client, manifests []*manifest.Manifest, finish func(int, slipway.Bake) error) error {
	var specs []slipway.Spec
	for _, m := range manifests {
		specs = append(specs, m.Spec)
	}
	if err := o.checkSecrets(specs...); err != nil {
		return err
	}
	view := o.f.workProgress(len(manifests) > 1, o.wait)
	bakes, err := startBatch(ctx, o, c, view, manifests)
	if err != nil || o.wait.noWait {
		view.close()
		for _, b := range bakes {
			err = errors.Join(err, o.f.printLine(b.ID, b))
		}
		return err
	}
	errs := make([]error, len(bakes))
	var waiting errgroup.Group
	for i, b := range bakes {
		waiting.Go(func() error {
			bakes[i], errs[i] = newWaiter(o.f, c, view, b.ID, o.wait).bake(ctx, b.ID)
			return nil
		})
	}
	_ = waiting.Wait() // every bake's error is its own
	view.close()
	for i, b := range bakes {
		if errs[i] != nil {
			continue
		}
		if errs[i] = bakeOutcome(b, manifests[i]); errs[i] == nil {
			errs[i] = finish(i, b)
		}
		if errs[i] == nil || o.f.json {
			errs[i] = errors.Join(errs[i], o.f.printLine(baked(b), b))
		}
	}
	return firstOutcome(errs)
}

// startBatch starts the bakes in order and returns them as they were accepted. Those that were accepted before one that was not go on, and
// are returned with the error.
func startBatch(ctx context.Context, o *bakeOptions, c *client.Client, view progress, manifests []*manifest.Manifest) ([]slipway.Bake, error) {
	ctx, stop := o.f.interruptible(ctx)
	defer stop()
	accepts := map[string]string{} // application → bake
	var bakes []slipway.Bake
	for _, m := range manifests {
		req, err := o.request(ctx, o.f, c, view, m)
		if err != nil {
			return bakes, err
		}
		if id := accepts[baseOf(m.Spec)]; id != "" {
			req.After = []string{id}
		}
		bake, err := c.Bake(ctx, req)
		if err != nil {
			return bakes, accepted(m.Locate(err), "slipway bakes")
		}
		accepts[m.Spec.Application] = bake.ID
		bakes = append(bakes, bake)
	}
	return bakes, nil
}

// baseOf returns the application whose image the spec's image starts from, whichever is its newest or a channel names; "" if there is
// none or if it is fixed by digest.
func baseOf(spec slipway.Spec) string {
	rest, ok := strings.CutPrefix(spec.Image.From, "image:")
	if !ok {
		return ""
	}
	application, ref, _ := strings.Cut(rest, "@")
	if strings.HasPrefix(ref, "sha256:") {
		return ""
	}
	return application
}

// basesFirst orders manifests so that each comes after what it starts from, and otherwise as they were given.
func basesFirst(manifests []*manifest.Manifest) ([]*manifest.Manifest, error) {
	by := map[string]*manifest.Manifest{}
	for _, m := range manifests {
		name := m.Spec.Application
		if other := by[name]; other != nil {
			return nil, usageError{fmt.Errorf("cannot bake %s twice at once: it is in %s and in %s", name, other.Name, m.Name)}
		}
		by[name] = m
	}
	var ordered []*manifest.Manifest
	var path []string
	var visit func(m *manifest.Manifest) error
	visit = func(m *manifest.Manifest) error {
		name := m.Spec.Application
		if at := slices.Index(path, name); at >= 0 {
			return slipway.Errorf(slipway.Invalid, "cannot bake images that start from each other: %s", strings.Join(append(path[at:], name), " → ")).At(m.Name)
		}
		if slices.Contains(ordered, m) {
			return nil
		}
		path = append(path, name)
		if base := by[baseOf(m.Spec)]; base != nil {
			if err := visit(base); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		ordered = append(ordered, m)
		return nil
	}
	for _, m := range manifests {
		if err := visit(m); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// firstOutcome joins errors into one that ends the program as the first of them would.
func firstOutcome(errs []error) error {
	var texts []string
	var first error
	for _, err := range errs {
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		texts = append(texts, err.Error())
	}
	if len(texts) < 2 {
		return first
	}
	return &outcome{exitOf(first), strings.Join(texts, "\n")}
}

// printLine prints text, or with --json the record on one line.
func (f *Factory) printLine(text string, record any) error {
	if f.json {
		return json.NewEncoder(f.Out).Encode(record)
	}
	_, err := io.WriteString(f.Out, text+"\n")
	return err
}
