package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

func restriction(n int, kind slipway.RestrictionKind, cluster slipway.Cluster) slipway.Restriction {
	r := slipway.Restriction{ID: fmt.Sprintf("%c-%d", kind[0], n), Kind: kind, Cluster: cluster, Reason: fmt.Sprint("reason ", n), By: "ann", Since: at(n)}
	if kind != slipway.RestrictionFreeze {
		r.Image = digest(1)
	}
	return r
}

func release(n int, environment string) slipway.Release {
	return slipway.Release{
		ID: fmt.Sprintf("r-%d", n), Environment: environment, State: slipway.ReleaseRunning, Reason: "sale", By: "ann", Started: at(n),
		Members: []slipway.ReleaseMember{
			{Application: "shop", Image: digest(1), Deployment: "d-1", State: slipway.DeploymentRunning},
			{Application: "blog", Image: digest(2)},
		},
	}
}

func sample(group string, n int) slipway.Sample {
	return slipway.Sample{Time: at(n), Group: group, Requests: int64(100 * n), Errors: int64(n), Latency: slipway.Duration(n) * slipway.Duration(time.Millisecond)}
}

func restrictions(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	dev := slipway.Cluster{Application: "shop", Environment: "dev"}
	everything, environment := slipway.Cluster{}, slipway.Cluster{Environment: "prod"}
	put := func(r slipway.Restriction) slipway.Restriction {
		t.Helper()
		same(t, r)(s.PutRestriction(ctx, r))
		return r
	}
	veto := put(restriction(5, slipway.RestrictionVeto, prod))
	elsewhere := put(restriction(4, slipway.RestrictionVeto, dev)) // another cluster, another veto
	pin := put(restriction(3, slipway.RestrictionPin, prod))       // another kind
	freeze := put(restriction(2, slipway.RestrictionFreeze, environment))
	all := put(restriction(1, slipway.RestrictionFreeze, everything))
	other := restriction(6, slipway.RestrictionVeto, prod)
	other.Image = digest(2)
	put(other)
	same(t, []slipway.Restriction{all, freeze, pin, elsewhere, veto, other})(s.Restrictions(ctx))

	// The same again returns the first; of another ID, reason and person it is the same still.
	for _, first := range []slipway.Restriction{veto, pin, freeze, all} {
		again := first
		again.ID, again.Since, again.Reason, again.By = first.ID+"-again", at(9), "once more", "bob"
		same(t, first)(s.PutRestriction(ctx, again))
	}
	// The same ID replaces.
	pin.Reason = "the sale goes on"
	put(pin)
	same(t, []slipway.Restriction{all, freeze, pin, elsewhere, veto, other})(s.Restrictions(ctx))

	// One that is over is in nobody's way, and stays on the list until it is removed.
	freeze.Until = at(7)
	put(freeze)
	tooEarly := restriction(10, slipway.RestrictionFreeze, environment)
	tooEarly.Since = at(6)
	same(t, freeze)(s.PutRestriction(ctx, tooEarly))
	next := restriction(7, slipway.RestrictionFreeze, environment)
	put(next)
	same(t, []slipway.Restriction{all, freeze, pin, elsewhere, veto, other, next})(s.Restrictions(ctx))

	same(t, veto)(s.DeleteRestriction(ctx, veto.ID))
	wants(t, slipway.NotFound)(s.DeleteRestriction(ctx, veto.ID))
	same(t, []slipway.Restriction{all, freeze, pin, elsewhere, other, next})(s.Restrictions(ctx))
	put(restriction(8, slipway.RestrictionVeto, prod)) // what was lifted may be vetoed again
}

func concurrentRestrictions(t *testing.T, s slipway.Store) {
	const people = 50
	got := make([]slipway.Restriction, people)
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			r := restriction(n, slipway.RestrictionVeto, prod)
			r.Since = at(0)
			var err error
			if got[n], err = s.PutRestriction(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, r := range got {
		same(t, []slipway.Restriction{r})(s.Restrictions(t.Context()))
	}
}

func samples(t *testing.T, s slipway.Store) {
	ctx := t.Context()
	const canary, baseline = "shop-prod-v002", "shop-prod-v003"
	empty(t)(s.Samples(ctx, "d-1", time.Time{}, time.Time{}))
	must(t, s.PutSamples(ctx, "d-1", nil))
	must(t, s.PutSamples(ctx, "d-1", []slipway.Sample{sample(baseline, 3), sample(canary, 2), sample(baseline, 2), sample(canary, 1)}))
	must(t, s.PutSamples(ctx, "d-1", []slipway.Sample{sample(canary, 3)}))
	must(t, s.PutSamples(ctx, "d-2", []slipway.Sample{sample(canary, 2)}))
	stored := []slipway.Sample{sample(canary, 1), sample(canary, 2), sample(baseline, 2), sample(canary, 3), sample(baseline, 3)}
	for _, c := range []struct {
		from, to time.Time
		want     []slipway.Sample
	}{
		{time.Time{}, time.Time{}, stored},
		{at(1), at(4), stored},
		{at(2), time.Time{}, stored[1:]},
		{time.Time{}, at(3), stored[:3]}, // the end does not belong to it
		{at(2), at(3), stored[1:3]},      // the beginning does
		{at(1).Add(1), at(2).Add(1), stored[1:3]},
		{at(3), at(3), stored[:0]},
		{at(9), time.Time{}, stored[:0]},
	} {
		same(t, c.want)(s.Samples(ctx, "d-1", c.from, c.to))
	}
	// Measured again, and twice in one go: the last one counts.
	again, last := sample(canary, 2), sample(canary, 2)
	again.Errors, last.Errors = 17, 18
	must(t, s.PutSamples(ctx, "d-1", []slipway.Sample{again, last}))
	same(t, []slipway.Sample{last, sample(baseline, 2)})(s.Samples(ctx, "d-1", at(2), at(3)))
	same(t, []slipway.Sample{sample(canary, 2)})(s.Samples(ctx, "d-2", time.Time{}, time.Time{}))
}
