package ship_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/ship"
)

func of(application, from string) slipway.BakeRequest {
	r := request("", short)
	r.Spec.Application, r.Spec.Image.From = application, from
	return r
}

// TestBakeAfter checks that a bake waits for those that make what it starts from, and fails if they do.
func TestBakeAfter(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	y.baker.gate = make(chan struct{})
	base, err := y.Bake(ctx, of("base", "debian:bookworm"))
	if err != nil {
		t.Fatal(err)
	}
	child := of("child", "image:base@stable")
	child.After = []string{base.ID}
	kid, err := y.Bake(ctx, child)
	if err != nil || kid.State != slipway.BakeRunning || len(kid.Layers) != 0 {
		t.Fatalf("a bake that waits: %+v, %v", kid, err)
	}
	close(y.baker.gate)
	base = y.bakeDone(base.ID)
	kid = y.bakeDone(kid.ID)
	if kid.State != slipway.BakeSucceeded || kid.Base == nil || kid.Base.Digest != base.Image || kid.Finished.Before(base.Finished) {
		t.Errorf("the child of %s: %+v: %v", base.Image, kid, kid.Error)
	}
	// What it is built on again is the very base, whatever its name means now: to this yard's bases, nothing.
	again, err := y.Rebuild(ctx, slipway.RebuildRequest{Application: "child"})
	if err != nil {
		t.Fatal(err)
	}
	if again = y.bakeDone(again.ID); again.State != slipway.BakeSucceeded || again.Base == nil || again.Base.Digest != base.Image {
		t.Errorf("the child, rebuilt: %+v: %v", again, again.Error)
	}

	y.baker.mu.Lock()
	y.baker.fail = slipway.Errorf(slipway.Failed, "cannot run it")
	y.baker.mu.Unlock()
	broken, err := y.Bake(ctx, of("base", "debian:trixie"))
	if err != nil {
		t.Fatal(err)
	}
	child.After = []string{broken.ID}
	if kid, err = y.Bake(ctx, child); err != nil {
		t.Fatal(err)
	}
	if kid = y.bakeDone(kid.ID); kid.State != slipway.BakeFailed || kid.Error.Place != "image.from" || !strings.Contains(kid.Error.Message, broken.ID+" failed") {
		t.Errorf("the child of a base that failed: %+v: %v", kid, kid.Error)
	}

	child.After = []string{"b-unknown"}
	if _, err := y.Bake(ctx, child); slipway.CodeOf(err) != slipway.Invalid {
		t.Errorf("after a bake that never was: %v", err)
	}
}

// TestRebuild checks that an image is made again from what was recorded, that nothing is registered, and that what differs is named.
func TestRebuild(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	first := request("1", short)
	first.Secrets = "handle"
	b, err := y.Bake(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	b = y.bakeDone(b.ID)
	before, err := y.store.Images(ctx, "hello")
	if err != nil || len(before) != 1 || before[0].Request != b.Request || before[0].Bake != b.ID {
		t.Fatalf("%+v, %v", before, err)
	}
	y.secrets.mu.Lock()
	if !slices.Equal(y.secrets.dropped, []string{"handle"}) {
		t.Errorf("dropped the secrets %v", y.secrets.dropped)
	}
	y.secrets.mu.Unlock()

	rebuild := func() slipway.Bake {
		t.Helper()
		r, err := y.Rebuild(ctx, slipway.RebuildRequest{Application: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		return y.bakeDone(r.ID)
	}
	if r := rebuild(); r.State != slipway.BakeSucceeded || r.Rebuild != before[0].Digest || len(r.Differences) != 0 {
		t.Errorf("the same again: %+v: %v", r, r.Error)
	}
	needs := request("secretive", short)
	needs.Spec.Application, needs.Secrets = "secretive", "handle"
	needs.Spec.Image.Layers = append(needs.Spec.Image.Layers, slipway.Layer{Run: &slipway.RunLayer{Script: "setup.sh", Secrets: []string{"token"}}})
	needs.Context = []slipway.ContextEntry{{Path: "setup.sh", Mode: 0o755, Link: "other"}}
	if b, err = y.Bake(ctx, needs); err != nil {
		t.Fatal(err)
	}
	y.bakeDone(b.ID)
	_, err = y.Rebuild(ctx, slipway.RebuildRequest{Application: "secretive"})
	if slipway.CodeOf(err) != slipway.Invalid || !strings.Contains(err.Error(), "without the secret token") {
		t.Errorf("a rebuild that lacks a secret: %v", err)
	}

	y.baker.mu.Lock()
	y.baker.drift = "drift"
	y.baker.mu.Unlock()
	r := rebuild()
	want := []string{"debian:bookworm: /etc/drifted: content", "packages nginx-light: /etc/drifted: content"}
	if r.State != slipway.BakeFailed || !slices.Equal(r.Differences, want) || !strings.Contains(r.Error.Message, "differs, in 2 of its files, the first: debian:bookworm") {
		t.Errorf("drifted: %+v: %v", r, r.Error)
	}
	after, err := y.store.Images(ctx, "hello")
	if err != nil || len(after) != 1 || len(y.attester.signed) != 2 {
		t.Errorf("a rebuild registered something: %d images, %d signed, %v", len(after), len(y.attester.signed), err)
	}
}

// TestTestsOnce checks that an image that has passed is not tested again by the same tests, unless layers are asked to be built anew.
func TestTestsOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	y.machines.exec = func([]string) (slipway.ExecResult, error) { return slipway.ExecResult{}, nil }
	tested := request("1", short)
	tested.Spec.Image.Tests = []slipway.Test{{Command: &slipway.CommandTest{Run: []string{"true"}}}}
	bake := func(r slipway.BakeRequest, launched int) slipway.Bake {
		t.Helper()
		b, err := y.Bake(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		b = y.bakeDone(b.ID)
		y.machines.mu.Lock()
		defer y.machines.mu.Unlock()
		if b.State != slipway.BakeSucceeded || !b.Tests.Passed || y.machines.launched != launched {
			t.Fatalf("%+v after %d machines, want %d: %v", b, y.machines.launched, launched, b.Error)
		}
		return b
	}
	first := bake(tested, 1)
	tested.Version = "2"
	if second := bake(tested, 1); second.Tests.Bake != first.ID || second.ID == first.ID {
		t.Errorf("the report is %+v, want that of %s", second.Tests, first.ID)
	}
	tested.NoCache = []string{slipway.AllLayers}
	bake(tested, 2)
	bake(tested, 3)
	tested.NoCache = nil
	tested.Spec.Image.Tests = append(tested.Spec.Image.Tests, tested.Spec.Image.Tests[0])
	bake(tested, 4)
}

// TestFinishOlder checks that a bake is finished whose image an older version built, which recorded less of it.
func TestFinishOlder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	req := request("1", short)
	content, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	digest := slipway.DigestOf(content)
	if err := y.blobs.PutBlob(ctx, digest, int64(len(content)), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	in := ship.BakeInput{Request: digest, Bake: slipway.Bake{ID: "b-older", Application: "hello", State: slipway.BakeRunning}}
	if err := y.store.PutBake(ctx, in.Bake); err != nil {
		t.Fatal(err)
	}
	out := ship.BakeOutcome{State: slipway.BakeSucceeded, Spec: &req.Spec, Image: &slipway.Image{
		Digest: slipway.DigestOf([]byte("older")), Application: "hello", From: req.Spec.Image.From, Service: req.Spec.Image.Service,
	}}
	b, err := (&ship.Activities{Parts: y.Parts}).FinishBake(ctx, in, out)
	if err != nil || b.State != slipway.BakeSucceeded || b.Request != digest {
		t.Fatalf("%+v, %v", b, err)
	}
	image, err := y.store.Image(ctx, out.Image.Digest)
	if err != nil || image.Request != digest || image.Bake != b.ID || !slices.Equal(y.attester.signed, []slipway.Digest{image.Digest}) {
		t.Errorf("%+v, signed %v, %v", image, y.attester.signed, err)
	}
}

// TestUnsignable checks that a bake fails, and does not go on for ever, if its image is damaged when it is to be signed.
func TestUnsignable(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	y, ctx := newYard(t), t.Context()
	y.attester.fail = slipway.Errorf(slipway.Corrupt, "cannot read a layer, it is damaged")
	b, err := y.Bake(ctx, request("1", short))
	if err != nil {
		t.Fatal(err)
	}
	b = y.bakeDone(b.ID)
	images, err := y.store.Images(ctx, "hello")
	if b.State != slipway.BakeFailed || b.Image != "" || slipway.CodeOf(b.Error) != slipway.Corrupt || len(images) != 0 || err != nil {
		t.Errorf("%+v: %v; %d images, %v", b, b.Error, len(images), err)
	}
}
