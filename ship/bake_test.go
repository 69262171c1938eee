package ship_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
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
	y.baker.mu.Lock()
	y.baker.drift = "drift"
	y.baker.mu.Unlock()
	r := rebuild()
	want := []string{"debian:bookworm: /etc/drifted: content", "packages nginx-light: /etc/drifted: content"}
	if r.State != slipway.BakeFailed || !slices.Equal(r.Differences, want) || !strings.Contains(r.Error.Message, "differs in 2 places, the first: debian:bookworm") {
		t.Errorf("drifted: %+v: %v", r, r.Error)
	}
	after, err := y.store.Images(ctx, "hello")
	if err != nil || len(after) != 1 || len(y.attester.signed) != 1 {
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
	tested.NoCache = nil
	tested.Spec.Image.Tests = append(tested.Spec.Image.Tests, tested.Spec.Image.Tests[0])
	bake(tested, 3)
}
