package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/slipway-sh/slipway"
)

// canary is the n-th deployment, by a strategy that has a baseline.
func canary(n int) slipway.Deployment {
	d := created(n, prod)
	d.Environment.Strategy = slipway.Strategy{Canary: &slipway.Canary{Steps: []int{10}}}
	return d
}

// queued is d before its turn has come.
func queued(d slipway.Deployment) slipway.Deployment {
	d.State = slipway.DeploymentQueued
	return d
}

func baselines(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	no := false
	with := func(d slipway.Deployment, change func(*slipway.Deployment)) slipway.Deployment { change(&d); return d }
	for _, c := range []struct {
		why              string
		asked            slipway.Deployment
		target, baseline string
	}{
		{"a canary has a baseline", canary(1), "shop-prod-v001", "shop-prod-v002"},
		{"red/black has none", created(2, prod), "shop-prod-v003", ""},
		{"numbers grow on", canary(3), "shop-prod-v004", "shop-prod-v005"},
		{"the same again", canary(3), "shop-prod-v004", "shop-prod-v005"},
		{"a rollback needs none", with(canary(4), func(d *slipway.Deployment) { d.Kind = slipway.KindRollback }), "shop-prod-v006", ""},
		{"told not to", with(canary(5), func(d *slipway.Deployment) { d.Environment.Strategy.Canary.Baseline = &no }), "shop-prod-v007", ""},
		{"without spare capacity", with(canary(6), func(d *slipway.Deployment) { d.Environment.Strategy.Canary.Replace = true }), "shop-prod-v008", ""},
		{"a target that is there", with(canary(7), func(d *slipway.Deployment) { d.Target = "shop-prod-v001" }), "shop-prod-v001", ""},
		{"those took no number", canary(8), "shop-prod-v009", "shop-prod-v010"},
	} {
		got, err := s.CreateDeployment(ctx, c.asked)
		must(t, err)
		if got.Target != c.target || got.Baseline != c.baseline {
			t.Errorf("%s: %q and %q, want %q and %q", c.why, got.Target, got.Baseline, c.target, c.baseline)
		}
		same(t, got)(s.Deployment(ctx, c.asked.ID))
	}
}

func queue(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	must(t, s.PutImage(ctx, image(2, "shop", "v2", slipway.ImageReady)))
	must(t, s.PutImage(ctx, image(3, "shop", "v3", slipway.ImageReady)))

	waiting := queued(canary(1))
	same(t, waiting)(s.CreateDeployment(ctx, waiting)) // no names
	same(t, waiting)(s.CreateDeployment(ctx, waiting)) // nor the second time
	same(t, []slipway.Deployment{waiting})(s.Deployments(ctx, prod, 0))
	waiting.Step = "second of three"
	must(t, s.PutDeployment(ctx, waiting))

	// One that came later and did not wait has its names first; numbers are those of the order in which deployments begin.
	first, err := s.CreateDeployment(ctx, created(2, prod))
	must(t, err)
	begun := canary(1)
	begun.Step, begun.Target, begun.Baseline = "its turn", "shop-prod-v002", "shop-prod-v003"
	asked := begun
	asked.Target, asked.Baseline = "", ""
	same(t, begun)(s.CreateDeployment(ctx, asked))
	same(t, begun)(s.Deployment(ctx, "d-1"))
	same(t, []slipway.Deployment{first, begun})(s.Deployments(ctx, prod, 0))

	// Neither again, nor as one that waits, is it another one.
	same(t, begun)(s.CreateDeployment(ctx, asked))
	same(t, begun)(s.CreateDeployment(ctx, waiting))
	begun.State = slipway.DeploymentSucceeded
	must(t, s.PutDeployment(ctx, begun))
	same(t, begun)(s.CreateDeployment(ctx, asked))

	// What was aborted while it waited does not begin, and has taken no number.
	gone := queued(created(3, prod))
	same(t, gone)(s.CreateDeployment(ctx, gone))
	gone.State = slipway.DeploymentAborted
	must(t, s.PutDeployment(ctx, gone))
	same(t, gone)(s.CreateDeployment(ctx, created(3, prod)))

	// The image is looked at again when the turn has come, and is needed until then.
	late := created(4, prod)
	late.Image = digest(2)
	_, err = s.CreateDeployment(ctx, queued(late))
	must(t, err)
	wants(t, slipway.Conflict)(nil, s.DeleteImage(ctx, digest(2), at(100)))
	_, err = s.RevokeImage(ctx, digest(2), &slipway.Revocation{At: at(1), Reason: "leaks"})
	must(t, err)
	wants(t, slipway.Refused)(s.CreateDeployment(ctx, late))
	same(t, queued(late))(s.Deployment(ctx, "d-4"))
	lost := created(5, prod)
	lost.Image = digest(9)
	wants(t, slipway.NotFound)(s.CreateDeployment(ctx, queued(lost)))

	// A rollback that waits knows where it goes.
	back := created(6, prod)
	back.Kind, back.Target = slipway.KindRollback, "shop-prod-v001"
	same(t, queued(back))(s.CreateDeployment(ctx, queued(back)))
	same(t, back)(s.CreateDeployment(ctx, back))
	next, err := s.CreateDeployment(ctx, created(7, prod))
	must(t, err)
	if next.Target != "shop-prod-v004" {
		t.Errorf("the next target is %s, want shop-prod-v004", next.Target)
	}
}

func concurrentTurns(t *testing.T, s slipway.Store) {
	const writers = 50
	ctx := t.Context()
	must(t, s.PutImage(ctx, image(1, "shop", "v1", slipway.ImageReady)))
	for n := range writers {
		_, err := s.CreateDeployment(ctx, queued(canary(n)))
		must(t, err)
	}
	got := make([]slipway.Deployment, 2*writers) // each begins twice at once, as an activity may
	var all sync.WaitGroup
	for n := range got {
		all.Go(func() {
			var err error
			if got[n], err = s.CreateDeployment(ctx, canary(n/2)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var names []string
	for n, d := range got {
		var number int
		if _, err := fmt.Sscanf(d.Target, "shop-prod-v%d", &number); err != nil || d.Baseline != prod.GroupName(number+1) {
			t.Errorf("target %q and baseline %q, want one number and the next", d.Target, d.Baseline)
		}
		if n%2 == 0 {
			names = append(names, d.Target, d.Baseline)
		} else if before := got[n-1]; before.Target != d.Target {
			t.Errorf("%s began twice, to %s and to %s", d.ID, before.Target, d.Target)
		}
	}
	slices.Sort(names)
	for n, name := range names {
		if want := prod.GroupName(n + 1); name != want {
			t.Fatalf("names[%d] = %q, want %q", n, name, want)
		}
	}
}
